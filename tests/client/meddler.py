"""A network that changes what passes: sits between the client and a real hub, frame by frame."""

import asyncio
import contextlib
import itertools
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from typing import Any

import httpx2
from websockets.asyncio.client import connect as connect_socket
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed

from jitterbug.client.wire import TransportName
from jitterbug.protocol import sse

Meddle = Callable[[int, bytes], Iterable[bytes]]
"""From the number of a frame on this network (1, 2, …) and its text to the texts that arrive instead."""


@asynccontextmanager
async def meddled(hub_url: str, meddle: Meddle, transport: TransportName) -> AsyncIterator[dict[str, Any]]:
    """A network before a hub: what ``connect`` needs to go through it, ``url`` among it."""
    if transport == "sse":
        async with httpx2.AsyncClient(transport=Meddler(meddle)) as http:
            yield {"url": hub_url, "http": http, "transport": transport}
        return
    numbers = itertools.count(1)
    hub_address = hub_url.replace("http", "ws", 1)

    async def carry(outer: ServerConnection) -> None:
        assert outer.request is not None
        cookie = {"Cookie": outer.request.headers["Cookie"]}
        async with connect_socket(
            hub_address + outer.request.path, additional_headers=cookie, compression=None, close_timeout=0.2
        ) as inner:

            async def up() -> None:
                with contextlib.suppress(ConnectionClosed):
                    async for text in outer:
                        await inner.send(text)
                await inner.close()

            rising = asyncio.create_task(up())
            try:
                with contextlib.suppress(ConnectionClosed):
                    async for text in inner:
                        assert isinstance(text, str)
                        for changed in meddle(next(numbers), text.encode()):
                            await outer.send(changed.decode(errors="replace"))
            except httpx2.ReadError:  # how a network cuts here
                outer.transport.abort()
            finally:
                rising.cancel()
                await asyncio.wait({rising})

    async with serve(carry, "127.0.0.1", 0, compression=None, close_timeout=0.2) as server:
        port = server.sockets[0].getsockname()[1]
        async with httpx2.AsyncClient(transport=_Straight(httpx2.URL(hub_url).port)) as http:
            yield {"url": f"http://127.0.0.1:{port}", "http": http, "transport": transport}


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


class _Straight(httpx2.AsyncBaseTransport):
    """Sends everything to the hub's own port: only the WebSocket goes through the network."""

    def __init__(self, port: int | None) -> None:
        self._inner = httpx2.AsyncHTTPTransport()
        self._port = port

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        request.url = request.url.copy_with(port=self._port)
        return await self._inner.handle_async_request(request)

    async def aclose(self) -> None:
        await self._inner.aclose()


class _Stream(httpx2.AsyncByteStream):
    def __init__(self, chunks: AsyncIterator[bytes]) -> None:
        self._chunks = chunks

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for chunk in self._chunks:
            yield chunk
