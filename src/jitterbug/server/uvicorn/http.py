"""HTTP/1.1 by uvicorn, with the connection's transport on offer to the stream as an ASGI extension."""

import asyncio
import os
import socket
from typing import Any, Final

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from jitterbug.server.answers import common_headers
from jitterbug.server.sinks import EXTENSION, TransportSink
from jitterbug.server.uvicorn.held_head import HeldHead
from jitterbug.server.uvicorn.light import LightEvent, LightFlowControl, Pipeline

_CLOSE_GRACE_S = 0.5
_SEND_BUFFER_BYTES: Final = 65_536
"""Linux would take up to 4 MiB for a peer that does not read, and hide from the hub that it does not."""
_MAX_HEAD_BYTES: Final = 65_536
"""Of a request's line and headers."""
_MAX_HEADERS: Final = 128
"""Of a request, those behind a chunked body included: each becomes several objects, however short it is."""
_MAX_PIPELINED: Final = 16
"""Requests that may wait behind the one being served: each becomes several kilobytes."""
HEAD_TIMEOUT_S: Final = 10
TAKE_TIMEOUT_S: Final = 30
"""How long an answer may wait for a peer that takes nothing of it. A stream has a rule of its own."""
_BAD_REQUEST_BODY = b'{"error":"invalid request"}'


class PushProtocol(HttpToolsProtocol):
    """uvicorn's HTTP protocol with the transport on offer, and refusals that give nothing away.

    Attributes:
        is_production: Refusals made here have HSTS, as all others.
        max_sockets: Open connections of the listener, WebSockets among them, beyond which a new one is cut before
            anything is read from it; None = as many as the system lets in. See :func:`bounded`.
    """

    # Slots beside uvicorn's dictionary, which would double in size for them on every connection.
    __slots__ = ("_before", "_direct", "_head_bytes", "_head_timer", "_heads", "_request_bytes", "_take_timer")
    is_production = False
    max_sockets: int | None = None

    def __init__(self, *args: Any, **options: Any) -> None:
        """Args: args, options: uvicorn's."""
        super().__init__(*args, **options)
        self._direct: TransportSink | None = None
        self._before: TransportSink | None = None
        self._heads = 0
        self._head_bytes = 0
        self._request_bytes = 0
        self._head_timer: asyncio.TimerHandle | None = None
        self._take_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Start a connection, with a small buffer in the kernel."""
        super().connection_made(transport)
        self.flow = LightFlowControl(transport)
        if self.max_sockets is not None and len(self.connections) > self.max_sockets:
            transport.abort()
            return
        self.pipeline = Pipeline()  # type: ignore[assignment]  # as much of a deque as is asked of it
        self._await_head()
        accepted = transport.get_extra_info("socket")
        if accepted is not None:
            accepted.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER_BYTES)

    def connection_lost(self, exc: Exception | None) -> None:
        """End it."""
        self._end_head()
        self._end_take()
        self.pipeline.clear()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        """Give the peer some time to take what it asked for: requests wait behind it, and memory with them."""
        super().pause_writing()
        if self._take_timer is None and (self._direct is None or not self._direct.is_used):
            self._take_timer = self.loop.call_later(TAKE_TIMEOUT_S, self.transport.abort)

    def resume_writing(self) -> None:
        """Go on."""
        self._end_take()
        super().resume_writing()

    def shutdown(self) -> None:
        """Close when the server stops, without waiting for an idle peer to answer the end of TLS."""
        super().shutdown()
        if self.transport.is_closing():
            self.loop.call_later(_CLOSE_GRACE_S, self.transport.abort)

    def data_received(self, data: bytes) -> None:
        """Read on. The parser keeps what it is given until a head is complete, so that is bounded here."""
        if self.cycle is not None and self.cycle.response_complete:  # type: ignore[redundant-expr]  # None at first
            # The rest of a body that nobody wants, or an empty line: no request has begun, and none may never begin.
            self._await_head()
        heads = self._heads
        super().data_received(data)
        if self._head_timer is None or self._heads != heads:
            return
        self._head_bytes += len(data)
        if self._head_bytes > _MAX_HEAD_BYTES and not self.transport.is_closing():
            self.send_400_response("")

    def _await_head(self) -> None:
        """Give the peer some time for the next request's head (REQUIREMENTS §2.26)."""
        if self._head_timer is None:
            self._head_bytes = 0
            self._head_timer = self.loop.call_later(HEAD_TIMEOUT_S, self.transport.abort)

    def _end_head(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _end_take(self) -> None:
        if self._take_timer is not None:
            self._take_timer.cancel()
            self._take_timer = None

    def on_url(self, url: bytes) -> None:
        """Take a piece of the address. Raises ValueError, which ends the reading, when it is too much."""
        self._count(len(url))
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header. Raises ValueError, which ends the reading, when it is one too many or too much."""
        self._count(len(name) + len(value))
        if len(self.headers) >= _MAX_HEADERS:
            raise ValueError("too many headers")
        super().on_header(name, value)

    def _count(self, length_bytes: int) -> None:
        # What comes in one read is parsed before its size is looked at.
        self._request_bytes += length_bytes
        if self._request_bytes > _MAX_HEAD_BYTES:
            raise ValueError("too large a head")

    def on_message_begin(self) -> None:
        """Start a request. Raises ValueError, which ends the reading, when too many wait already."""
        if len(self.pipeline) >= _MAX_PIPELINED:
            raise ValueError("too many requests at once")
        self._await_head()
        self._request_bytes = 0
        super().on_message_begin()
        self._before, self._direct = self._direct, TransportSink(self.transport)
        extensions: dict[str, Any] = {EXTENSION: self._direct}
        self.scope["extensions"] = extensions

    def on_headers_complete(self) -> None:
        """Start to serve it, unless it was sent behind a stream, which has no end to wait for.

        The server would stop reading until then, and not see the client go.
        """
        self._heads += 1
        self._end_head()
        if self.parser.should_upgrade() and not self._should_upgrade() and self._announces_body():
            # The parser takes what follows for another protocol (h2c, say), so the body would be lost.
            self.send_400_response("")
            return
        if self._before is not None and self._before.is_used:
            self.transport.abort()
        else:
            before = self.cycle
            super().on_headers_complete()
            if self.cycle is not before:
                self.cycle.message_event = LightEvent()  # type: ignore[assignment]  # its task has not begun
                if self.scope["method"] != "HEAD" and not self.cycle.waiting_for_100_continue:  # what comes first is it
                    self.cycle.transport = HeldHead(self.transport, self.loop)  # type: ignore[assignment]

    def _announces_body(self) -> bool:
        return any(
            name == b"transfer-encoding" or (name == b"content-length" and value.strip() != b"0")
            for name, value in self.headers
        )

    def on_message_complete(self) -> None:
        """End a request, unless it was refused at its head and there is none."""
        if not self.transport.is_closing():
            super().on_message_complete()

    def _unsupported_upgrade_warning(self) -> None:
        """Say nothing: a stranger could fill the log with it."""

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002 - the cause is not for the peer
        """Refuse what is not HTTP, in the words of PROTOCOL §7; behind an answer that is not over, only close."""
        if self.cycle is not None and not self.cycle.response_complete:  # type: ignore[redundant-expr]  # None at first
            self.transport.abort()
            return
        lines = [b"HTTP/1.1 400 Bad Request", b"content-type: application/json", b"connection: close"]
        lines += [b"cache-control: no-store", b"content-length: %d" % len(_BAD_REQUEST_BODY)]
        lines += [b"%b: %b" % pair for pair in common_headers(os.urandom(8).hex(), production=self.is_production)]
        self.transport.write(b"\r\n".join([*lines, b"", _BAD_REQUEST_BODY]))
        self.transport.close()


def bounded(protocol: type[PushProtocol], max_sockets: int) -> type[PushProtocol]:
    """The same protocol for a listener that holds so many connections at most."""
    return type(protocol.__name__, (protocol,), {"__slots__": (), "max_sockets": max_sockets})


class ProductionProtocol(PushProtocol):
    """The same for a hub that is reached over HTTPS."""

    __slots__ = ()
    is_production = True
