"""Each summand of the memory formula, measured: one of a kind takes no more than is said, and not much less.

docs/memory.md; R57, REQUIREMENTS §2.22, §2.26, §4.7.
"""

import gc
import os
import subprocess
import sys
import tracemalloc
from collections import OrderedDict
from collections.abc import Iterator
from pathlib import Path

import pytest

from jitterbug.config import Config
from jitterbug.hub import connection, outlet, upstream
from jitterbug.hub.limits import InboundLimiter
from jitterbug.hub.sessions import Changes, Revocations, Session
from jitterbug.protocol import base64
from jitterbug.protocol.codes import Down
from jitterbug.protocol.publication import largest_frame_bytes
from jitterbug.protocol.replay import ReplayWindow
from jitterbug.server import memory, sessions
from jitterbug.server.failures import Failures
from jitterbug.server.sessions import OwnSessions
from jitterbug.server.uvicorn import http
from jitterbug.stores.memory import MemoryStore
from jitterbug.stores.window import MovingWindows
from jitterbug.telemetry import alerts
from jitterbug.telemetry.alerts import Alerts
from jitterbug.telemetry.audit import trail
from jitterbug.telemetry.events import Fact, FactCode
from jitterbug.testing import ManualClock
from tests.hub.house import REALTIME, STRICT, House
from tests.hub.wire import MemorySink
from tests.looped import in_loop

ROOT = Path(__file__).resolve().parents[2]
SHARE = 4
"""What is said is at most so many times what is measured, or the formula would say nothing."""
LONGEST_CHANNEL = "c" * 123


class Meter:
    """Bytes that came alive since it was made."""

    def __init__(self) -> None:
        self._before = self._alive()

    def check(self, name: str, count: int, config: Config = STRICT) -> None:
        """Hold what came alive against a term."""
        measured = (self._alive() - self._before) / count
        said = next(term.each_bytes for term in memory.terms(config, 0) if term.name == name)
        assert said / SHARE <= measured <= said, f"{name}: {measured:.0f} measured, {said} said"

    @staticmethod
    def _alive() -> int:
        gc.collect()
        return tracemalloc.get_traced_memory()[0]


@pytest.fixture(autouse=True)
def _traced() -> Iterator[None]:
    tracemalloc.start()
    yield
    tracemalloc.stop()


def some_id() -> str:
    return base64.encode_url(os.urandom(24))


def test_the_table_of_the_documents_is_what_the_command_prints() -> None:
    printed = subprocess.run(
        [sys.executable, "scripts/memory.py"], capture_output=True, text=True, check=True, cwd=ROOT
    )

    assert printed.stdout in (ROOT / "docs/memory.md").read_text()


def test_the_bounds_are_those_of_the_code() -> None:
    store = MemoryStore(ManualClock())
    assert (store._max_channels, store._replay.max_entries) == (memory.CHANNELS, memory.MAX_NONCES)
    assert MovingWindows()._max_keys == memory.WINDOWS
    assert (sessions.MAX_SESSIONS, upstream._MAX_STRAYS) == (memory.LOGINS, memory.STRAYS)
    assert (alerts._MAX_ADDRESSES, trail._QUEUE_FACTS) == (memory.FAILING_ADDRESSES, memory.FACTS)
    assert store._max_history_bytes == memory.HISTORY_BYTES
    assert (http._MAX_HEAD_BYTES, http._MAX_HEADERS) == (memory.HEAD_BYTES, memory.HEADERS)
    assert http._MAX_PIPELINED + 1 == memory.REQUESTS
    assert (connection._CONTROL_LIMIT, connection._CONTROL_BURST) == (memory.OWN_FRAMES, memory.OWN_FRAMES_A_FLUSH)
    assert outlet.PENDING_LIMIT_BYTES == memory.PENDING_BYTES


@pytest.mark.parametrize("config", [STRICT, REALTIME], ids=["strict", "realtime"])
@in_loop
async def test_a_publication(config: Config) -> None:
    house = House(config)
    fixed = largest_frame_bytes(LONGEST_CHANNEL, b'""')
    meter = Meter()
    for number in range(100):
        text = "x" * (config.max_frame_bytes - fixed)
        await house.hub.publish(LONGEST_CHANNEL, text, publication_id=f"{'i' * 80}{number}")
    meter.check("publication", 100, config)


@in_loop
async def test_what_is_left_of_a_closed_connection() -> None:
    """docs/memory.md: 2 kB, of those that the wheel holds until their deadline."""
    house, meter = House(), Meter()
    for number in range(900):
        client = house.connect(Session(f"{number:032}"))
        assert await house.hub.subscribe(client.connection, "a")
        await house.settle()
        house.hub.close(client.connection, "gone")
        house.clients.clear()
        house.facts.clear()
        del client
    measured = (meter._alive() - meter._before) / len(house.hub._tick._deadlines)
    assert len(house.hub._tick._deadlines) == 900
    assert 2_000 / SHARE <= measured <= 2_000


@in_loop
async def test_a_subscription_and_a_channel() -> None:
    house = House(STRICT.with_changes(history_size=0))
    clients = [house.connect() for _ in range(20)]
    await house.settle()
    for client in clients:
        client.connection.sink = MemorySink(house.clock)
    meter = Meter()
    for number in range(2_000):
        name = f"{LONGEST_CHANNEL}{number:05}"
        await house.hub.publish(name, number)
        assert await house.hub.subscribe(clients[number % 20].connection, name)
        clients[number % 20].connection._control.clear()
    both = meter._alive() - meter._before
    said = {term.name: term.each_bytes for term in memory.terms(STRICT, 0)}
    assert both / 2_000 <= said["subscription"] + said["channel"] <= SHARE * both / 2_000


@in_loop
async def test_one_of_the_hubs_own_frames() -> None:
    client = House().connect()
    meter = Meter()
    for number in range(1_000):
        pos = ["epoch-08", 10**9 + number]
        client.connection.control(Down.SUBSCRIBED, ch=f"{LONGEST_CHANNEL}{number:05}", pos=pos, recovered=True)
    measured = (meter._alive() - meter._before) / 1_000
    assert memory._OWN_FRAME_BYTES / SHARE <= measured <= memory._OWN_FRAME_BYTES


def test_a_nonce() -> None:
    window, meter = ReplayWindow(10_000), Meter()
    for number in range(20_000):
        nonce = base64.encode(os.urandom(32)).decode()
        assert window.claim(f"{'k' * 49}{number % 7:03}", nonce, 10**12 + number // 10, 10**12 + number // 10)
    meter.check("nonce", 20_000)


def test_a_login() -> None:
    logins = OwnSessions(ManualClock(), secure=True, per_address=9)
    meter = Meter()
    for number in range(5_000):
        logins.create(f"2001:db8:0:{number:x}::/64", subject=f"{'s' * 40}{number}", expires_at=1e10 + number)
    meter.check("login", 5_000)


def test_a_window_and_a_hit() -> None:
    windows, meter = MovingWindows(), Meter()
    for number in range(3_000):
        windows.admit(f"keys:a:2001:db8:0:{number:x}::/64", 600, 60, 10**12 + number)
    meter.check("window", 3_000)
    del windows
    windows, meter = MovingWindows(), Meter()
    for number in range(60_000):
        windows.admit("keys:a:2001:db8:0:1::/64", 60_000, 60, 10**12 + number)
    meter.check("hit", 60_000)


def test_a_stray_and_a_revocation() -> None:
    strays, meter = OrderedDict[str, InboundLimiter](), Meter()
    for _ in range(3_000):
        limiter = strays[some_id()] = InboundLimiter(10, 1.0)
        limiter.admit(10**12)
    meter.check("stray", 3_000)
    revoked, meter = Revocations(605_000), Meter()
    for number in range(1_000):
        revoked.add(some_id(), 10**12 + number)
    meter.check("revocation", 1_000)


def test_a_login_that_changed() -> None:
    """As often as it changes, it is remembered once; and no longer than a key of before could live."""
    changes, meter = Changes(605_000), Meter()
    for _ in range(2):
        for number in range(2_000):
            known = Session(f"{number:048x}", subject=f"{'s' * 40}{number}", expires_at=1e10 + number)
            changes.add(known, 10**12 + number)
    meter.check("change", 2_000)
    changes.add(Session("another"), 10**12 + 605_000 + 2_000)
    assert len(changes) == 1


def test_a_failing_address_and_a_fact() -> None:
    clock = ManualClock()
    watch, meter = Alerts(clock, lambda _: (0, 0), lambda _: None), Meter()
    for number in range(1_000):
        for _ in range(10):
            clock.advance(ms=1)
            watch(Fact(code=FactCode.AUTH_FAILED, address=f"2001:db8:{number >> 16:x}:{number & 0xFFFF:x}::1"))
    meter.check("failing address", 1_000)
    publishers, meter = Failures(), Meter()
    for number in range(3_000):
        publishers.count(f"2001:db8:0:{number:x}::/64", 10**12)
    meter.check("failing publisher", 3_000)
    meter = Meter()
    queue = [
        (
            10**12 + number,
            Fact(
                code=FactCode.FRAME_REFUSED,
                kid=f"{'k' * 47}{number:05}",
                session=f"{number:016x}",
                address=f"2001:db8:{number >> 16:x}:{number & 0xFFFF:x}::1",
                conn=f"{number:016}",
                request_id=f"{number:016x}",
            ),
        )
        for number in range(1_000)
    ]
    meter.check("fact", len(queue))


@in_loop
async def test_registries_are_bounded_and_forget_in_time() -> None:
    """Closed streams, nonces, channels, windows: with the clock of the test, in the real hub."""
    house = House(STRICT.with_changes(rate_capacity=1_000_000))
    house.store._max_channels = 50  # type: ignore[attr-defined]
    clients = [await house.reader(f"a{number}", session=Session(some_id())) for number in range(20)]
    for client in clients:
        for _ in range(5):
            assert (await client.send({"t": "ping"})).code is None
    for number in range(200):
        await house.hub.publish(f"b{number}", number)
        assert await house.hub.subscribe(clients[0].connection, f"c{number}") == (number < 99)
    assert house.store.channel_count() == 50  # type: ignore[attr-defined]
    assert len(house.store._replay) == 100  # type: ignore[attr-defined]
    for client in clients:
        house.hub.close(client.connection, "gone")
    await house.run_for(16)
    last = await house.reader("a")
    assert (await last.send({"t": "ping"})).code is None

    assert (house.hub.connection_count, house.hub.session_count, len(house.hub.channels)) == (1, 1, 1)
    assert not house.hub.channels._joining
    assert len(house.hub._tick._deadlines) == 1
    assert len(house.store._replay) == 1  # type: ignore[attr-defined]
    windows = MovingWindows(max_keys=10)
    for number in range(100):
        windows.admit(str(number), 1, 60, number)
    assert len(windows) == 10
