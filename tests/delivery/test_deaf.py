"""Fifty that never read move nobody's p99 (PROTOCOL §5, R57)."""

import asyncio
import contextlib
import socket
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
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
ROUNDS = 100
"""Publications measured in each phase; times 20 readers."""
PACE_S = 0.01
FACTOR, ALLOWANCE_S = 3.0, 0.05
"""p99 with them may be three times the p99 without, plus what a busy machine does in between."""
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
        """Publish for a while; the 99th percentile of the delays."""
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


@pytest.mark.slow
@in_loop
async def test_fifty_that_never_read_move_nobodys_p99(
    tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    """20 readers, 100 publications without, with, and without the fifty; each of those is full to the brim."""
    settings = {
        "profile": "realtime",
        "rate_capacity": 10_000,
        "rate_refill_per_s": 10_000,
        "max_frames_per_tick": 1_000,
    }
    hub = await asyncio.to_thread(HubProcess, tmp_path, environ=ROOT, **settings)
    try:
        delays, opened = Delays(), asyncio.Semaphore(0)
        async with AsyncExitStack() as stack:
            publisher = await stack.enter_async_context(Publisher(hub.url, KID, SECRET))
            readers = [asyncio.create_task(delays.read(hub.url, opened)) for _ in range(READERS)]
            try:
                for _ in readers:
                    await asyncio.wait_for(opened.acquire(), 20)
                await delays.phase(publisher)  # warm
                before_s = await delays.phase(publisher)
                async with deaf_readers(hub.url):
                    for _ in range(1_300):
                        await publisher.publish(FLOOD, "x" * 700)
                    dropped = metric(hub, "dropped_frames_total")
                    connections = metric(hub, "connections")
                    with_s = await delays.phase(publisher)
                after_s = await delays.phase(publisher)
            finally:
                for reader in readers:
                    reader.cancel()
                await asyncio.wait(readers)
        figures = {
            "p99 without, ms": [round(each * 1_000, 1) for each in (before_s, after_s)],
            "p99 with fifty, ms": round(with_s * 1_000, 1),
            "connections": connections,
            "dropped for the fifty": dropped,
        }
        for name, value in figures.items():
            record_property(name, value)
        print(figures)  # noqa: T201
        assert dropped > 0, "nobody's ring was full, so nothing was tried"
        assert with_s < FACTOR * max(before_s, after_s) + ALLOWANCE_S
    finally:
        hub.__exit__()
