"""Those who read: each with a client and a ledger of its own."""

import asyncio
import contextlib
import json
import signal
import sys
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from random import Random
from typing import Any

from jitterbug.client import Position, Stats, connect
from tests.client.hub_process import clean_environment
from tests.delivery.numbers import Ledger

Starts = Mapping[str, Position]
WAITS = 0.05
"""Share of the usual back-off that readers wait here, at most: a test is not to spend its time waiting."""


class Reader:
    """The Python client in this loop.

    Attributes:
        ledger: What it was given.
        stats: The client's own counters.
    """

    def __init__(self, ledger: Ledger, stats: Stats, task: asyncio.Task[None]) -> None:
        self.ledger = ledger
        self.stats = stats
        self._task = task

    def check(self) -> None:
        """Fail with what ended it, where something did."""
        if self._task.done():
            self._task.result()
            raise AssertionError(f"the stream of {self.ledger} ended")


@asynccontextmanager
async def reading(
    name: str, url: str, starts: Starts, seed: int, *, takes_s: float = 0.0, **options: Any
) -> AsyncIterator[Reader]:
    """Read with the Python client.

    Args:
        name: For the ledger.
        url: The hub, or the proxy before it.
        starts: Channels and places.
        seed: Of its back-off.
        takes_s: How long the application takes for each publication.
        options: Of ``connect``.
    """
    ledger, random = Ledger(name, starts), Random(seed)
    short: Callable[[], float] = lambda: random.random() * WAITS  # noqa: E731
    async with connect(url, channels=starts, on_notice=ledger.take_item, random=short, **options) as stream:

        async def read() -> None:
            async for publication in stream:
                ledger.take_item(publication)
                if takes_s:
                    await asyncio.sleep(takes_s)

        task = asyncio.create_task(read(), name=f"reader {name}")
        try:
            yield Reader(ledger, stream.stats, task)
        finally:
            task.cancel()
            await asyncio.wait({task})


class Sleeper:
    """The Python client in a process that can be stopped.

    Attributes:
        ledger: What it was given.
    """

    def __init__(self, ledger: Ledger, process: asyncio.subprocess.Process) -> None:
        self.ledger = ledger
        self._process = process

    def sleep(self) -> None:
        """Stop it, its clocks go on."""
        self._process.send_signal(signal.SIGSTOP)

    def wake(self) -> None:
        """Continue it."""
        self._process.send_signal(signal.SIGCONT)

    def check(self) -> None:
        """Fail where it ended."""
        assert self._process.returncode is None, f"the process of {self.ledger} ended"

    async def follow(self) -> None:
        """Enter in the ledger what it prints."""
        assert self._process.stdout is not None
        async for line in self._process.stdout:
            match json.loads(line):
                case ["publication", channel, data, position, recovered]:
                    place = Position.from_json(position)
                    assert place is not None
                    self.ledger.take(channel, data, place, recovered=recovered)
                case ["gap", channel, position, reason]:
                    place = Position.from_json(position)
                    assert place is not None
                    self.ledger.gap(channel, place, reason)


@asynccontextmanager
async def sleeper(name: str, url: str, starts: Starts, **options: Any) -> AsyncIterator[Sleeper]:
    """Read in another process. Args: as for :func:`reading`."""
    channels = {channel: place.to_json() for channel, place in starts.items()}
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tests.delivery.sleeper",
        url,
        json.dumps({"channels": channels, **options}),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        env=clean_environment(),
    )
    found = Sleeper(Ledger(name, starts), process)
    assert process.stdout is not None
    assert process.stdin is not None
    try:
        assert json.loads(await process.stdout.readline()) == ["open"]
        following = asyncio.create_task(found.follow())
        yield found
        following.cancel()
        await asyncio.wait({following})
    finally:
        with contextlib.suppress(ProcessLookupError):
            found.wake()
            process.stdin.close()
        await process.wait()
