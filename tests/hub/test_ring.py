"""The ring: bounded, in order, and honest about what it dropped (R57)."""

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from jitterbug.hub.ring import Ring
from jitterbug.protocol.position import Position
from jitterbug.protocol.publication import PreparedPublication

CHANNELS = ["a", "b", "c"]


class Rings(RuleBasedStateMachine):
    """A ring against a plain list."""

    def __init__(self) -> None:
        super().__init__()
        self.model: list[PreparedPublication] = []
        self.serial = 0
        self.dropped = 0

    @initialize(capacity=st.integers(min_value=1, max_value=8))
    def begin(self, capacity: int) -> None:
        self.ring = Ring(capacity)

    @rule(channel=st.sampled_from(CHANNELS))
    def push(self, channel: str) -> None:
        self.serial += 1
        publication = PreparedPublication(channel, Position("epoch", self.serial), b"%d" % self.serial)
        self.model.append(publication)
        expected = self.model.pop(0) if len(self.model) > self.ring.capacity else None
        self.dropped += expected is not None

        assert self.ring.push(publication) is expected, "the oldest goes, the very object"

    @precondition(lambda self: self.model)
    @rule()
    def pop(self) -> None:
        assert self.ring.pop() is self.model.pop(0)

    @rule(channel=st.sampled_from(CHANNELS))
    def discard_channel(self, channel: str) -> None:
        self.ring.discard_channel(channel)
        self.model = [item for item in self.model if item.channel != channel]

    @invariant()
    def is_bounded_and_counts(self) -> None:
        assert len(self.ring) == len(self.model) <= self.ring.capacity
        assert self.ring.dropped == self.dropped

    def teardown(self) -> None:
        assert [self.ring.pop() for _ in range(len(self.ring))] == self.model


TestRings = Rings.TestCase


def test_r57_ten_thousand_into_a_ring_of_a_hundred_keep_the_newest_hundred_in_order() -> None:
    ring = Ring(100)
    items = [PreparedPublication("a", Position("epoch", n), b"0") for n in range(10_000)]
    dropped = [gone for item in items if (gone := ring.push(item)) is not None]

    assert (len(ring), ring.dropped, len(dropped)) == (100, 9_900, 9_900)
    assert [ring.pop() for _ in range(100)] == items[-100:]


def test_an_empty_ring_gives_nothing() -> None:
    with pytest.raises(IndexError):
        Ring(1).pop()
