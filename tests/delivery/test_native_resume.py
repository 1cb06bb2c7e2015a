"""Native clients that come back with ``Last-Event-ID`` get each number once (PROTOCOL §5, server-sent events).

npm ``eventsource``, which reconnects by itself as browsers do, and httpx2's ``sse``, whose caller does it. Their
connections are reset in the midst of what is published. curl does the same in ``test_foreign.py``.
"""

import asyncio
import contextlib
import json
import shutil
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import httpx2
import pytest

from jitterbug.protocol.session import Gap, Publication
from tests.client.hub_process import HubProcess
from tests.delivery.fault_proxy import FaultProxy
from tests.delivery.feed import ROOT, Feed
from tests.delivery.login import BASE, Login, log_in
from tests.delivery.numbers import Ledger
from tests.looped import in_loop

CHANNEL = "numbers/native"
COUNT = 60
RESETS = 2
JS = Path(__file__).resolve().parents[2] / "js"
NODE = shutil.which("node")
needs_eventsource = pytest.mark.skipif(
    NODE is None or not (JS / "node_modules" / "eventsource").is_dir(),
    reason="npm eventsource is not installed (make setup)",
)
pytestmark = pytest.mark.slow
# What an application would write; the cookie is the only thing a page would not have to say.
SCRIPT = """
import { EventSource } from "eventsource";
const [url, cookie] = process.argv.slice(1);
const withCookie = (target, init) => fetch(target, { ...init, headers: { ...init.headers, cookie } });
const source = new EventSource(url, { fetch: withCookie });
source.onmessage = ({ data }) => console.log(data);
process.stdin.on("end", () => process.exit(0)).resume();
"""

Take = Callable[[bytes], None]
Reader = Callable[[str, Login, Take], AbstractAsyncContextManager[None]]


@asynccontextmanager
async def npm_eventsource(url: str, login: Login, take: Take) -> AsyncIterator[None]:
    """Reads until it is left; comes back by itself, after what ``retry`` says."""
    assert NODE is not None
    target = f"{url}{BASE}/stream?kid={login.kid}&channel={CHANNEL}"
    process = await asyncio.create_subprocess_exec(
        NODE, "--input-type=module", "-e", SCRIPT, target, login.cookie,
        cwd=JS, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, limit=1 << 20,
    )  # fmt: skip
    assert process.stdin is not None

    async def follow() -> None:
        assert process.stdout is not None
        async for line in process.stdout:
            take(line.rstrip(b"\n"))

    following = asyncio.create_task(follow())
    try:
        yield
    finally:
        process.stdin.close()
        await process.wait()
        following.cancel()
        await asyncio.wait({following})


@asynccontextmanager
async def httpx2_sse(url: str, login: Login, take: Take) -> AsyncIterator[None]:
    """Reads until it is left; comes back at once."""

    async def read() -> None:
        last_id = ""
        async with httpx2.AsyncClient(trust_env=False, verify=False, headers={"cookie": login.cookie}) as http:
            while True:
                with contextlib.suppress(httpx2.TransportError):
                    async with http.sse(
                        f"{url}{BASE}/stream",
                        params={"kid": login.kid, "channel": CHANNEL},
                        headers={"Last-Event-ID": last_id} if last_id else {},
                        timeout=httpx2.Timeout(5, read=None),
                    ) as source:
                        async for event in source:
                            last_id = event.id
                            if event.data:  # it fires for `retry` alone, too
                                take(event.data.encode())
                await asyncio.sleep(0.05)

    reading = asyncio.create_task(read())
    try:
        yield
    finally:
        reading.cancel()
        await asyncio.wait({reading})


class Judge:
    """Verifies each connection's frames as they come, and enters what they bring in a ledger.

    Attributes:
        connections: As many as there were ``hello``.
    """

    def __init__(self, login: Login, ledger: Ledger) -> None:
        self.connections = 0
        self.ledger = ledger
        self._login = login
        self._start = ledger.places[CHANNEL]
        self._frames: list[bytes] = []

    def take(self, frame: bytes) -> None:
        """Take a frame. A ``hello`` begins another connection."""
        if json.loads(frame)["payload"]["t"] == "hello":
            self.connections += 1
            self._start = self.ledger.places[CHANNEL]
            self._frames = []
        self._frames.append(frame)
        # From the start of the connection: the receiver wants its frames in order, and says what the last one brought.
        for event in self._login.verify(self._frames, CHANNEL, self._start)[-1:]:
            if isinstance(event, Publication):
                self.ledger.take(CHANNEL, event.data, event.position, recovered=event.recovered)
            elif isinstance(event, Gap):
                self.ledger.gap(CHANNEL, event.position, event.reason)


@pytest.mark.timeout(90)
@pytest.mark.parametrize(
    "reader", [pytest.param(npm_eventsource, marks=needs_eventsource), httpx2_sse], ids=["npm eventsource", "httpx2"]
)
@in_loop
async def test_each_number_arrives_once_over_resets(reader: Reader, tmp_path: Path, seed: int) -> None:
    """The first connection starts from now, so number 1 is published once it stands; then two resets."""
    hub = await asyncio.to_thread(HubProcess, tmp_path, environ=ROOT, profile="realtime", history_size=COUNT)
    try:
        login = await asyncio.to_thread(log_in, hub.url)
        async with (
            FaultProxy(int(hub.url.rsplit(":", 1)[1]), seed) as proxy,
            Feed(lambda: hub.url, pause_s=0.01) as feed,
        ):
            place = await feed.publish(CHANNEL, 1)
            judge = Judge(login, Ledger("native", {CHANNEL: place}))
            stood = asyncio.Event()

            def take(frame: bytes) -> None:
                judge.take(frame)
                if json.loads(frame)["payload"]["t"] == "subscribed":
                    stood.set()

            async with reader(proxy.url, login, take), asyncio.timeout(60):
                await stood.wait()
                for turn in range(RESETS + 1):  # what follows a reset is published while the reader is away
                    first = 2 + turn * COUNT // (RESETS + 1)
                    await feed.run(CHANNEL, first, first + COUNT // (RESETS + 1) - 1)
                    await stood.wait()
                    if turn < RESETS:
                        for connection in set(proxy._tasks):
                            connection.cancel()
                        stood.clear()
                while not judge.ledger.has({CHANNEL: COUNT + 1}):  # noqa: ASYNC110 - nothing tells of it
                    await asyncio.sleep(0.02)
                await asyncio.sleep(0.2)  # what came twice would come now
        assert judge.ledger.faults == []
        assert (judge.ledger.delivered, judge.ledger.missed) == (COUNT, 0), judge.ledger
        assert judge.connections == RESETS + 1
        assert judge.ledger.recovered > 0
    finally:
        hub.__exit__()
