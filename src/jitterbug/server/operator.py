"""The operator listener: metrics and probes, never on the public address (PROTOCOL §8, R78)."""

from typing import TYPE_CHECKING, Final

from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.responses import PlainTextResponse, Response
from starlette.types import Receive, Scope, Send

from jitterbug.protocol.codes import ErrorCode
from jitterbug.server.answers import RefusedRequest, finished
from jitterbug.server.handshake import names_this_machine
from jitterbug.telemetry.metrics import Metrics

if TYPE_CHECKING:
    from jitterbug.server.app import Jitterbug

_PATHS: Final = {"/metrics", "/health/live", "/health/ready"}


class Operator:
    """ASGI application of the second listener."""

    def __init__(self, push: "Jitterbug", *, loopback_only: bool = True) -> None:
        """Start counting: from here on the hub's facts are metrics.

        Args:
            push: The hub.
            loopback_only: It listens on this machine alone, and so answers to no other name: a page whose name
                resolves to loopback (DNS rebinding) reads nothing. False = its operator bound it elsewhere.
        """
        hub = push.hub
        self._loopback_only = loopback_only
        self._hub = hub
        self._metrics = Metrics()
        hub.facts.listen(self._metrics)
        read = self._metrics.read
        read("connections", "Streams open now", lambda: hub.connection_count)
        read("sessions", "Sessions with a stream open now", lambda: hub.session_count)
        read("channels", "Channels read here now", lambda: len(hub.channels))
        read("publications", "Publications accepted", lambda: hub.published, counter=True)
        read("backlog_frames", "Publications waiting on rings", lambda: sum(c.backlog for c in hub))
        read("dropped_frames", "Publications dropped by overflow", hub.dropped_frames, counter=True)
        read("fit", "1 while everything the hub depends on is there", lambda: hub.is_fit)
        read("audit_records_lost", "Facts the audit trail had no room for", lambda: _lost(push), counter=True)
        read("alert_webhook_failures", "Alerts the webhook did not get", lambda: push.webhook_failures(), counter=True)  # noqa: PLW0108 - set later
        read("draining", "1 while the hub is letting go", lambda: hub.is_draining)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            return
        response = finished(lambda: self._answer(scope))
        response.headers["cache-control"] = "no-store"
        await response(scope, receive, send)

    def _answer(self, scope: Scope) -> Response:
        path, method = scope["path"], scope["method"]
        if self._loopback_only and not names_this_machine(scope):
            raise RefusedRequest(ErrorCode.UNAUTHORIZED, "operator listener asked by another name", status=403)
        if path not in _PATHS:
            raise RefusedRequest(ErrorCode.INVALID, "no such path", status=404)
        if method not in {"GET", "HEAD"}:
            raise RefusedRequest(ErrorCode.INVALID, "method", status=405, headers={"allow": "GET"})
        if path == "/metrics":
            return Response(generate_latest(self._metrics.registry), media_type=CONTENT_TYPE_LATEST)
        if path == "/health/ready" and self._hub.is_draining:
            return PlainTextResponse("draining\n", 503)
        if path == "/health/ready" and not self._hub.is_fit:
            return PlainTextResponse("not fit: see the log\n", 503)
        return PlainTextResponse("ok\n")


def _lost(push: "Jitterbug") -> int:
    return push.trail.lost if push.trail is not None else 0
