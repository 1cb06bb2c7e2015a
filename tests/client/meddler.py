"""A network that changes what passes: sits between the client and a real hub."""

import itertools
from collections.abc import AsyncIterator, Callable, Iterable

import httpx2

from jitterbug.protocol import sse

Meddle = Callable[[int, bytes], Iterable[bytes]]
"""From the number of a frame on this network (1, 2, …) and its text to the texts that arrive instead."""


class Meddler(httpx2.AsyncBaseTransport):
    """Passes everything on, streams frame by frame through a function."""

    def __init__(self, meddle: Meddle) -> None:
        self._inner = httpx2.AsyncHTTPTransport()
        self._meddle = meddle
        self._numbers = itertools.count(1)

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Send it, and meddle with the answer if it is a stream."""
        response = await self._inner.handle_async_request(request)
        if not request.url.path.endswith("/stream") or response.status_code != 200:
            return response
        return httpx2.Response(200, headers=response.headers, stream=_Stream(self._read(response)))

    async def _read(self, response: httpx2.Response) -> AsyncIterator[bytes]:
        decoder = sse.SseDecoder(max_event_bytes=100_000)
        try:
            async for chunk in response.aiter_raw():
                for event in decoder.feed(chunk):
                    for text in self._meddle(next(self._numbers), event.data):
                        yield sse.event(text)
        finally:
            await response.aclose()

    async def aclose(self) -> None:
        """Close the real one."""
        await self._inner.aclose()


class _Stream(httpx2.AsyncByteStream):
    def __init__(self, chunks: AsyncIterator[bytes]) -> None:
        self._chunks = chunks

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for chunk in self._chunks:
            yield chunk
