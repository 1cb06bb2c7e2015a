"""Two ends of a server-sent event stream: straight into the server's transport, and through ASGI ``send``.

The first is the fast one: ``jitterbug`` serves with a protocol class that offers the connection's transport as an ASGI
extension (:mod:`jitterbug.server.uvicorn`). The second works under any ASGI server. Both pass the same tests.
"""

import asyncio
from functools import lru_cache
from typing import ClassVar, Final

from starlette.types import Scope, Send

from jitterbug.protocol.codes import ByeReason

EXTENSION: Final = "jitterbug.transport"


# A frame is one line of JSON by construction, so nothing in it can end the line of its event.
_DATA: Final = b"data: "
_ID: Final = b"id: "
_ID_DATA: Final = b"\ndata: "
_END: Final = b"\n\n"


@lru_cache(maxsize=256)
def _before(frame_bytes: int, cursor: bytes | None) -> bytes:
    # Kept, because readers of the same publication have frames of the same length and mostly the same cursor.
    head = _DATA if cursor is None else b"".join((_ID, cursor, _ID_DATA))
    return b"%x\r\n%b" % (len(head) + frame_bytes + len(_END), head)


class TransportSink:
    """Writes straight to the transport, an event a chunk (RFC 9112 §7.1): no task, no queue, no await in between.

    Each delivery passes here, and nearly every object it touches is cold: so this is one object, between the hub's
    connection and the server's, and holds no bound methods.

    Attributes:
        is_used: A stream writes here.
    """

    __slots__ = ("_transport", "is_used")

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self.is_used = False

    after: ClassVar[bytes] = _END + b"\r\n"

    before = staticmethod(_before)

    def write(self, data: bytes) -> None:
        """See :class:`jitterbug.hub.sink.Sink`. Whole chunks."""
        self.is_used = True
        transport = self._transport
        if not transport.is_closing():
            transport.write(data)

    def pending_bytes(self) -> int:
        """See :class:`jitterbug.hub.sink.Sink`."""
        return self._transport.get_write_buffer_size()

    def end(self, reason: ByeReason | None) -> None:  # noqa: ARG002 - said in the bye
        """See :class:`jitterbug.hub.sink.Sink`. The last chunk, and closed once it is out."""
        transport = self._transport
        if not transport.is_closing():
            transport.write(b"0\r\n\r\n")
            transport.close()

    def abort(self) -> None:
        """See :class:`jitterbug.hub.sink.Sink`."""
        self._transport.abort()


class AsgiSink:
    """Gathers what is written until the connection's own coroutine has sent the last of it."""

    __slots__ = ("_aborted", "_buffer", "_is_over", "_pending", "_wakeup")

    def __init__(self) -> None:
        self._buffer: list[bytes] = []
        self._pending = 0
        self._is_over = False
        self._aborted = asyncio.Event()
        self._wakeup = asyncio.Event()

    after: ClassVar[bytes] = _END

    def before(self, frame_bytes: int, cursor: bytes | None) -> bytes:  # noqa: ARG002 - chunks are the server's business
        """See :class:`jitterbug.hub.sink.Sink`."""
        return _DATA if cursor is None else b"".join((_ID, cursor, _ID_DATA))

    async def send(self, send: Send, data: bytes) -> None:
        """Send what was gathered."""
        await send({"type": "http.response.body", "body": data, "more_body": True})

    async def finish(self, send: Send) -> None:
        """End what is sent."""
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    def write(self, data: bytes) -> None:
        """See :class:`jitterbug.hub.sink.Sink`."""
        self._buffer.append(data)
        self._pending += len(data)
        self._wakeup.set()

    def pending_bytes(self) -> int:
        """See :class:`jitterbug.hub.sink.Sink`."""
        return self._pending

    def end(self, reason: ByeReason | None) -> None:  # noqa: ARG002 - said in the bye
        """See :class:`jitterbug.hub.sink.Sink`."""
        self._is_over = True
        self._wakeup.set()

    def abort(self) -> None:
        """See :class:`jitterbug.hub.sink.Sink`."""
        self._aborted.set()

    async def until_aborted(self) -> None:
        """Wait for :meth:`abort`. Beside :meth:`pump`, which may be waiting for a peer that takes nothing."""
        await self._aborted.wait()

    async def pump(self, send: Send) -> None:
        """Send what is written until the end."""
        while True:
            await self._wakeup.wait()
            self._wakeup.clear()
            data = b"".join(self._buffer)
            self._buffer.clear()
            if data:
                await self.send(send, data)
                self._pending -= len(data)
            if self._is_over and not self._buffer:
                await self.finish(send)
                return


def offered(scope: Scope) -> TransportSink | None:
    """The sink that the server offers for this request; None under other servers."""
    extensions = scope.get("extensions") or {}
    sink: TransportSink | None = extensions.get(EXTENSION)
    return sink
