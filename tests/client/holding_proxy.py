"""A proxy that keeps the body of every stream back, as some do until the answer ends; a WebSocket it lets through."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

_READ_BYTES = 65_536


@asynccontextmanager
async def holding_proxy(hub_url: str, held: list[bytes]) -> AsyncIterator[str]:
    """Stand before a hub. Args: held: gets the request line of each stream. Gives the URL."""
    port = int(hub_url.rsplit(":", 1)[1])
    tasks: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        inner, outer = await asyncio.open_connection("127.0.0.1", port)
        pumps = [asyncio.create_task(up(reader, outer)), asyncio.create_task(down(inner, writer))]
        try:
            await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
        except asyncio.CancelledError:
            pass
        finally:
            for pump in pumps:
                pump.cancel()
            await asyncio.wait(pumps)
            for end in (outer, writer):
                end.transport.abort()
            tasks.discard(task)

    async def up(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        while data := await source.read(_READ_BYTES):
            if b"/stream " in data.split(b"\r\n", 1)[0]:
                held.append(data.split(b"\r\n", 1)[0])
            sink.write(data)

    async def down(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await source.read(_READ_BYTES):
                head, _, _ = data.partition(b"\r\n\r\n")
                if b"text/event-stream" in head:
                    sink.write(head + b"\r\n\r\n")
                    while await source.read(_READ_BYTES):
                        pass
                    return
                sink.write(data)

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()
        for task in set(tasks):
            task.cancel()
        if tasks:
            await asyncio.wait(set(tasks))
