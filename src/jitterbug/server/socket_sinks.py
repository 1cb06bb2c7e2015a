"""Two ends of a WebSocket: straight into the transport, and through ASGI ``send``; as :mod:`jitterbug.server.sinks`."""

import asyncio
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import ClassVar, Final

from starlette.types import Scope, Send

from jitterbug.protocol.codes import ByeReason
from jitterbug.server.sinks import AsgiSink

EXTENSION: Final = "jitterbug.websocket"
GOING_AWAY: Final = 1001
UNSUPPORTED_DATA: Final = 1003
MALFORMED: Final = 1007
POLICY: Final = 1008
TOO_LARGE: Final = 1009
TRY_LATER: Final = 1013
_CODES: Final[Mapping[ByeReason | None, int]] = {
    ByeReason.REVOKED: POLICY,
    ByeReason.RATE: POLICY,
    ByeReason.SLOW: POLICY,
}
"""Every other end is a going away (PROTOCOL §5, RFC 6455 §7.4.1)."""


@lru_cache(maxsize=2_048)
def text_head(length_bytes: int, _cursor: bytes | None = None) -> bytes:
    """The head of an unmasked text frame in one piece (RFC 6455 §5.2). Cursors are for streams."""
    if length_bytes < 126:
        return bytes((0x81, length_bytes))
    if length_bytes < 65_536:
        return b"\x81\x7e" + length_bytes.to_bytes(2, "big")
    return b"\x81\x7f" + length_bytes.to_bytes(8, "big")


class TransportSocketSink:
    """Writes straight to the transport, whatever is due in one piece. One object, as the sink of a stream is.

    Attributes:
        close_code: With which to end; None = the one of the reason.
        is_open: No close frame has been sent: nothing may follow one (RFC 6455 §5.5.1).
    """

    __slots__ = ("_close", "_transport", "close_code", "is_open")

    def __init__(self, transport: asyncio.Transport, close: Callable[[int], None]) -> None:
        """Args: close: sends a close frame with this code and closes once everything is out."""
        self._transport = transport
        self._close = close
        self.close_code: int | None = None
        self.is_open = True

    after: ClassVar[bytes] = b""

    before = staticmethod(text_head)

    def write(self, data: bytes) -> None:
        """See :class:`jitterbug.hub.sink.Sink`. Messages that are complete."""
        transport = self._transport
        if self.is_open and not transport.is_closing():
            transport.write(data)

    def pending_bytes(self) -> int:
        """See :class:`jitterbug.hub.sink.Sink`."""
        return self._transport.get_write_buffer_size()

    def end(self, reason: ByeReason | None) -> None:
        """See :class:`jitterbug.hub.sink.Sink`."""
        self._close(self.close_code or _CODES.get(reason, GOING_AWAY))

    def abort(self) -> None:
        """See :class:`jitterbug.hub.sink.Sink`."""
        self._transport.abort()


class AsgiSocketSink(AsgiSink):
    """Gathers frames, a line each, until the connection's own coroutine has sent them.

    Attributes:
        close_code: With which to end; None = the one of the reason.
    """

    __slots__ = ("_reason", "close_code")

    def __init__(self) -> None:
        super().__init__()
        self._reason: ByeReason | None = None
        self.close_code: int | None = None

    after: ClassVar[bytes] = b"\n"

    def before(self, frame_bytes: int, cursor: bytes | None) -> bytes:  # noqa: ARG002 - for streams
        """See :class:`jitterbug.hub.sink.Sink`. A frame is one line of JSON by construction."""
        return b""

    def end(self, reason: ByeReason | None) -> None:
        """See :class:`jitterbug.hub.sink.Sink`."""
        self._reason = reason
        super().end(reason)

    async def send(self, send: Send, data: bytes) -> None:
        """Send what was gathered, a message each."""
        for frame in data.decode().splitlines():
            await send({"type": "websocket.send", "text": frame})

    async def finish(self, send: Send) -> None:
        """Close."""
        code = self.close_code or _CODES.get(self._reason, GOING_AWAY)
        await send({"type": "websocket.close", "code": code, "reason": ""})


def offered_socket(scope: Scope) -> TransportSocketSink | None:
    """The sink that the server offers for this WebSocket; None under other servers."""
    extensions = scope.get("extensions") or {}
    sink: TransportSocketSink | None = extensions.get(EXTENSION)
    return sink
