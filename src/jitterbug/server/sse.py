"""The stream: ``GET`` and ``POST BASE/stream``, raw ASGI (PROTOCOL §5).

Before it opens, errors are HTTP answers; afterwards ``bye`` and close. One task a connection: the one that watches for
its end.
"""

import random
from typing import TYPE_CHECKING, Any, Final

from starlette.types import Receive, Scope, Send

from jitterbug.hub.sessions import Session
from jitterbug.protocol import sse
from jitterbug.protocol.codes import ErrorCode
from jitterbug.protocol.position import Position
from jitterbug.server.answers import RefusedRequest
from jitterbug.server.body import parse, read_json
from jitterbug.server.first_of import first_of
from jitterbug.server.opening import Gate, NotNowError, Opening, Wanted, from_query
from jitterbug.server.sinks import AsgiSink, offered

if TYPE_CHECKING:
    from jitterbug.server.app import Jitterbug

_BODY_LIMIT_BYTES: Final = 32_768
"""A hundred channels of 128 characters with their positions."""
_RETRY_MIN_MS: Final = 1_000
_RETRY_MAX_MS: Final = 3_000
_BUSY_RETRY_MIN_MS: Final = 2_000
_BUSY_RETRY_MAX_MS: Final = 10_000
_HEADERS: Final = [
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-store, no-transform"),
    (b"x-accel-buffering", b"no"),
]
Pairs = list[tuple[bytes, bytes]]


async def from_body(scope: Scope, receive: Receive) -> Wanted:
    """Read ``{"kid": …, "channels": {name: null or position}}``. Raises RefusedRequest."""
    wanted = parse(await read_json(scope, receive, _BODY_LIMIT_BYTES))
    if not isinstance(wanted, dict) or not {"kid"} <= wanted.keys() <= {"kid", "channels"}:
        raise RefusedRequest(ErrorCode.INVALID, "stream body")
    channels = wanted.get("channels", {})
    if not isinstance(channels, dict):
        raise RefusedRequest(ErrorCode.INVALID, "stream channels")
    return wanted["kid"], {name: _since(value) for name, value in channels.items()}


def _since(value: Any) -> Position | None:
    position = Position.from_json(value)
    if value is not None and position is None:
        raise RefusedRequest(ErrorCode.INVALID, "stream position")
    return position


class Stream:
    """Opens and watches streams."""

    def __init__(self, push: "Jitterbug") -> None:
        self._gate = Gate(push)

    async def __call__(
        self, scope: Scope, receive: Receive, send: Send, session: Session, request_id: str, headers: Pairs
    ) -> None:
        """Serve one request.

        Args:
            scope: Of the request.
            receive: ASGI.
            send: ASGI.
            session: Who asks.
            request_id: Under which causes are logged.
            headers: Those every answer has.

        Raises:
            RefusedRequest: Before the stream opens.
        """
        native = scope["method"] == "GET"
        wanted = from_query(scope) if native else await from_body(scope, receive)
        try:
            opening = self._gate.admit(scope, session, wanted, request_id)
        except NotNowError:
            await self._refuse_for_now(send, headers, native=native)
            return
        with self._gate.counted(opening):
            await self._run(scope, receive, send, headers, opening)

    async def _refuse_for_now(self, send: Send, headers: Pairs, *, native: bool) -> None:
        """Say "later": in words that a native EventSource does not take for "never" (PROTOCOL §5)."""
        retry_ms = random.randint(_BUSY_RETRY_MIN_MS, _BUSY_RETRY_MAX_MS)  # noqa: S311
        if not native:
            cause = "draining or too many connections"
            retry_after = {"retry-after": str(-(-retry_ms // 1_000))}
            raise RefusedRequest(ErrorCode.INTERNAL, cause, headers=retry_after)
        await send({"type": "http.response.start", "status": 200, "headers": _HEADERS + headers})
        await send({"type": "http.response.body", "body": sse.retry(retry_ms), "more_body": False})

    async def _run(self, scope: Scope, receive: Receive, send: Send, headers: Pairs, opening: Opening) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": _HEADERS + headers})
        # Sent at once, so that proxies pass the head on and the browser's open event fires.
        first = sse.retry(random.randint(_RETRY_MIN_MS, _RETRY_MAX_MS))  # noqa: S311
        await send({"type": "http.response.body", "body": first, "more_body": True})
        sink = offered(scope) or AsgiSink()
        with self._gate.opened(opening, sink) as connection:
            await self._gate.subscribe(connection, opening.channels)
            if isinstance(sink, AsgiSink):
                await first_of(sink.pump(send), sink.until_aborted(), _until_gone(receive))
            else:
                await _until_gone(receive)


async def _until_gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
