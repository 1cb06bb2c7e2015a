"""Stopping with a thousand streams open: all are told, spread over the drain time, and none keeps the process (§5)."""

import asyncio
import contextlib
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import pytest

from jitterbug import Config, Jitterbug
from jitterbug.protocol.codes import Down
from jitterbug.protocol.session import Control, Event, Receiver
from tests.client.hub_process import HubProcess
from tests.delivery.login import BASE, Login, log_in
from tests.looped import in_loop
from tests.server import serving
from tests.server.serving import until
from tests.server.test_other_servers import COMMANDS, ROOT, free_port

STREAMS = 1_000
PER_LOGIN = 25
AT_ONCE = 100
CHANNEL = "many"
DRAIN_S = 3.0
MOUNTED_DRAIN_S = 0.5
"""Of ``mounted_app.py``."""
LATE_S = 3.0
"""For the last farewells to be sent, and the process to end, on a busy machine; uvicorn looks ten times a second."""
pytestmark = [pytest.mark.slow, pytest.mark.timeout(60)]


@pytest.fixture(autouse=True)
def enough_files() -> Iterator[None]:
    """Both ends of a thousand connections, where hub and readers share a process."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = 3 * STREAMS
    if hard != resource.RLIM_INFINITY and hard < needed:
        pytest.skip(f"needs {needed} open files: ulimit -Hn says {hard}")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, needed), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@dataclass
class Ending:
    """A hub that is served somehow.

    Attributes:
        url: Where.
        drain_s: Its drain time.
        ask: Asks it to stop.
        wait: Waits for its end.
    """

    url: str
    drain_s: float
    ask: Callable[[], object]
    wait: Callable[[], object]


@contextmanager
def command(tmp_path: Path) -> Iterator[Ending]:
    """``jitterbug dev``, told by SIGTERM."""
    with HubProcess(tmp_path, drain_s=DRAIN_S, profile="realtime") as hub:

        def wait() -> None:
            assert hub.wait() == 0

        yield Ending(hub.url, DRAIN_S, hub.ask_to_end, wait)


@contextmanager
def program(_: Path) -> Iterator[Ending]:
    """A server in this process, told by its own ``should_exit``."""
    running = serving.start(
        "transport", Jitterbug(config=Config.profile("realtime", development=True, drain_s=DRAIN_S))
    )
    try:
        yield Ending(running.url, DRAIN_S, running.ask_to_stop, running.stop)
    finally:
        running.stop()


@contextmanager
def mounted(server: str) -> Iterator[Ending]:
    """The hub in an application under a server that is not ours, told by SIGTERM."""
    port = free_port()
    words = [str(port) if word == "PORT" else word for word in COMMANDS[server]]
    environ = {name: text for name, text in os.environ.items() if not name.startswith(("JITTERBUG_", "HMAC_"))}
    with subprocess.Popen(
        [sys.executable, "-m", *words], cwd=ROOT, env=environ, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as process:
        url = f"http://127.0.0.1:{port}"

        def answers() -> bool:
            with contextlib.suppress(httpx2.TransportError):
                return httpx2.get(f"{url}{BASE}/health", trust_env=False, verify=False).status_code == 200
            return False

        def wait() -> None:
            assert process.wait(20) in {0, -signal.SIGTERM}  # uvicorn raises the signal again once it has stopped

        try:
            until(answers)
            yield Ending(url, MOUNTED_DRAIN_S, process.terminate, wait)
        finally:
            process.terminate()  # not killed: its workers would be left behind
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(15)
            process.kill()


def mounted_in_uvicorn(_: Path) -> AbstractContextManager[Ending]:
    return mounted("uvicorn")


def mounted_in_granian(_: Path) -> AbstractContextManager[Ending]:
    return mounted("granian")


class Stream:
    """One open stream, as light as it can be.

    Attributes:
        events: What its verified frames said so far.
        bye_ms: When the last of them was signed, Unix milliseconds.
    """

    def __init__(self, login: Login) -> None:
        self.events: list[Event] = []
        self.bye_ms = 0
        self._login = login
        self._receiver = Receiver(login, {CHANNEL: None})
        self._unread = b""
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None

    async def open(self, port: int, turn: asyncio.Semaphore) -> None:
        """Open it and wait until the channel has answered."""
        async with turn:
            self._reader, self._writer = await asyncio.open_connection("127.0.0.1", port)
            target = f"{BASE}/stream?kid={self._login.kid}&channel={CHANNEL}"
            head = f"GET {target} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nCookie: {self._login.cookie}\r\n\r\n"
            self._writer.write(head.encode())
            while not any(isinstance(event, Control) and event.type is Down.SUBSCRIBED for event in self.events):
                assert await self._read(), self.events

    async def to_the_end(self) -> None:
        """Read until the hub ends it."""
        assert self._writer is not None
        while await self._read():
            pass
        self._writer.close()

    async def _read(self) -> bytes:
        assert self._reader is not None
        chunk = await self._reader.read(65_536)
        *lines, self._unread = (self._unread + chunk).split(b"\n")
        for line in lines:
            if line.startswith(b"data: "):
                self.events += self._receiver.receive(line[6:], time.time_ns() // 1_000_000)
                self.bye_ms = int(line[:-1].rpartition(b":")[2])  # `ts` is the last member of a canonical frame
        return chunk

    def farewell(self) -> dict[str, Any]:
        """The ``bye``, the last frame."""
        last = self.events[-1]
        assert isinstance(last, Control), self.events
        assert last.type is Down.BYE, self.events
        return last.payload


async def open_many(url: str) -> list[Stream]:
    logins = await asyncio.gather(*(asyncio.to_thread(log_in, url) for _ in range(STREAMS // PER_LOGIN)))
    streams = [Stream(login) for login in logins for _ in range(PER_LOGIN)]
    port, turn = int(url.rsplit(":", 1)[1]), asyncio.Semaphore(AT_ONCE)
    await asyncio.gather(*(stream.open(port, turn) for stream in streams))
    return streams


@pytest.mark.parametrize("serve", [command, program, mounted_in_uvicorn, mounted_in_granian])
@in_loop
async def test_a_thousand_streams_are_let_go_within_the_drain_time(
    serve: Callable[[Path], AbstractContextManager[Ending]],
    tmp_path: Path,
    record_property: Callable[[str, object], None],
) -> None:
    """Each gets ``bye`` ``shutdown`` with a jittered ``retry``, one after the other; then the process ends."""
    hub = serve(tmp_path)
    ending = await asyncio.to_thread(hub.__enter__)
    try:
        started_s = time.monotonic()
        streams = await open_many(ending.url)
        opened_s = time.monotonic()
        ending.ask()
        async with asyncio.timeout(ending.drain_s + LATE_S):
            await asyncio.gather(*(stream.to_the_end() for stream in streams))
        told_s = time.monotonic()
        await asyncio.to_thread(ending.wait)
        ended_s = time.monotonic()
    finally:
        await asyncio.to_thread(hub.__exit__, None, None, None)

    byes = [stream.farewell() for stream in streams]
    sent_ms = sorted(stream.bye_ms for stream in streams)
    halfway = sum(ts < sent_ms[0] + ending.drain_s * 500 for ts in sent_ms)
    figures = {
        "streams": len(byes),
        "opening, s": round(opened_s - started_s, 2),
        "drain time, s": ending.drain_s,
        "first to last bye, s": (sent_ms[-1] - sent_ms[0]) / 1_000,
        "all told after, s": round(told_s - opened_s, 2),
        "ended after, s": round(ended_s - opened_s, 2),
        "different retries": len({bye["retry"] for bye in byes}),
    }
    for name, value in figures.items():
        record_property(name, value)
    print(figures)  # noqa: T201

    assert {bye["reason"] for bye in byes} == {"shutdown"}
    assert all(0 < bye["retry"] <= 5_000 for bye in byes)
    assert figures["different retries"] > STREAMS // 4
    assert sent_ms[-1] - sent_ms[0] > ending.drain_s * 700
    assert 0.3 < halfway / STREAMS < 0.7, "the farewells came in a heap"
    assert ended_s - opened_s < ending.drain_s + LATE_S
