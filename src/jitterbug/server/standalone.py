"""The public face of a production hub: the routes below the base path, ``/.well-known/security.txt``, nothing else."""

from datetime import UTC, datetime, timedelta
from typing import Final

from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from jitterbug.protocol.codes import ErrorCode
from jitterbug.server.answers import RefusedRequest, finished
from jitterbug.server.handshake import OWN_SCOPE, check_tls

_CONTACT: Final = "mailto:security@jitterbug.dev"
_POLICY: Final = "# Policy: coordinated disclosure within 90 days, see SECURITY.md of the project"
_VALID: Final = timedelta(days=180)


def security_txt(now: datetime, policy_url: str | None = None) -> str:
    """Where to report a vulnerability (RFC 9116, R89). Args: policy_url: None = only a comment says what holds."""
    expires = (now + _VALID).isoformat(timespec="seconds").replace("+00:00", "Z")
    policy = f"Policy: {policy_url}" if policy_url is not None else _POLICY
    return f"Contact: {_CONTACT}\nExpires: {expires}\nPreferred-Languages: en\n{policy}\n"


class Standalone:
    """Hands everything below the base path to the hub."""

    def __init__(self, base_path: str, hub: ASGIApp, security_policy: str | None = None) -> None:
        """Args: security_policy: address of the rules for reporting vulnerabilities; None = not shown."""
        self._base_path = base_path
        self._hub = hub
        self._security_policy = security_policy

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        path: str = scope.get("path", "")
        if scope["type"] != "http" or path.startswith(f"{self._base_path}/"):
            scope["root_path"] = scope.get("root_path", "") + self._base_path
            scope[OWN_SCOPE] = True
            await self._hub(scope, receive, send)
            return
        response = finished(lambda: self._answer(scope), production=True)
        await response(scope, receive, send)

    def _answer(self, scope: Scope) -> Response:
        check_tls(scope)
        if scope["path"] != "/.well-known/security.txt":
            raise RefusedRequest(ErrorCode.INVALID, "no such path", status=404)
        if scope["method"] not in {"GET", "HEAD"}:
            raise RefusedRequest(ErrorCode.INVALID, "method", status=405, headers={"allow": "GET"})
        return PlainTextResponse(security_txt(datetime.now(UTC), self._security_policy))
