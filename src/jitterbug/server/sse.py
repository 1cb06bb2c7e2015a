"""The stream: ``GET`` and ``POST BASE/stream``, raw ASGI (PROTOCOL §5).

Before it opens, errors are HTTP answers; afterwards ``bye`` and close. One task a connection: the one that watches for
its end. Nothing that opened a stream stays on that task's stack while it lasts: see :class:`OpenStream`.
"""

import random
from typing import TYPE_CHECKING, Any, Final

from starlette.types import Receive, Scope, Send

from jitterbug.hub.connection import Connection
from jitterbug.hub.sessions import Session
from jitterbug.protocol import sse
from jitterbug.protocol.codes import ErrorCode
from jitterbug.protocol.position import Position
from jitterbug.server.answers import RefusedRequest
from jitterbug.server.body import parse, read_json
from jitterbug.server.first_of import first_of
from jitterbug.server.handshake import let_go
from jitterbug.server.opening import Counted, Gate, NotNowError, Opened, Opening, Wanted, from_query
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
    ) -> "OpenStream | None":
        """Open a stream.

        Args:
            scope: Of the request.
            receive: ASGI.
            send: ASGI.
            session: Who asks.
            request_id: Under which causes are logged.
            headers: Those every answer has.

        Returns:
            What is left to do, where the server offers its transport; None where the stream is over.

        Raises:
            RefusedRequest: Before the stream opens.
        """
        native = scope["method"] == "GET"
        wanted = from_query(scope) if native else await from_body(scope, receive)
        try:
            opening = self._gate.admit(scope, session, wanted, request_id)
        except NotNowError:
            await self._refuse_for_now(send, headers, native=native)
            return None
        stream = OpenStream(self._gate.counted(opening))
        try:
            await self._open(scope, receive, send, headers, opening, stream)
        except BaseException:  # also given up half-way: what was counted is counted no more
            stream.close()
            raise
        return stream if stream.is_open else None

    async def _refuse_for_now(self, send: Send, headers: Pairs, *, native: bool) -> None:
        """Say "later": in words that a native EventSource does not take for "never" (PROTOCOL §5)."""
        retry_ms = random.randint(_BUSY_RETRY_MIN_MS, _BUSY_RETRY_MAX_MS)  # noqa: S311
        if not native:
            cause = "draining or too many connections"
            retry_after = {"retry-after": str(-(-retry_ms // 1_000))}
            raise RefusedRequest(ErrorCode.INTERNAL, cause, headers=retry_after)
        await send({"type": "http.response.start", "status": 200, "headers": _HEADERS + headers})
        await send({"type": "http.response.body", "body": sse.retry(retry_ms), "more_body": False})

    async def _open(
        self, scope: Scope, receive: Receive, send: Send, headers: Pairs, opening: Opening, stream: "OpenStream"
    ) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": _HEADERS + headers})
        # Sent at once, so that proxies pass the head on and the browser's open event fires.
        first = sse.retry(random.randint(_RETRY_MIN_MS, _RETRY_MAX_MS))  # noqa: S311
        await send({"type": "http.response.body", "body": first, "more_body": True})
        sink = offered(scope) or AsgiSink()
        connection = stream.open(self._gate.opened(opening, sink))
        await self._gate.subscribe(connection, opening.channels)
        if isinstance(sink, AsgiSink):
            await first_of(sink.pump(send), sink.until_aborted(), _until_gone(receive))
            stream.close()
        else:
            let_go(scope)


class OpenStream:
    """A stream that has nothing more to do than to wait for its end.

    Handed up to the outermost coroutine: thousands of idle streams need no stack of those that opened them.

    Attributes:
        is_open: Until :meth:`close`.
    """

    __slots__ = ("_counted", "_opened", "is_open")

    def __init__(self, counted: Counted) -> None:
        """Args: counted: counts it against its address, from now on."""
        self._counted = counted
        self._opened: Opened | None = None
        self.is_open = True
        counted.__enter__()

    def open(self, opened: Opened) -> Connection:
        """Hold its connection as well."""
        self._opened = opened
        return opened.__enter__()

    def close(self) -> None:
        """Let the hub forget it. Safe to call twice."""
        if self.is_open:
            self.is_open = False
            if self._opened is not None:
                self._opened.__exit__()
            self._counted.__exit__()

    async def until_gone(self, receive: Receive) -> None:
        """Wait for the end of the wire, and close."""
        try:
            while (await receive())["type"] != "http.disconnect":
                pass
        finally:
            self.close()


async def _until_gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
