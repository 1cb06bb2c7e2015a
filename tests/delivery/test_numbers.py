"""Each number exactly once and in order, or an explicit gap, on a network that does what it likes (PROTOCOL §5)."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.client.hub_process import HubProcess
from tests.delivery.conftest import IS_LONG
from tests.delivery.fault_proxy import KINDS, FaultProxy, Rates
from tests.delivery.feed import ROOT, Feed
from tests.delivery.numbers import Ledger
from tests.delivery.readers import Reader, Sleeper, reading, sleeper
from tests.looped import in_loop

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600 if IS_LONG else 120)]

CHANNELS = ("numbers/a", "numbers/b")
COUNT = 10_000 if IS_LONG else 1_000
FEWER = 10_000 if IS_LONG else 400
SKEW_MS, WINDOW_MS, SLEEP_S = (5_000, 10_000, 12.0) if IS_LONG else (1_000, 2_000, 3.0)
UNLIMITED = {
    "profile": "realtime",
    "rate_capacity": 100_000,
    "rate_refill_per_s": 100_000,
    "max_frames_per_tick": 1_000,
    "keys_per_minute": 10_000,
    "heartbeat_s": 1,
    "key_ttl_s": 20 if IS_LONG else 4,
    "hmac_clock_skew_ms": SKEW_MS,
    "hmac_replay_window_ms": WINDOW_MS,
}
"""Rates so high that they hide nothing, keys so short that they change under way."""
CLOCKS: dict[str, Any] = {"skew_ms": SKEW_MS, "replay_window_ms": WINDOW_MS}
SCALE = 0.4 if IS_LONG else 1.0
DOWN = Rates(
    cut=0.003 * SCALE, reset=0.003 * SCALE, delay=0.01, split=0.01,
    swallow=0.003 * SCALE, repeat=0.004 * SCALE, swap=0.004 * SCALE,
)  # fmt: skip
UP = Rates(cut=0.02, reset=0.02, delay=0.05, split=0.1)
FEED_UP = Rates(cut=0.01, reset=0.01, split=0.02, repeat=0.004, swap=0.004)
FEED_DOWN = Rates(cut=0.01, reset=0.01, split=0.02, delay=0.01, delay_s=0.02)


@dataclass
class Scene:
    """Everything a run is made of."""

    hub: HubProcess
    restart: Callable[[bool], HubProcess]
    proxies: list[FaultProxy]
    asleep: FaultProxy
    feed: Feed
    readers: list[Reader]
    sleeper: Sleeper

    @property
    def ledgers(self) -> list[Ledger]:
        return [*(reader.ledger for reader in self.readers), self.sleeper.ledger]

    def check(self) -> None:
        """Fail at once where somebody ended or was given what it should not have been."""
        for reader in (*self.readers, self.sleeper):
            reader.check()
            assert reader.ledger.faults == []
        assert self.feed.faults == []


@asynccontextmanager
async def scene(folder: Path, seed: int, **settings: Any) -> AsyncIterator[Scene]:
    """A hub, three bad networks, and six readers that stand at number 1 of each channel."""
    hubs: list[HubProcess] = []

    def start() -> HubProcess:
        hubs.append(HubProcess(folder, environ=ROOT, **(UNLIMITED | settings)))
        return hubs[-1]

    def restart(gently: bool) -> HubProcess:
        (hubs[-1].stop if gently else hubs[-1].kill)()
        return start()

    try:
        hub = await asyncio.to_thread(start)
        port = int(hub.url.rsplit(":", 1)[1])
        async with AsyncExitStack() as stack:
            enter = stack.enter_async_context
            bad = await enter(FaultProxy(port, seed, down=DOWN, up=UP))
            feeding = await enter(FaultProxy(port, seed + 1, down=FEED_DOWN, up=FEED_UP))
            asleep = await enter(FaultProxy(port, seed + 2, up=UP, down=Rates(split=0.01)))
            feed = await enter(Feed(lambda: feeding.url, pause_s=0.004 if IS_LONG else 0.008))
            starts = {channel: await feed.publish(channel, 1) for channel in CHANNELS}
            readers = [await enter(reading(f"quick-{n}", bad.url, starts, seed + n, **CLOCKS)) for n in range(3)]
            readers.append(await enter(reading("busy", bad.url, starts, seed + 3, takes_s=0.001, **CLOCKS)))
            readers.append(await enter(reading("offline", asleep.url, starts, seed + 4, **CLOCKS)))
            stopped = await enter(sleeper("stopped", asleep.url, starts, **CLOCKS))
            yield Scene(hub, restart, [bad, feeding, asleep], asleep, feed, readers, stopped)
    finally:
        for each in hubs:
            each.__exit__()


async def until(condition: Callable[[], Any], scene: Scene, limit_s: float) -> None:
    """Wait for something, and fail at once where a promise broke."""
    deadline_s = time.monotonic() + limit_s
    while not condition():
        scene.check()
        assert time.monotonic() < deadline_s, f"not in time: {scene.feed.sent} {scene.ledgers}"
        await asyncio.sleep(0.02)


async def publish_through(scene: Scene, count: int, *, restarts: int) -> None:
    """Publish ``count`` numbers in all; meanwhile two readers sleep past the replay window, and the hub restarts."""
    last = count // len(CHANNELS)
    feeding = [asyncio.create_task(scene.feed.run(channel, 2, last)) for channel in CHANNELS]
    try:
        marks = [last * (turn + 1) // (restarts + 2) for turn in range(restarts + 1)]
        await until(lambda: min(scene.feed.sent.values()) >= marks[0], scene, 300)
        scene.sleeper.sleep()
        scene.asleep.block()
        await asyncio.sleep(SLEEP_S)
        scene.sleeper.wake()
        scene.asleep.unblock()
        for turn, mark in enumerate(marks[1:]):
            await until(lambda mark=mark: min(scene.feed.sent.values()) >= mark, scene, 300)  # type: ignore[misc]
            hub = await asyncio.to_thread(scene.restart, turn % 2 == 0)
            for proxy in scene.proxies:
                proxy.target = int(hub.url.rsplit(":", 1)[1])
        ends = dict.fromkeys(CHANNELS, last)
        await until(lambda: all(ledger.has(ends) for ledger in scene.ledgers), scene, 300 if IS_LONG else 60)
        await asyncio.sleep(0.2)  # what came twice would come now
        scene.check()
    finally:
        for task in feeding:
            task.cancel()
        await asyncio.wait(feeding)


def tell(scene: Scene, record: Callable[[str, object], None], started_s: float) -> Counter[str]:
    """The figures of a run, for the report and on the terminal with ``-s``. Returns the faults by kind."""
    injected = sum((proxy.injected for proxy in scene.proxies), Counter[str]())
    stats = [reader.stats for reader in scene.readers]
    figures = {
        "publications": sum(scene.feed.sent.values()),
        "publisher retries": scene.feed.retried,
        "faults": dict(injected),
        "connections": sum(each.connections for each in stats),
        "rotations": sum(each.rotations for each in stats),
        "refused": dict(sum((each.refused for each in stats), Counter())),
        "delivered": sum(ledger.delivered for ledger in scene.ledgers),
        "from history": sum(ledger.recovered for ledger in scene.ledgers),
        "duplicates dropped": sum(each.duplicates for each in stats),
        "gaps": dict(sum((ledger.gaps for ledger in scene.ledgers), Counter())),
        "missed and told": sum(ledger.missed for ledger in scene.ledgers),
        "seconds": round(time.monotonic() - started_s, 1),
    }
    for name, value in figures.items():
        record(name, value)
    print(figures)  # noqa: T201
    return injected


@in_loop
async def whole(folder: Path, seed: int, record: Callable[[str, object], None], restarts: int, **settings: Any) -> None:
    """A history that holds everything: nothing is missing anywhere."""
    started_s = time.monotonic()
    async with scene(folder, seed, history_size=COUNT, buffer_frames=COUNT, **settings) as run:
        await publish_through(run, COUNT, restarts=restarts)
        injected = tell(run, record, started_s)
        for ledger in run.ledgers:
            assert (ledger.missed, ledger.gaps) == (0, Counter()), ledger
            assert ledger.delivered == COUNT - len(CHANNELS), ledger
        assert set(injected) == set(KINDS), "a kind of fault was never drawn"
        assert sum(reader.stats.rotations for reader in run.readers) > 0


@in_loop
async def holes(folder: Path, seed: int, record: Callable[[str, object], None]) -> None:
    """A history of 20: those who slept have gaps, every one of them told."""
    started_s = time.monotonic()
    async with scene(folder, seed, history_size=20) as run:
        await publish_through(run, FEWER, restarts=0)
        tell(run, record, started_s)
        for ledger in run.ledgers:
            assert ledger.delivered + ledger.missed == FEWER - len(CHANNELS), ledger
        for ledger in run.ledgers[-2:]:
            assert ledger.missed > 0, f"{ledger} slept past the history and was told of no gap"


def test_every_number_arrives_once_and_in_order(
    tmp_path: Path, seed: int, record_property: Callable[[str, object], None]
) -> None:
    """R38, R50, §5: cut at random, keys rotating, two asleep past the replay window, the hub stopped and killed.

    The history is a file that holds everything, so nothing may be missing.
    """
    whole(tmp_path, seed, record_property, restarts=2, engine=f"sqlite:///{tmp_path}/history.db")


def test_what_the_history_no_longer_holds_is_told_as_a_gap(
    tmp_path: Path, seed: int, record_property: Callable[[str, object], None]
) -> None:
    """The same with a history of 20: each number once and in order, or in a range that a gap told of."""
    holes(tmp_path, seed, record_property)
