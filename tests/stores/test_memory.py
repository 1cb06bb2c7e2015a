"""The store of a single node keeps the contract, and its bounds (R12, R33, R41)."""

import re
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule

from jitterbug.protocol.codes import GapReason
from jitterbug.protocol.position import Position
from jitterbug.protocol.session import Hole
from jitterbug.stores.memory import MemoryStore, new_epoch
from jitterbug.testing import ManualClock
from tests.hub.house import House
from tests.looped import in_loop
from tests.stores.contract import StoreContract


class TestMemoryStore(StoreContract):
    """The contract, on a clock that is turned by hand."""

    clock: ManualClock

    async def make(self, **settings: Any) -> MemoryStore:
        type(self).clock = ManualClock()
        store = MemoryStore(self.clock, **settings)
        await store.start()
        return store

    async def pass_time(self, seconds: float) -> None:
        self.clock.advance(s=seconds)


def test_epochs_are_eight_random_characters_that_fit_into_a_cursor() -> None:
    epochs = {new_epoch() for _ in range(1_000)}

    assert len(epochs) == 1_000
    assert all(re.fullmatch(r"[A-Za-z0-9_-]{8}", epoch) for epoch in epochs)


@in_loop
async def test_two_stores_never_share_an_epoch() -> None:
    """A restart must not look like the same history."""
    one, two = MemoryStore(ManualClock()), MemoryStore(ManualClock())

    assert (await one.read("a", None)).position.epoch != (await two.read("a", None)).position.epoch


@given(touched=st.lists(st.sampled_from([f"channel-{n}" for n in range(8)]), max_size=60))
@in_loop
async def test_beyond_its_bound_the_channel_untouched_for_longest_is_forgotten_and_comes_back_in_a_new_epoch(
    touched: list[str],
) -> None:
    store = MemoryStore(ManualClock(), max_channels=4)
    remembered: dict[str, Position] = {}
    """Least recently used first."""
    forgotten: dict[str, Position] = {}
    for channel in touched:
        before = remembered.pop(channel, None)
        position = await store.append(channel, b"1")
        if before is not None:
            assert position == Position(before.epoch, before.offset + 1)
        else:
            assert position.offset == 1
            if channel in forgotten:
                assert position.epoch != forgotten[channel].epoch
                backlog = await store.read(channel, forgotten[channel])
                assert backlog.lost is GapReason.EPOCH
        remembered[channel] = position
        if len(remembered) > 4:
            oldest = next(iter(remembered))
            forgotten[oldest] = remembered.pop(oldest)
        assert store.channel_count() == len(remembered)


@in_loop
async def test_a_reader_of_a_forgotten_channel_is_told_never_left_in_silence() -> None:
    """Offsets start again; the epoch makes the client see that, and a resume is answered with a gap."""
    clock = ManualClock()
    house = House(store=MemoryStore(clock, max_channels=2), clock=clock)
    client = await house.reader("a")
    await house.publish("a", 2)
    await house.settle()
    for other in ("b", "c"):
        await house.publish(other, 1)
    await house.publish("a", 1, start=2)
    await house.settle()

    assert client.data() == [0, 1]
    assert isinstance(client.seen[-1].events[0], Hole)
    since = client.reader.receiver.positions["a"]
    again = house.connect(positions={"a": since})
    await house.hub.subscribe(again.connection, "a", since)
    await house.settle()
    assert [gap.reason for gap in again.gaps()] == ["epoch"]


class Histories(RuleBasedStateMachine):
    """Memory is bounded whatever is appended, read and waited for."""

    def __init__(self) -> None:
        super().__init__()
        self.clock = ManualClock()
        self.store = MemoryStore(self.clock, history_size=5, history_ttl_s=10, max_channels=3)
        self.size = 0

    @rule(channel=st.sampled_from("abcde"), publication_id=st.none() | st.sampled_from("xyz"))
    def append(self, channel: str, publication_id: str | None) -> None:
        self._run(self.store.append(channel, b"1", publication_id=publication_id))

    @rule(channel=st.sampled_from("abcde"), offset=st.integers(0, 10))
    def read(self, channel: str, offset: int) -> None:
        stand = self._run(self.store.read(channel, None)).position
        backlog = self._run(self.store.read(channel, Position(stand.epoch, offset)))
        assert len(backlog.publications) == (0 if backlog.lost else stand.offset - offset)

    @rule(ms=st.integers(0, 12_000))
    def time_passes(self, ms: int) -> None:
        self.clock.advance(ms=ms)

    def _run(self, coroutine: Any) -> Any:
        """The memory store never waits: a coroutine of it runs to its end at the first step."""
        try:
            coroutine.send(None)
        except StopIteration as done:
            return done.value
        raise AssertionError("waited")

    def teardown(self) -> None:
        assert self.store.channel_count() <= 3
        for log in self.store._logs.values():
            assert len(log.entries) <= 5
            kept = {publication_id for _, _, publication_id in log.entries if publication_id is not None}
            assert set(log.ids) == kept, "an id is forgotten with its publication"


TestHistories = Histories.TestCase
