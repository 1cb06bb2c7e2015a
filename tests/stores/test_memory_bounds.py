"""What one node's store keeps is bounded in time, in number and in bytes, over all channels together (R57, §4.7)."""

from typing import Any

from jitterbug.config import HistoryRule
from jitterbug.hub.sessions import Revocations
from jitterbug.protocol.codes import GapReason
from jitterbug.protocol.position import Position
from jitterbug.stores.memory import MemoryStore
from jitterbug.stores.window import MovingWindows
from jitterbug.testing import ManualClock
from tests.looped import in_loop

NS_PER_S = 1_000_000_000


def recorded(store: MemoryStore) -> set[str]:
    return {channel for channels in store._recorded.values() for channel in channels}


def kept(store: MemoryStore) -> int:
    held = sum(len(log.entries) for log in store._logs.values())
    assert store._history_bytes == sum(
        2 * len(publication.data) + 1_200 for log in store._logs.values() for _, publication, _ in log.entries
    )
    assert recorded(store) >= {channel for channel, log in store._logs.items() if log.entries}
    return held


@in_loop
async def test_history_of_idle_channels_goes_when_it_is_over() -> None:
    """A channel nobody touches again used to keep its history for ever."""
    clock = ManualClock()
    store = MemoryStore(clock, history_size=10, history_ttl_s=300)
    for number in range(200):
        await store.append(f"idle-{number % 20}", b"1")
    assert kept(store) == 200
    clock.advance(s=301)
    await store.append("busy", b"1")

    assert kept(store) == 1
    assert len(recorded(store)) == 1


@in_loop
async def test_history_kept_for_long_keeps_no_shorter_one_alive() -> None:
    clock = ManualClock()
    store = MemoryStore(clock, history_ttl_s=1_000, history_rules=[HistoryRule("short/*", 10, 5)])
    await store.append("long", b"1")
    for number in range(20):
        await store.append(f"short/{number}", b"1")
    await store.append("long", b"2")
    clock.advance(s=5)
    await store.read("nobody", None)

    assert kept(store) == 2
    assert recorded(store) == {"long"}


@in_loop
async def test_of_all_kinds_the_channel_not_published_to_for_longest_gives_up_its_oldest() -> None:
    clock = ManualClock()
    rules = [HistoryRule("short/*", 10, 5)]
    store = MemoryStore(clock, history_ttl_s=1_000, history_rules=rules, max_history_bytes=4 * 1_202)
    for channel in ("long", "short/1", "long", "short/2", "long"):
        clock.advance(ms=1)
        await store.append(channel, b"1")

    assert kept(store) == 4
    assert recorded(store) == {"long", "short/2"}


@in_loop
async def test_history_of_all_channels_together_is_bounded_and_what_goes_is_told() -> None:
    clock = ManualClock()
    store = MemoryStore(clock, history_size=10, max_history_bytes=100 * 3_200)
    for number in range(400):
        await store.append(f"ch-{number % 50}", b"x" * 1_000)
        assert store._history_bytes <= 100 * 3_200
    assert kept(store) == 100
    first = await store.read("ch-0", None)
    told = await store.read("ch-0", Position(first.position.epoch, 0))

    assert told.lost is GapReason.EXPIRED
    assert (await store.read("ch-49", Position(first.position.epoch, 7))).lost is None


@in_loop
async def test_a_forgotten_channel_takes_its_history_along() -> None:
    store = MemoryStore(ManualClock(), history_size=10, max_channels=5)
    for number in range(100):
        await store.append(f"ch-{number}", b"1")

    assert kept(store) == 5
    assert len(recorded(store)) == 5


def test_windows_that_have_passed_are_forgotten() -> None:
    windows = MovingWindows()
    for number in range(1_000):
        assert windows.admit(f"key-{number}", 1, 60, number) == 0
    assert windows.admit("key-999", 1, 60, 1_000) > 0
    assert windows.admit("other", 1, 1, 59 * NS_PER_S) == 0
    assert len(windows) == 1_001
    assert windows.admit("other", 1, 60, 61 * NS_PER_S + 1_000) > 0

    assert len(windows) == 1


class Counted(dict[str, int]):
    """Says how many it was asked for."""

    looked = 0

    def items(self) -> Any:
        for item in super().items():
            self.looked += 1
            yield item


def test_a_flood_of_logouts_costs_each_the_same() -> None:
    """Each used to look at all that were before it."""
    revoked, count = Revocations(605_000), 2_000
    revoked._until_ms = counted = Counted()
    for number in range(count):
        revoked.add(f"session-{number}", number)

    assert counted.looked <= 2 * count
    assert f"session-{count - 1}" in revoked
    revoked.add("later", 605_000 + count)
    assert len(counted) == 1


@in_loop
async def test_asking_for_many_names_pushes_out_no_history() -> None:
    """A stream may name a hundred channels, and opening one costs little: a thousand of them emptied the store."""
    store = MemoryStore(ManualClock(), max_channels=5)
    first = await store.append("idle", b"1")
    for number in range(100):
        assert (await store.read(f"made-up-{number}", None)).position.offset == 0
    found = await store.read("idle", Position(first.epoch, 0))

    assert found.lost is None
    assert [publication.position for publication in found.publications] == [first]
