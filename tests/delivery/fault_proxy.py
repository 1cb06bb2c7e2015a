"""A bad network: a TCP proxy on a free loopback port that cuts, delays, splits, swallows, repeats and swaps.

Faults are drawn from a seeded source. The same seed draws the same faults for the same reads; what a read holds is the
machine's business, so a seed narrows a failure down and does not replay it to the byte.
"""

import asyncio
import contextlib
import re
import socket
import struct
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, fields
from random import Random
from typing import Self

_READ_BYTES = 65_536
_END_OF_EVENT = re.compile(rb"(?<=\n\n\r\n)|(?<=\n\n)(?!\r\n)")
"""After a server-sent event, and after the HTTP chunk it was the last of."""
_LINGER_S = 2.0
"""How long an end that was closed may take what was written to it."""
_RESET = struct.pack("ii", 1, 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rates:
    """How likely each fault is, for one run of bytes: a server-sent event, or else what one read gave. 0 = never.

    Attributes:
        cut, reset: Send a part of the run, then end both sides with FIN, or with RST.
        delay: Hold the run back for up to ``delay_s``.
        split: Send it byte by byte.
        swallow, repeat: Leave out, or send twice: the whole run or a part of it, half of the time each.
        swap: Two neighbouring runs change places, or two neighbouring parts of this one where it is the last.
        delay_s: Longest delay, seconds.
    """

    cut: float = 0.0
    reset: float = 0.0
    delay: float = 0.0
    split: float = 0.0
    swallow: float = 0.0
    repeat: float = 0.0
    swap: float = 0.0
    delay_s: float = 0.1


CALM = Rates()
KINDS = tuple(item.name for item in fields(Rates) if item.name != "delay_s")


class FaultProxy:
    """Stands before a hub. Lives in the loop in which it was started.

    Attributes:
        target: Port of the hub; new connections go there.
        down, up: Faults on the way to the client, and to the hub. May be changed at any time.
        injected: Faults so far, by kind.
        accepted: Connections so far.
    """

    def __init__(self, target: int, seed: int, *, down: Rates = CALM, up: Rates = CALM) -> None:
        """Args: target: port on 127.0.0.1. seed: of the faults."""
        self.target = target
        self.down = down
        self.up = up
        self.injected: Counter[str] = Counter()
        self.accepted = 0
        self._random = Random(seed)
        self._open = asyncio.Event()
        self._open.set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None
        self.port = 0

    @property
    def url(self) -> str:
        """What a client connects to."""
        return f"http://127.0.0.1:{self.port}"

    def block(self) -> None:
        """Let nothing through until :meth:`unblock`. Nobody is told: connections stay open, what comes is kept."""
        self._open.clear()

    def unblock(self) -> None:
        """Let through what was held back, late as it is."""
        self._open.set()

    async def cut(self) -> None:
        """End all connections there are, by RST. New ones are served as ever."""
        for task in self._tasks:
            task.cancel()

    async def start(self) -> Self:
        """Listen."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def stop(self) -> None:
        """Cut everything."""
        if self._server is not None:
            self._server.close()
        await asyncio.sleep(0)  # what was accepted just now gets its task
        while self._tasks:
            for task in self._tasks:
                task.cancel()
            await asyncio.wait(self._tasks)
            await asyncio.sleep(0)

    async def __aenter__(self) -> Self:
        return await self.start()

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        self.accepted += 1
        ends = [writer]
        # Being stopped is not raised again, as asyncio's own server would log it; a hub that is away refuses.
        with contextlib.suppress(OSError, asyncio.CancelledError):
            try:
                await self._carry(reader, ends)
            finally:
                for end in ends:
                    _end(end, reset=True)

    async def _carry(self, reader: asyncio.StreamReader, ends: list[asyncio.StreamWriter]) -> None:
        """Join a client to the hub until one of them goes, then give the other the rest."""
        await self._open.wait()
        inner, outer = await asyncio.open_connection("127.0.0.1", self.target)
        ends.append(outer)
        for end in ends:
            end.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        pumps = [
            asyncio.ensure_future(self._pump(reader, outer, ends, is_down=False)),
            asyncio.ensure_future(self._pump(inner, ends[0], ends, is_down=True)),
        ]
        try:
            await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for pump in pumps:
                pump.cancel()
        await asyncio.wait(pumps)
        for end in ends:
            end.close()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_LINGER_S):
                await asyncio.gather(*(end.wait_closed() for end in ends), return_exceptions=True)

    async def _pump(
        self,
        source: asyncio.StreamReader,
        sink: asyncio.StreamWriter,
        ends: list[asyncio.StreamWriter],
        *,
        is_down: bool,
    ) -> None:
        """Carry one direction until it ends; either end, and the other one ends too."""
        with contextlib.suppress(OSError):
            while data := await source.read(_READ_BYTES):
                for fault, run in self._plan(data, self.down if is_down else self.up):
                    await self._open.wait()
                    if fault in {"cut", "reset"}:
                        sink.write(run)
                        for end in ends:
                            _end(end, reset=fault == "reset")
                        return
                    await self._send(sink, fault, run, (self.down if is_down else self.up).delay_s)
                await sink.drain()

    async def _send(self, sink: asyncio.StreamWriter, fault: str, run: bytes, delay_s: float) -> None:
        if fault == "delay":
            await sink.drain()
            await asyncio.sleep(self._random.uniform(0, delay_s))
        if fault != "split":
            sink.write(run)
            return
        for index in range(len(run)):
            sink.write(run[index : index + 1])
            await asyncio.sleep(0)

    def _plan(self, data: bytes, rates: Rates) -> Iterator[tuple[str, bytes]]:
        """What becomes of the bytes of one read: runs to be sent, each with the fault that is left to do."""
        if rates is CALM:
            yield "", data
            return
        runs = [run for run in _END_OF_EVENT.split(data) if run]
        while runs:
            run = runs.pop(0)
            fault = self._draw(rates)
            if fault:
                self.injected[fault] += 1
            match fault:
                case "cut" | "reset":
                    yield fault, run[: self._random.randrange(len(run))]
                    return
                case "swallow" | "repeat":
                    start, end = self._part(run)
                    yield "", run[:end] + run[start:] if fault == "repeat" else run[:start] + run[end:]
                case "swap" if runs:
                    yield "", runs.pop(0)
                    yield "", run
                case "swap":
                    start, end = self._part(run)
                    middle = (start + end) // 2
                    yield "", run[:start] + run[middle:end] + run[start:middle] + run[end:]
                case _:
                    yield fault, run

    def _draw(self, rates: Rates) -> str:
        drawn = self._random.random()
        for kind in KINDS:
            drawn -= getattr(rates, kind)
            if drawn < 0:
                return kind
        return ""

    def _part(self, run: bytes) -> tuple[int, int]:
        """The whole of a run, or a part of it."""
        if self._random.random() < 0.5:
            return 0, len(run)
        start = self._random.randrange(len(run))
        return start, self._random.randint(start + 1, len(run))


def _end(writer: asyncio.StreamWriter, *, reset: bool) -> None:
    """Close one side: with FIN, after what was written before; or at once with RST, which throws that away."""
    if not reset:
        writer.close()
        return
    with contextlib.suppress(OSError):
        if not writer.transport.is_closing():
            writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
    writer.transport.abort()
