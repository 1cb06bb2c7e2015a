"""A proxy as some offices have one: answers that end pass, an event stream is kept back until it ends, which is never.

WebSockets pass through, a byte of theirs changed where a test asks for it. Stands on a free loopback port, in a thread
of its own, because in the tests' own thread Playwright's loop is running.
"""

import asyncio
import contextlib
import threading
from collections.abc import Callable
from typing import Literal, Self

_READ_BYTES = 65_536
_HEAD_END = b"\r\n\r\n"

Holds = Literal["nothing", "body", "all"]
"""What of an event stream is kept back: "all" is its head, too."""


class BufferingProxy:
    """Runs within its ``with`` block.

    Attributes:
        target: Port of the hub; new connections go there.
        holds: Applies to answers that begin from now on.
        change: What comes down WebSockets goes through it.
        streams, sockets: Event streams and WebSockets answered so far.
        port: Where it listens.
    """

    def __init__(self, target: int, holds: Holds = "nothing") -> None:
        self.target = target
        self.holds: Holds = holds
        self.change: Callable[[bytes], bytes] = bytes
        self.streams = self.sockets = 0
        self.port = 0
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._ends: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def url(self) -> str:
        """What a browser opens."""
        return f"http://127.0.0.1:{self.port}"

    def cut(self) -> None:
        """End every connection there is, as a proxy does that is restarted."""
        self._loop.call_soon_threadsafe(self._cut)

    def _cut(self) -> None:
        for end in self._ends:
            end.transport.abort()

    def __enter__(self) -> Self:
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._start(), self._loop).result(10)
        return self

    def __exit__(self, *_: object) -> None:
        asyncio.run_coroutine_threadsafe(self._stop(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _start(self) -> None:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]

    async def _stop(self) -> None:
        self._server.close()
        self._cut()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = self._loop.create_task(self._serve(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        ends = [writer]
        try:
            inner, outer = await asyncio.open_connection("127.0.0.1", self.target)
            ends.append(outer)
            self._ends.update(ends)
            up, down = asyncio.ensure_future(_carry(reader, outer)), asyncio.ensure_future(self._down(inner, writer))
            _, pending = await asyncio.wait((up, down), return_when=asyncio.FIRST_COMPLETED)
            for other in pending:
                other.cancel()
            await asyncio.gather(up, down, return_exceptions=True)
        except OSError:
            pass  # the hub is away: the browser's connection ends
        finally:
            self._ends.difference_update(ends)
            for end in ends:
                end.close()
            for end in ends:
                with contextlib.suppress(OSError):
                    await end.wait_closed()

    async def _down(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        """What the hub says. A browser asks for the next thing only when it has the answer, so a read starts one."""
        change: Callable[[bytes], bytes] = bytes
        while data := await source.read(_READ_BYTES):
            if data.startswith(b"HTTP/1.1 "):
                while _HEAD_END not in data:
                    data += await source.readexactly(1)
                head = data[: data.index(_HEAD_END)].lower()
                if b"text/event-stream" in head:
                    self.streams += 1
                    if self.holds != "nothing":
                        await self._hold(data, source, sink)
                        return
                if head.startswith(b"http/1.1 101"):
                    self.sockets += 1
                    change = self._changed
            sink.write(change(data))
            await sink.drain()

    async def _hold(self, data: bytes, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        passed = 0 if self.holds == "all" else data.index(_HEAD_END) + len(_HEAD_END)
        sink.write(data[:passed])
        held = data[passed:] + await source.read()
        sink.write(held)

    def _changed(self, data: bytes) -> bytes:
        return self.change(data)


async def _carry(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    while data := await source.read(_READ_BYTES):
        sink.write(data)
        await sink.drain()
