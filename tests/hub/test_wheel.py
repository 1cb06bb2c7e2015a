"""The wheel: nothing due is lost, nothing comes early, however long the process slept, whatever closes meanwhile."""

from random import Random
from types import SimpleNamespace
from typing import cast

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from jitterbug.hub.connection import Connection
from jitterbug.hub.wheel import Wheel

SLOT_NS = 50_000_000


def entry(number: int) -> Connection:
    """All that a wheel looks at of a connection."""
    return cast(Connection, SimpleNamespace(number=number, is_closed=False))


class Wheels(RuleBasedStateMachine):
    """A wheel against a list of times."""

    @initialize(start_ns=st.integers(min_value=0, max_value=10**18))
    def begin(self, start_ns: int) -> None:
        self.now_ns = start_ns
        self.wheel = Wheel(SLOT_NS, start_ns)
        self.waiting: dict[int, tuple[int, int]] = {}
        """By entry: when it is due, and the first time at which it may come up at the latest."""
        self.entries: dict[int, Connection] = {}
        """Those that are open."""
        self.serial = 0
        self.looked_ns = start_ns

    @rule(
        off_ns=st.one_of(
            st.integers(min_value=-5 * SLOT_NS, max_value=5 * SLOT_NS),
            st.integers(min_value=0, max_value=10_000 * SLOT_NS),
            st.integers(min_value=-3, max_value=3).map(lambda slots: slots * SLOT_NS),
        )
    )
    def add(self, off_ns: int) -> None:
        at_ns = max(0, self.now_ns + off_ns)
        self.serial += 1
        self.entries[self.serial] = entry(self.serial)
        self.wheel.add(self.entries[self.serial], at_ns)
        # A slot that was looked at already is over: the next one takes what comes too late for it.
        next_slot_ns = (self.looked_ns // SLOT_NS + 1) * SLOT_NS
        self.waiting[self.serial] = (at_ns, max(next_slot_ns, -(-at_ns // SLOT_NS) * SLOT_NS))

    @rule(ns=st.integers(min_value=0, max_value=3 * SLOT_NS))
    def time_passes(self, ns: int) -> None:
        self.now_ns += ns

    @rule(slots=st.integers(min_value=100, max_value=10**9))
    def the_process_sleeps(self, slots: int) -> None:
        self.now_ns += slots * SLOT_NS

    @rule(pick=st.randoms(use_true_random=False), sweeps=st.booleans())
    def some_close(self, pick: Random, sweeps: bool) -> None:
        for number in [number for number in self.entries if pick.random() < 0.5]:
            self.entries.pop(number).is_closed = True
        if sweeps:
            self.wheel.sweep()
            self.waiting = {number: times for number, times in self.waiting.items() if number in self.entries}

    @rule()
    def look(self) -> None:
        found = [cast(int, each.number) for each in self.wheel.due(self.now_ns)]  # type: ignore[attr-defined]
        self.looked_ns = self.now_ns
        expected = {number for number, (_, comes_ns) in self.waiting.items() if comes_ns <= self.now_ns}

        assert sorted(found) == sorted(expected), "all that is due, nothing else, each once"
        slots = [self.waiting[number][1] for number in found]
        assert slots == sorted(slots), "in the order of their slots"
        for number in found:
            at_ns, _ = self.waiting.pop(number)
            self.entries.pop(number, None)
            assert at_ns <= self.now_ns, "early"

    @invariant()
    def nothing_is_lost(self) -> None:
        assert len(self.wheel) == len(self.waiting)

    def teardown(self) -> None:
        self.now_ns += 20_000 * SLOT_NS
        self.look()
        assert not self.waiting


TestWheels = Wheels.TestCase


def test_those_of_one_slot_come_in_the_order_they_were_added() -> None:
    wheel = Wheel(SLOT_NS, 0)
    for number in range(20):
        wheel.add(entry(number), SLOT_NS - number)

    assert wheel.due(SLOT_NS) == [entry(number) for number in range(20)]


def test_a_clock_that_is_read_late_or_twice_brings_nothing_up_again() -> None:
    wheel = Wheel(SLOT_NS, 0)
    wheel.add(entry(1), 0)

    assert wheel.due(10 * SLOT_NS) == [entry(1)]
    assert wheel.due(10 * SLOT_NS) == []
    assert wheel.due(2 * SLOT_NS) == []
    wheel.add(entry(2), 3 * SLOT_NS)
    assert wheel.due(10 * SLOT_NS) == []
    assert wheel.due(11 * SLOT_NS) == [entry(2)]
