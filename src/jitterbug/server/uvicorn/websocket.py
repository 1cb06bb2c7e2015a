"""WebSocket by uvicorn's sans-I/O protocol, with the connection's transport on offer to the hub.

What differs from it: no compression (secrets and a stranger's text in one window, CRIME), bounded fragments and pongs,
and refusals that give nothing away.
"""

import logging
import os
from collections.abc import Callable, MutableMapping
from http import HTTPStatus
from typing import Any, Final

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.datastructures import Headers
from websockets.frames import Frame
from websockets.http11 import Request, Response
from websockets.server import ServerProtocol

from jitterbug.server.answers import common_headers
from jitterbug.server.socket_sinks import EXTENSION

_CLOSE_TIMEOUT_S: Final = 2.0
_PONG_LIMIT_BYTES: Final = 65_536
"""A peer that pings and takes no pong is cut: its answers must not fill the memory."""
_BAD_REQUEST_BODY: Final = b'{"error":"invalid request"}'
_INVALID_TEXT: Final = 1007


class _Core(ServerProtocol):
    """The library's state machine, whose refusals would name the library and the cause."""

    is_production = False

    def accept(self, request: Request) -> Response:
        """Answer a handshake: 101, or 400 in the words of PROTOCOL §7."""
        response = super().accept(request)
        if response.status_code == HTTPStatus.SWITCHING_PROTOCOLS:
            return response
        pairs = common_headers(os.urandom(8).hex(), production=self.is_production)
        headers = Headers({name.decode(): value.decode() for name, value in pairs})
        headers.update({"content-type": "application/json", "cache-control": "no-store", "connection": "close"})
        headers["content-length"] = str(len(_BAD_REQUEST_BODY))
        return Response(400, "Bad Request", headers, _BAD_REQUEST_BODY)

    def fail(self, code: int, reason: str = "") -> None:  # noqa: ARG002 - the cause is not for the peer
        """Close for a breach of RFC 6455, without saying which."""
        super().fail(code)


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


class _DirectSocket:
    """Implements :class:`jitterbug.server.socket_sinks.SocketTransport` over a uvicorn connection."""

    __slots__ = ("_protocol", "get_write_buffer_size")

    def __init__(self, protocol: "PushWebSocket") -> None:
        self._protocol = protocol
        self.get_write_buffer_size: Callable[[], int] = protocol.transport.get_write_buffer_size

    def write(self, data: bytes) -> None:
        """Write frames of RFC 6455 that are complete."""
        protocol = self._protocol
        if not protocol.close_sent and not protocol.transport.is_closing():
            protocol.transport.write(data)

    def close(self, code: int) -> None:
        """Say so and close, with the peer's answer or soon."""
        self._protocol.close(code)

    def abort(self) -> None:
        """Close now."""
        self._protocol.transport.abort()


class PushWebSocket(WebSocketsSansIOProtocol):
    """uvicorn's WebSocket protocol with the transport on offer.

    Attributes:
        is_production: Refusals made here have HSTS, as all others.
    """

    is_production = False

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.close_timeout = _CLOSE_TIMEOUT_S
        self.logger = _Calm(self.logger)  # type: ignore[assignment]
        core = _Core(max_size=self.config.ws_max_size, logger=self.logger)
        core.is_production = self.is_production
        self.conn = core

    def handle_connect(self, event: Request) -> None:
        """Offer the transport with the request."""
        super().handle_connect(event)
        if not self.close_sent:
            extensions: dict[str, Any] = self.scope["extensions"]
            extensions[EXTENSION] = _DirectSocket(self)

    def handle_cont(self, event: Frame) -> None:
        """Gather fragments. Empty ones count for no bytes, so they must not be kept: there is no end to them."""
        if event.data or event.fin:
            super().handle_cont(event)

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
        self.queue.put_nowait({"type": "websocket.disconnect", "code": code, "reason": ""})
        self.conn.send_close(code)
        self.transport.write(b"".join(self.conn.data_to_send()))
        self.close_sent = True
        if self.read_paused:  # the peer's own close must be read
            self.read_paused = False
            self.transport.resume_reading()
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
