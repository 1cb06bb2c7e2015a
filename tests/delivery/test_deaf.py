"""Fifty that never read move nobody's p99 (PROTOCOL §5, R57)."""

import asyncio
import contextlib
import socket
import statistics
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx2
import pytest

from jitterbug.client import Publisher, connect
from tests.client.hub_process import HubProcess
from tests.delivery.feed import KID, ROOT, SECRET
from tests.delivery.login import BASE, log_in
from tests.looped import in_loop
from tests.server.wire import request

READERS, DEAF = 20, 50
ROUNDS = 20
"""Publications measured in each phase; times 20 readers."""
PAIRS = (9, 18, 27)
"""Phases of each kind after which the medians are compared: more of them where the machine is noisy."""
PACE_S = 0.005
ALLOWANCE_S = 0.02
"""How far apart the medians may be."""
CHANNEL, FLOOD = "measured", "flood"


class Delays:
    """Seconds from publishing to delivery, for all readers together."""

    def __init__(self) -> None:
        self.found: list[float] = []

    async def read(self, url: str, opened: asyncio.Semaphore) -> None:
        """Read and measure until cancelled."""
        async with connect(url, channels=[CHANNEL]) as stream:
            while None in stream.positions.values():  # noqa: ASYNC110 - nothing tells of it
                await asyncio.sleep(0.01)
            opened.release()
            async for publication in stream:
                self.found.append(time.monotonic() - publication.data["at"])

    async def phase(self, publisher: Publisher) -> float:
        """Publish for a moment; the 99th percentile of the delays."""
        self.found.clear()
        for _ in range(ROUNDS):
            await publisher.publish(CHANNEL, {"at": time.monotonic(), "filling": "x" * 600})
            await asyncio.sleep(PACE_S)
        async with asyncio.timeout(10):
            while len(self.found) < ROUNDS * READERS:  # noqa: ASYNC110 - several readers fill it
                await asyncio.sleep(0.01)
        return sorted(self.found)[len(self.found) * 99 // 100]


@asynccontextmanager
async def deaf_readers(url: str) -> AsyncIterator[None]:
    """Streams whose answer nobody reads, with as little room as the kernel allows."""
    port = int(url.rsplit(":", 1)[1])
    with contextlib.ExitStack() as sockets:
        for _ in range(DEAF // 25):
            login = await asyncio.to_thread(log_in, url)
            target = f"{BASE}/stream?kid={login.kid}&channel={CHANNEL}&channel={FLOOD}"
            for _ in range(25):
                deaf = sockets.enter_context(socket.socket())
                deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2_048)
                deaf.connect(("127.0.0.1", port))
                deaf.sendall(request("GET", target, {"Host": f"127.0.0.1:{port}", "Cookie": login.cookie}))
        yield


def metric(hub: HubProcess, name: str) -> float:
    """A series of the operator listener."""
    text = httpx2.get(f"{hub.admin_url}/metrics", verify=False, trust_env=False).text
    return next((float(line.split()[1]) for line in text.splitlines() if line.startswith(f"jitterbug_{name} ")), 0.0)


@dataclass
class Side:
    """A hub of its own, with its readers.

    Attributes:
        found_s: The 99th percentile of each phase.
    """

    hub: HubProcess
    publisher: Publisher
    delays: Delays = field(default_factory=Delays)
    found_s: list[float] = field(default_factory=list)

    @property
    def median_s(self) -> float:
        return statistics.median(self.found_s)

    async def measure(self) -> None:
        self.found_s.append(await self.delays.phase(self.publisher))


@asynccontextmanager
async def side(folder: Path) -> AsyncIterator[Side]:
    """Start it, and wait until everybody reads."""
    settings = {
        "profile": "realtime",
        "rate_capacity": 10_000,
        "rate_refill_per_s": 10_000,
        "max_frames_per_tick": 1_000,
    }
    hub = await asyncio.to_thread(HubProcess, folder, environ=ROOT, **settings)
    try:
        async with Publisher(hub.url, KID, SECRET) as publisher:
            made, opened = Side(hub, publisher), asyncio.Semaphore(0)
            readers = [asyncio.create_task(made.delays.read(hub.url, opened)) for _ in range(READERS)]
            try:
                for _ in readers:
                    await asyncio.wait_for(opened.acquire(), 20)
                await made.delays.phase(publisher)  # warm
                yield made
            finally:
                for reader in readers:
                    reader.cancel()
                await asyncio.wait(readers)
    finally:
        hub.__exit__()


@pytest.mark.slow
@pytest.mark.timeout(180)
@in_loop
async def test_fifty_that_never_read_move_nobodys_p99(
    tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    """Two hubs with 20 readers, one with the fifty too, full to the brim; measured in turn: noise meets both alike."""
    async with AsyncExitStack() as stack:
        quiet = await stack.enter_async_context(side(tmp_path))
        full = await stack.enter_async_context(side(tmp_path))
        for pairs in PAIRS:
            async with asyncio.timeout(20):
                while metric(full.hub, "connections") != READERS:  # noqa: ASYNC110 - nothing tells of it
                    await asyncio.sleep(0.05)
            before = metric(full.hub, "dropped_frames_total")
            async with deaf_readers(full.hub.url):  # anew: the hub ends them after a while
                for _ in range(1_300):
                    await full.publisher.publish(FLOOD, "x" * 700)
                dropped = metric(full.hub, "dropped_frames_total") - before
                while len(full.found_s) < pairs:
                    await quiet.measure()
                    await full.measure()
                connections = metric(full.hub, "connections")
            if full.median_s < quiet.median_s + ALLOWANCE_S:
                break
        figures = {
            "p99 without, ms": round(quiet.median_s * 1_000, 1),
            "p99 with fifty, ms": round(full.median_s * 1_000, 1),
            "pairs": len(full.found_s),
            "connections": connections,
            "dropped for the fifty": dropped,
        }
        for name, value in figures.items():
            record_property(name, value)
        print(figures)  # noqa: T201
        print(*([round(each * 1_000) for each in one.found_s] for one in (quiet, full)))  # noqa: T201
        assert dropped > 0, "nobody's ring was full, so nothing was tried"
        assert connections == READERS + DEAF, "not all of the fifty were there to the end"
        assert full.median_s < quiet.median_s + ALLOWANCE_S
