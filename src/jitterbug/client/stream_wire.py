"""The stream of server-sent events: frames come by it, and go up by ``POST BASE/frames`` (PROTOCOL §5)."""

from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, Final

from jitterbug.client.transport import Transport
from jitterbug.client.wire import TransportName
from jitterbug.protocol.position import Position
from jitterbug.protocol.sse import SseDecoder

_MAX_EVENT_BYTES: Final = 1_048_576 + 4_096
"""The largest MAX_FRAME_BYTES a hub can have, and its field names. The receiver holds frames to the hub's own limit."""


class StreamWire:
    """See :class:`jitterbug.client.wire.Wire`."""

    name: TransportName = "sse"

    def __init__(self, transport: Transport, chunks: AsyncIterator[bytes], channels: frozenset[str]) -> None:
        """Args: chunks: the answer's bytes, cut anywhere. channels: those the request named."""
        self.channels = channels
        self._transport = transport
        self._chunks = chunks

    async def frames(self) -> AsyncGenerator[bytes]:
        """See :class:`jitterbug.client.wire.Wire`."""
        decoder = SseDecoder(max_event_bytes=_MAX_EVENT_BYTES)
        async for chunk in self._chunks:
            for event in decoder.feed(chunk):
                yield event.data

    async def send(self, frame: bytes, frame_id: str | None) -> dict[str, Any]:  # noqa: ARG002 - the answer says it
        """See :class:`jitterbug.client.wire.Wire`."""
        return await self._transport.post_frame(frame)

    def answered(self, payload: Mapping[str, Any], *, refused: bool) -> None:
        """See :class:`jitterbug.client.wire.Wire`. Here the HTTP answer is the answer."""


@asynccontextmanager
async def open_stream(
    transport: Transport, kid: str, positions: Mapping[str, Position | None]
) -> AsyncIterator[StreamWire]:
    """Open a stream; see :data:`jitterbug.client.wire.Opener`."""
    channels = frozenset(positions)  # now: more may be wanted by the time the answer comes
    async with transport.stream(kid, positions) as chunks:
        yield StreamWire(transport, chunks, channels)
