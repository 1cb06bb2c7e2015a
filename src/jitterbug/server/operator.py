"""The operator listener: metrics and probes, never on the public address (PROTOCOL §8, R78)."""

from typing import TYPE_CHECKING, Final

from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.responses import PlainTextResponse, Response
from starlette.types import Receive, Scope, Send

from jitterbug.protocol.codes import ErrorCode
from jitterbug.server.answers import RefusedRequest, finished
from jitterbug.telemetry.metrics import Metrics

if TYPE_CHECKING:
    from jitterbug.server.app import Jitterbug

_PATHS: Final = {"/metrics", "/health/live", "/health/ready"}


class Operator:
    """ASGI application of the second listener."""

    def __init__(self, push: "Jitterbug") -> None:
        """Start counting: from here on the hub's facts are metrics."""
        hub = push.hub
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
        read("draining", "1 while the hub is letting go", lambda: hub.is_draining)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            return
        response = finished(lambda: self._answer(scope["path"], scope["method"]))
        response.headers["cache-control"] = "no-store"
        await response(scope, receive, send)

    def _answer(self, path: str, method: str) -> Response:
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
