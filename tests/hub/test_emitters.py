"""Sources inside the hub: registered once, on time, and unable to disturb anybody (O27, R58)."""

import asyncio
import logging
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jitterbug.errors import SettingError
from jitterbug.hub.emitters import HEARTBEAT, Emitters
from jitterbug.telemetry.events import Fact, FactCode, Facts
from tests.hub.house import House
from tests.looped import in_loop

NS_PER_S = 1_000_000_000
CHANNEL = "$sys/test"


class Gate:
    """Emitters whose publications are gathered.

    Attributes:
        published: Channel and data of each.
    """

    def __init__(self) -> None:
        self.published: list[tuple[str, Any]] = []
        self.facts: list[Fact] = []
        self.emitters = Emitters(self._publish, Facts(self.facts.append))

    async def _publish(self, channel: str, data: Any) -> None:
        self.published.append((channel, data))

    async def run_at(self, now_ns: int) -> None:
        self.emitters.run_due(now_ns)
        for _ in range(4):
            await asyncio.sleep(0)


def nothing() -> None:
    """A source that has nothing to say."""


# Registering.


@pytest.mark.parametrize("every_s", [0.1, 0.5, 1, 60])
def test_an_interval_lies_between_a_tenth_of_a_second_and_a_minute(every_s: float) -> None:
    emitter = Gate().emitters.add("a", nothing, every_s=every_s, channel=CHANNEL)

    assert emitter.every_ns == round(every_s * NS_PER_S)


@pytest.mark.parametrize("every_s", [0, 0.0999, 60.001, -1, math.nan, math.inf, True, False])
def test_any_other_interval_is_refused(every_s: float) -> None:
    gate = Gate()
    with pytest.raises(SettingError, match="every_s"):
        gate.emitters.add("a", nothing, every_s=every_s, channel=CHANNEL)
    assert list(gate.emitters) == []


@pytest.mark.parametrize("emitter_id", ["", "a b", "a\n", "ä", "x" * 65, "$a", "a/b"])
def test_an_id_is_a_short_plain_word(emitter_id: str) -> None:
    with pytest.raises(SettingError, match="1 to 64"):
        Gate().emitters.add(emitter_id, nothing, every_s=1, channel=CHANNEL)


def test_an_id_is_taken_once_and_the_heartbeats_is_reserved() -> None:
    emitters = Gate().emitters
    emitters.add("load", nothing, every_s=1, channel=CHANNEL)
    for taken in ("load", HEARTBEAT):
        with pytest.raises(SettingError, match="another id"):
            emitters.add(taken, nothing, every_s=1, channel=CHANNEL)
    assert [emitter.id for emitter in emitters] == ["load"]

    emitters.remove("load")
    emitters.remove("load")
    emitters.remove("never there")
    emitters.add("load", nothing, every_s=1, channel=CHANNEL)


@pytest.mark.parametrize("channel", ["", "a b", "$"])
def test_a_channel_that_is_none_is_refused(channel: str) -> None:
    with pytest.raises(SettingError, match="channel"):
        Gate().emitters.add("a", nothing, every_s=1, channel=channel)


# On time.


@given(every_ms=st.integers(min_value=100, max_value=60_000), steps_ms=st.lists(st.integers(1, 70_000), max_size=60))
@in_loop
async def test_a_source_runs_once_per_interval_and_never_in_a_burst(every_ms: int, steps_ms: list[int]) -> None:
    gate = Gate()
    now_ms, ran_ms = 1_000_000, list[int]()
    gate.emitters.add("a", lambda: ran_ms.append(now_ms), every_s=every_ms / 1_000, channel=CHANNEL)
    await gate.run_at(now_ms * 1_000_000)
    assert ran_ms == [now_ms], "the first time at once"
    for step_ms in steps_ms:
        before = len(ran_ms)
        now_ms += step_ms
        await gate.run_at(now_ms * 1_000_000)
        assert len(ran_ms) <= before + 1, "however long the process slept"
        if step_ms > every_ms:
            assert len(ran_ms) == before + 1

    # Ticks are not the interval's multiples: it runs in the first tick after, on average once an interval.
    elapsed_ms = sum(steps_ms)
    assert len(ran_ms) <= 1 + elapsed_ms // every_ms + 1


@in_loop
async def test_at_twenty_ticks_a_second_an_interval_is_kept_on_average() -> None:
    gate = Gate()
    gate.emitters.add("a", lambda: 1, every_s=0.12, channel=CHANNEL)
    for tick in range(1, 20 * 60 + 1):
        await gate.run_at(tick * 50_000_000)

    assert len(gate.published) == pytest.approx(60 / 0.12, abs=2)


@in_loop
async def test_none_is_nothing_this_time_and_everything_else_is_published() -> None:
    gate = Gate()
    answers = iter([None, 0, False, "", {"a": 1}])

    async def later() -> Any:
        await asyncio.sleep(0)
        return "later"

    gate.emitters.add("plain", lambda: next(answers), every_s=1, channel=CHANNEL)
    gate.emitters.add("async", later, every_s=5, channel="orders")
    for second in range(1_000, 1_005):
        await gate.run_at(second * NS_PER_S)

    assert gate.published == [
        ("orders", "later"), (CHANNEL, 0), (CHANNEL, False), (CHANNEL, ""), (CHANNEL, {"a": 1}),
    ]  # fmt: skip


# Undisturbed.


@in_loop
async def test_a_source_that_fails_is_counted_told_and_run_again_and_the_others_run_on(
    caplog: pytest.LogCaptureFixture,
) -> None:
    gate = Gate()

    def fails() -> None:
        raise RuntimeError("no sensor")

    async def fails_later() -> None:
        raise OSError("no disk")

    one = gate.emitters.add("one", fails, every_s=1, channel=CHANNEL)
    two = gate.emitters.add("two", fails_later, every_s=1, channel=CHANNEL)
    gate.emitters.add("good", lambda: "fine", every_s=1, channel=CHANNEL)
    with caplog.at_level(logging.ERROR):
        for second in range(3):
            await gate.run_at((second + 1) * NS_PER_S)

    assert gate.published == [(CHANNEL, "fine")] * 3
    assert (one.failures, two.failures) == (3, 3)
    assert {(fact.code, fact.reason) for fact in gate.facts} == {
        (FactCode.EMITTER_FAILED, "RuntimeError"), (FactCode.EMITTER_FAILED, "OSError"),
    }  # fmt: skip
    assert "no sensor" in caplog.text


@in_loop
async def test_a_source_that_hangs_is_not_started_again_and_holds_nobody_up() -> None:
    gate = Gate()
    starts: list[int] = []
    let_go = asyncio.Event()

    async def hangs() -> str:
        starts.append(1)
        await let_go.wait()
        return "at last"

    gate.emitters.add("hangs", hangs, every_s=1, channel=CHANNEL)
    gate.emitters.add("good", lambda: "fine", every_s=1, channel="good")
    for second in range(10):
        await gate.run_at((second + 1) * NS_PER_S)
    assert len(starts) == 1
    assert gate.published == [("good", "fine")] * 10

    let_go.set()
    await gate.run_at(11 * NS_PER_S)
    await gate.run_at(12 * NS_PER_S)
    assert len(starts) == 2
    assert gate.published.count((CHANNEL, "at last")) == 2


@in_loop
async def test_stopping_and_removing_cancel_what_runs() -> None:
    gate = Gate()
    ended: list[str] = []

    async def hangs() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append("ended")

    removed = gate.emitters.add("removed", hangs, every_s=1, channel=CHANNEL)
    stopped = gate.emitters.add("stopped", hangs, every_s=1, channel=CHANNEL)
    await gate.run_at(NS_PER_S)
    tasks = [removed.running, stopped.running]
    gate.emitters.remove("removed")
    await gate.emitters.stop()
    await asyncio.sleep(0)

    assert ended == ["ended", "ended"]
    assert [task is not None and task.cancelled() for task in tasks] == [True, True]
    await gate.emitters.stop()


@in_loop
async def test_stopping_before_anything_ran_is_nothing() -> None:
    gate = Gate()
    gate.emitters.add("a", nothing, every_s=1, channel=CHANNEL)
    await gate.emitters.stop()

    assert gate.published == []


# At the gate of a real hub.


@in_loop
async def test_o27_r58_the_size_is_checked_on_every_frame_and_an_oversize_one_is_a_counted_failure() -> None:
    """The earlier implementation looked once, at registration, on one sample."""
    house = House()
    client = await house.reader(CHANNEL)
    data = iter(["small", "x" * 1_024, "ü" * 400, "small again"])
    emitter = house.hub.emitters.add("growing", lambda: next(data), every_s=0.1, channel=CHANNEL)
    await house.tick(7)
    house.hub.emitters.remove("growing")

    client.check_wire()
    assert client.data() == ["small", "small again"]
    assert [p.position.offset for p in client.publications()] == [1, 2], "nothing was cut and nothing is missing"
    assert emitter.failures == 2
    assert [fact.reason for fact in house.told(FactCode.EMITTER_FAILED)] == ["FrameTooLargeError"] * 2
    assert [fact.channel for fact in house.told(FactCode.EMITTER_FAILED)] == [CHANNEL] * 2


@in_loop
async def test_emitters_alone_publish_on_the_hubs_own_channels_and_on_any_they_name() -> None:
    house = House()
    client = await house.reader("$sys/activity", "orders")
    house.hub.emitters.add("activity", house.hub.activity, every_s=1, channel="$sys/activity")
    house.hub.emitters.add("orders", lambda: "order", every_s=1, channel="orders")
    await house.tick()

    client.check_wire()
    assert client.data("$sys/activity") == [{"channels": 1, "connections": 1, "sessions": 1, "users": 0}]
    assert client.data("orders") == ["order"]


@in_loop
async def test_o31_activity_tells_counts_and_no_identities() -> None:
    house = House()
    await house.reader("secret-project")
    activity = house.hub.activity()

    assert set(activity) == {"channels", "connections", "sessions", "users"}
    assert all(type(value) is int for value in activity.values())


@in_loop
async def test_a_hub_that_stops_stops_its_emitters() -> None:
    house = House()
    await house.hub.start()

    async def hangs() -> None:
        await asyncio.Event().wait()

    emitter = house.hub.emitters.add("hangs", hangs, every_s=1, channel=CHANNEL)
    await house.tick()
    running = emitter.running
    await house.hub.stop()

    assert running is not None
    assert running.cancelled()
