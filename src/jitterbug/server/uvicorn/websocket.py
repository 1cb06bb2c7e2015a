"""WebSocket by uvicorn's sans-I/O protocol, with the connection's transport on offer to the hub.

What differs from it: no compression (secrets and a stranger's text in one window, CRIME), bounded fragments and pongs,
an end for peers that take none, and refusals that give nothing away.
"""

import asyncio
import logging
import os
from collections.abc import MutableMapping
from http import HTTPStatus
from typing import Any, Final

from uvicorn._types import ASGIReceiveEvent, ASGISendEvent
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.datastructures import Headers
from websockets.exceptions import PayloadTooBig
from websockets.frames import Frame, Opcode
from websockets.http11 import Request, Response
from websockets.server import ServerProtocol
from websockets.typing import LoggerLike

from jitterbug.server.answers import common_headers
from jitterbug.server.socket_sinks import EXTENSION, TransportSocketSink
from jitterbug.server.uvicorn.http import TAKE_TIMEOUT_S

_CLOSE_TIMEOUT_S: Final = 2.0
_PONG_LIMIT_BYTES: Final = 65_536
"""A peer that pings and takes no pong is cut: its answers must not fill the memory."""
_CONTROL_BYTES: Final = 125
"""The most a control frame carries (RFC 6455 §5.5)."""
_CODE_BYTES: Final = 2
_SLICE_BYTES: Final = 4_096
"""Read in one pass of the loop: what is short takes longer to read than to send, and becomes forty times as large."""
_BAD_REQUEST_BODY: Final = b'{"error":"invalid request"}'
_INVALID_TEXT: Final = 1007


class _Core(ServerProtocol):
    """The library's state machine, whose refusals would name the library and the cause."""

    is_production = False

    def __init__(self, max_size_bytes: int, logger: LoggerLike) -> None:
        # The library counts a control frame against what is left of the text around it.
        super().__init__(max_size=max_size_bytes + _CONTROL_BYTES, logger=logger)
        self._max_size_bytes = max_size_bytes

    def accept(self, request: Request) -> Response:
        """Answer a handshake: 101, or :meth:`refusal`."""
        response = super().accept(request)
        return response if response.status_code == HTTPStatus.SWITCHING_PROTOCOLS else self.refusal()

    def refusal(self) -> Response:
        """400 in the words of PROTOCOL §7."""
        pairs = common_headers(os.urandom(8).hex(), production=self.is_production)
        headers = Headers({name.decode(): value.decode() for name, value in pairs})
        headers.update({"content-type": "application/json", "cache-control": "no-store", "connection": "close"})
        headers["content-length"] = str(len(_BAD_REQUEST_BODY))
        return Response(400, "Bad Request", headers, _BAD_REQUEST_BODY)

    def fail(self, code: int, reason: str = "") -> None:  # noqa: ARG002 - the cause is not for the peer
        """Close for a breach of RFC 6455, without saying which."""
        super().fail(code)

    def recv_frame(self, frame: Frame) -> None:
        """Take a frame. Raises PayloadTooBig when the text it is a piece of is too large already."""
        super().recv_frame(frame)
        if self.current_size is not None and self.current_size > self._max_size_bytes:
            raise PayloadTooBig(self.current_size, self._max_size_bytes)

    def send_frame(self, frame: Frame) -> None:
        """Send a frame. A peer's close frame is answered with its code alone: its reason is a stranger's text."""
        super().send_frame(Frame(Opcode.CLOSE, frame.data[:_CODE_BYTES]) if frame.opcode is Opcode.CLOSE else frame)


class _Calm(logging.LoggerAdapter[logging.Logger]):
    """uvicorn's logger without its lines for each handshake, which show the key id and whatever else was asked."""

    @property
    def level(self) -> int:
        return self.logger.level

    def info(self, *_args: object, **_options: object) -> None:
        pass

    def error(self, msg: object, *args: object, **options: Any) -> None:
        # A handshake that was answered in full counts as incomplete to it; strangers could fill the log with that.
        if not str(msg).startswith("ASGI callable returned without completing handshake"):
            super().error(msg, *args, **options)

    def process(self, msg: Any, kwargs: MutableMapping[str, Any]) -> tuple[Any, MutableMapping[str, Any]]:
        return msg, kwargs


class PushWebSocket(WebSocketsSansIOProtocol):
    """uvicorn's WebSocket protocol with the transport on offer.

    Attributes:
        is_production: Refusals made here have HSTS, as all others.
    """

    is_production = False
    conn: _Core
    _take_timer: asyncio.TimerHandle | None = None
    _direct: TransportSocketSink | None = None

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.close_timeout = _CLOSE_TIMEOUT_S
        self.logger = _Calm(self.logger)  # type: ignore[assignment]
        core = _Core(self.config.ws_max_size, self.logger)
        core.is_production = self.is_production
        self.conn = core
        self._unread = bytearray()

    def handle_connect(self, event: Request) -> None:
        """Offer the transport with the request."""
        super().handle_connect(event)
        if not self.close_sent:
            extensions: dict[str, Any] = self.scope["extensions"]
            extensions[EXTENSION] = self._direct = TransportSocketSink(self.transport, self.close)

    @property
    def close_sent(self) -> bool:
        """Whether a close frame was sent."""
        return self._close_sent

    @close_sent.setter
    def close_sent(self, value: bool) -> None:
        # The server sets it in many places; the hub must not write behind any of them.
        self._close_sent = value
        if self._direct is not None:
            self._direct.is_open = not value

    def data_received(self, data: bytes) -> None:
        """Take octets. They wait as they are until the application has taken the text before, a slice at a time."""
        self._unread += data
        self._read_on()

    def _read_on(self) -> None:
        if not self._unread or self.read_paused or self.transport.is_closing():
            return
        piece = bytes(self._unread[:_SLICE_BYTES])
        del self._unread[:_SLICE_BYTES]
        super().data_received(piece)
        if self.conn.handshake_exc is not None and not self.handshake_initiated:
            # The library cannot read the handshake, and would leave it open without an answer.
            self.handshake_initiated = self.handshake_complete = self.close_sent = True
            self.transport.write(self.conn.refusal().serialize())
            self.transport.close()
        self._pace_reading()

    def _pace_reading(self) -> None:
        if self.read_paused or self.transport.is_closing():
            return
        if self._unread:
            self.transport.pause_reading()
            self.loop.call_soon(self._read_on)
        else:
            self.transport.resume_reading()

    async def receive(self) -> ASGIReceiveEvent:
        """Hand on the next event, and read on once there is none behind it."""
        event = await super().receive()
        if self._unread:
            self._pace_reading()
        return event

    def connection_lost(self, exc: Exception | None) -> None:
        """End it."""
        if self._take_timer is not None:
            self._take_timer.cancel()
        super().connection_lost(exc)

    def on_task_complete(self, task: asyncio.Task[None]) -> None:
        """Give the peer some time to take what is left: the hub, which would cut it, has let go by now."""
        super().on_task_complete(task)
        if not self.disconnected:
            self._take_timer = self.loop.call_later(TAKE_TIMEOUT_S, self.transport.abort)

    async def send(self, message: ASGISendEvent) -> None:
        """Send for the application. A peer that went before its answer is not worth an error: it is read next."""
        if not (self.disconnected and message["type"] in {"websocket.accept", "websocket.close"}):
            await super().send(message)

    def handle_parser_exception(self) -> None:
        """Close for a breach; before the handshake is answered there is nobody to say it to."""
        if self.conn.close_sent is None:
            self.transport.abort()
        else:
            super().handle_parser_exception()

    def handle_cont(self, event: Frame) -> None:
        """Gather fragments in one piece: kept one by one, small ones cost a hundred times what they carry."""
        gathered: Any = self.frames[0]
        if isinstance(gathered, bytes):
            gathered = bytearray(gathered)
        gathered += event.data
        self.frames = [bytes(gathered) if event.fin else gathered]
        if event.fin:
            self.send_receive_event_to_app()

    def handle_ping(self) -> None:
        """Answer, while the peer takes what it is sent."""
        if self.transport.get_write_buffer_size() > _PONG_LIMIT_BYTES:
            self.transport.abort()
        else:
            super().handle_ping()

    def send_receive_event_to_app(self) -> None:
        """Hand on a text that is UTF-8; a stranger's other bytes are not worth a line in the log."""
        if self.curr_msg_data_type == "text" and not _is_utf8(self.frames):
            self.frames = []
            self.close(_INVALID_TEXT)
        else:
            super().send_receive_event_to_app()

    def close(self, code: int) -> None:
        """Send a close frame without a reason; the application is told that it is over."""
        if self.close_sent or self.transport.is_closing():
            return
        if not self.handshake_complete:
            self.transport.abort()
            return
        self.queue.put_nowait({"type": "websocket.disconnect", "code": code, "reason": ""})
        self.conn.send_close(code)
        self.transport.write(b"".join(self.conn.data_to_send()))
        self.close_sent = True
        if self.read_paused:  # the peer's own close must be read
            self.read_paused = False
            self._pace_reading()
        self.close_timer = self.loop.call_later(self.close_timeout, self.transport.close)


class ProductionWebSocket(PushWebSocket):
    """The same for a hub that is reached over HTTPS."""

    is_production = True


def _is_utf8(pieces: list[bytes]) -> bool:
    try:
        b"".join(pieces).decode()
    except UnicodeDecodeError:
        return False
    return True
