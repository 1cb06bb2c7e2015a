"""The live page of a development hub: three files, built from ``js/page`` and shipped in the wheel."""

import mimetypes
from importlib import resources
from typing import Final

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from jitterbug.protocol.codes import ErrorCode
from jitterbug.server.answers import RefusedRequest, finished
from jitterbug.server.handshake import OWN_SCOPE, check_development, is_foreign_site
from jitterbug.server.sessions import OwnSessions

_CSP: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"
)
_HEADERS: Final = {"cache-control": "no-store", "cross-origin-opener-policy": "same-origin"}
_NAMES: Final = {"/": "index.html", "/index.html": "index.html"}
_MISSING: Final = "The live page has not been built. Run: make setup\n"


class Console:
    """Serves the page at ``/`` and hands everything below the base path to the hub."""

    def __init__(self, base_path: str, hub: ASGIApp, sessions: OwnSessions | None = None) -> None:
        """Put the page in front of a hub.

        Args:
            base_path: What belongs to the hub.
            hub: Its ASGI application.
            sessions: A visitor without a login gets one of these with the page; None = the page gives none.
        """
        self._base_path = base_path
        self._hub = hub
        self._sessions = sessions
        folder = resources.files("jitterbug.console")
        # Read once: what is not here cannot be asked for, whatever the path says.
        self._files = {
            item.name: item.read_bytes()
            for item in folder.iterdir()
            if item.is_file() and not item.name.endswith((".py", ".map"))
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        path: str = scope.get("path", "")
        if scope["type"] != "http" or path.startswith(f"{self._base_path}/"):
            scope["root_path"] = scope.get("root_path", "") + self._base_path
            scope[OWN_SCOPE] = True
            await self._hub(scope, receive, send)
            return
        response = finished(lambda: self._answer(scope))
        response.headers.update(_HEADERS)
        await response(scope, receive, send)

    def _answer(self, scope: Scope) -> Response:
        check_development(scope)
        if scope["method"] not in {"GET", "HEAD"}:
            raise RefusedRequest(ErrorCode.INVALID, "method", status=405, headers={"allow": "GET"})
        path: str = scope["path"]
        name = _NAMES.get(path, path.removeprefix("/"))
        if name == "index.html" and name not in self._files:
            return PlainTextResponse(_MISSING, 503)
        if name not in self._files:
            raise RefusedRequest(ErrorCode.INVALID, "no such path", status=404)
        media_type = mimetypes.guess_type(name)[0] or "application/octet-stream"
        headers: dict[str, str] = {}
        if name.endswith(".html"):
            headers["content-security-policy"] = _CSP
            headers |= self._login(scope)
        return Response(self._files[name], media_type=media_type, headers=headers)

    def _login(self, scope: Scope) -> dict[str, str]:
        """A cookie for a visitor who has none. None for a page of another site: it could crowd out real logins."""
        if self._sessions is None or is_foreign_site(scope) or self._sessions(Request(scope)) is not None:
            return {}
        session = self._sessions.create(None)
        return {} if session is None else {"set-cookie": self._sessions.cookie(session)}
