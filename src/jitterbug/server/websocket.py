"""The WebSocket: ``GET BASE/ws``, raw ASGI. Every text message is one signed frame, both ways (PROTOCOL §5).

The order is that of the stream: whatever can be refused is refused as an HTTP answer to the handshake; "later" is an
accepted handshake that is closed with 1013, because a browser tells its page no status.
"""

from typing import TYPE_CHECKING, Any

from starlette.types import Receive, Scope, Send

from jitterbug.hub.connection import Connection
from jitterbug.hub.sessions import Session
from jitterbug.hub.upstream import Outcome
from jitterbug.protocol.codes import Down
from jitterbug.server.first_of import first_of
from jitterbug.server.opening import Gate, NotNowError, Opening, from_query
from jitterbug.server.socket_sinks import (
    MALFORMED,
    TOO_LARGE,
    TRY_LATER,
    UNSUPPORTED_DATA,
    AsgiSocketSink,
    TransportSocketSink,
    offered_socket,
)

if TYPE_CHECKING:
    from jitterbug.server.app import Jitterbug

Pairs = list[tuple[bytes, bytes]]


class WebSocket:
    """Opens WebSockets and reads from them."""

    def __init__(self, push: "Jitterbug") -> None:
        self._push = push
        self._gate = Gate(push)

    async def __call__(
        self, scope: Scope, receive: Receive, send: Send, session: Session, request_id: str, headers: Pairs
    ) -> None:
        """Serve one connection; its ``websocket.connect`` was received.

        Args:
            scope: Of the handshake, as an HTTP request.
            receive: ASGI.
            send: ASGI.
            session: Who asks.
            request_id: Under which causes are logged.
            headers: Those every answer has.

        Raises:
            RefusedRequest: Before the handshake is accepted.
        """
        try:
            opening = self._gate.admit(scope, session, from_query(scope), request_id)
        except NotNowError:
            await send({"type": "websocket.accept", "headers": headers})
            await send({"type": "websocket.close", "code": TRY_LATER, "reason": ""})
            return
        with self._gate.counted(opening):
            await send({"type": "websocket.accept", "headers": headers})
            await self._run(scope, receive, send, opening, request_id)

    async def _run(self, scope: Scope, receive: Receive, send: Send, opening: Opening, request_id: str) -> None:
        sink = offered_socket(scope) or AsgiSocketSink()
        with self._gate.opened(opening, sink) as connection:
            listening = _Listening(self._push, connection, sink, request_id)
            await self._gate.subscribe(connection, opening.channels)
            if isinstance(sink, AsgiSocketSink):
                await first_of(sink.pump(send), sink.until_aborted(), listening(receive))
            else:
                await listening(receive)


class _Listening:
    """What comes up one WebSocket: a frame after the other, so that a peer that is answered slowly waits."""

    def __init__(
        self, push: "Jitterbug", connection: Connection, sink: TransportSocketSink | AsgiSocketSink, request_id: str
    ) -> None:
        self._push = push
        self._connection = connection
        self._sink = sink
        self._request_id = request_id

    async def __call__(self, receive: Receive) -> None:
        """Read until the peer is gone."""
        while (event := await receive())["type"] != "websocket.disconnect":
            if not self._connection.is_ending:
                await self._take(event.get("text"))

    async def _take(self, text: str | None) -> None:
        push, connection = self._push, self._connection
        if text is None:
            self._end(UNSUPPORTED_DATA)
            return
        data = text.encode()
        if len(data) > push.config.max_frame_bytes:
            self._end(TOO_LARGE)
            return
        outcome = await push.upstream.handle(
            connection.session, data, wire=connection, address=connection.address, request_id=self._request_id
        )
        self._answer(outcome)
        if outcome.malformed:
            self._end(MALFORMED)

    def _answer(self, outcome: Outcome) -> None:
        members: dict[str, Any] = {} if outcome.id is None else {"id": outcome.id}
        if outcome.code is not None:
            self._connection.control(Down.ERR, **members, code=outcome.code.value)
        elif outcome.position is not None:
            self._connection.control(Down.ACK, **members, pos=outcome.position.to_json())
        else:
            self._connection.control(Down.ACK, **members)
        self._push.hub.wake(self._connection)

    def _end(self, close_code: int) -> None:
        self._sink.close_code = close_code
        self._connection.finish()
        self._push.hub.wake(self._connection)
