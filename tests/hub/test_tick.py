"""When things leave: at once where nothing waits, else in the tick, in fair turns (R51-R53, R56, O23-O25)."""

import asyncio
import logging
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jitterbug.hub.connection import Connection
from jitterbug.hub.moment import Moment
from jitterbug.hub.tick import Tick
from jitterbug.testing import ManualClock
from tests.hub.house import ALICE, BOB, FULL_WIRE_BYTES, REALTIME, House
from tests.hub.wire import MemorySink
from tests.looped import in_loop


@in_loop
async def test_an_idle_connection_is_served_in_the_next_pass_of_the_loop_without_a_tick() -> None:
    house = House()
    client = await house.reader("a")
    await house.hub.publish("a", 1)
    assert client.data() == []

    await asyncio.sleep(0)
    assert client.data() == [1]


@in_loop
async def test_r51_r52_r53_thirty_at_once_leave_as_ten_and_then_one_a_second_for_twenty_seconds() -> None:
    house = House()
    client = await house.reader("a")
    await house.publish("a", 30)
    await house.settle()
    assert client.data() == list(range(10)), "a burst, in the first pass"

    start_ms = house.clock.now_ms()
    await house.run_for(20)
    client.check_wire()
    assert client.data() == list(range(30))
    late = [seen.at_ms - start_ms for seen in client.seen if seen.kind == "msg"][10:]
    assert late == pytest.approx([1_000 * second for second in range(1, 21)], abs=100)

    await house.run_for(10)
    await house.publish("a", 11, start=30)
    await house.settle()
    assert client.data() == list(range(40)), "ten again after ten idle seconds, never eleven"


@in_loop
async def test_r56_o24_three_busy_connections_get_their_turns() -> None:
    """The earlier implementation served 290, 0 and 0."""
    house = House(REALTIME)
    clients = [await house.reader("a", session=session) for session in (ALICE, ALICE, BOB)]
    await house.publish("a", 900)
    for _ in range(100):
        await house.tick()

    for client in clients:
        client.check_wire()
        ticks = Counter(seen.at_ms // 50 for seen in client.seen if seen.kind == "msg")
        assert max(ticks.values()) <= 50, "of one connection in one tick"
    counts = [len(client.publications()) for client in clients]
    assert max(counts) - min(counts) <= 0.1 * max(counts)
    assert min(counts) >= 600, "200 at once, then 100 a second for 5 s"


@given(loads=st.lists(st.integers(min_value=0, max_value=120), min_size=3, max_size=3))
@settings(max_examples=25)
@in_loop
async def test_r56_whatever_one_connection_has_to_take_the_others_get_theirs_in_time(loads: list[int]) -> None:
    house = House(REALTIME)
    clients = [await house.reader(name) for name in "abc"]
    for name, load in zip("abc", loads, strict=True):
        await house.publish(name, load)
    await house.settle()
    assert [len(client.publications()) for client in clients] == [min(load, 50) for load in loads]

    await house.tick(2)
    assert [len(client.publications()) for client in clients] == loads


@in_loop
async def test_r57_o29_one_stalled_reader_moves_nobody_elses_latency() -> None:
    """O25: one slow client stalled all in the earlier implementation."""
    house = House(REALTIME)
    slow, quick = await house.reader("a"), await house.reader("a")
    slow.sink.filled_bytes = FULL_WIRE_BYTES
    for number in range(2_000):
        await house.publish("a", 1, start=number)
        await house.settle()
        if number % 5 == 4:
            await house.tick()

    assert slow.data() == []
    assert (slow.connection.backlog, slow.connection.dropped) == (1_000, 1_000)
    assert quick.data() == list(range(2_000))
    quick.check_wire()


class BrokenSink(MemorySink):
    """A wire whose calls raise from some point on."""

    is_broken = False

    def write(self, data: bytes) -> None:
        if self.is_broken:
            raise OSError("broken pipe")
        super().write(data)

    def pending_bytes(self) -> int:
        if self.is_broken:
            raise OSError("not a socket")
        return super().pending_bytes()


class HopelessSink(BrokenSink):
    """A wire that cannot even be cut."""

    def abort(self) -> None:
        super().abort()
        raise OSError("not open")


@pytest.mark.parametrize("kind", [BrokenSink, HopelessSink])
@in_loop
async def test_a_broken_wire_is_cut_and_the_others_are_served(
    kind: type[BrokenSink], caplog: pytest.LogCaptureFixture
) -> None:
    house = House()
    broken = kind(house.clock)
    before, bad, after = await house.reader("a"), await house.reader("a", sink=broken), await house.reader("a")
    broken.is_broken = True
    with caplog.at_level(logging.ERROR):
        await house.publish("a", 1)
        await house.settle()

    assert broken.is_aborted
    assert before.data() == after.data() == [0]
    assert bad.connection.conn in caplog.text
    assert bad.connection.is_closed
    await house.publish("a", 1, start=1)
    await house.settle()
    assert before.data() == after.data() == [0, 1]


@pytest.mark.parametrize("kind", [BrokenSink, HopelessSink])
@in_loop
async def test_a_wire_that_breaks_at_its_deadline_takes_nobody_elses_heartbeat(kind: type[BrokenSink]) -> None:
    house = House()
    broken = kind(house.clock)
    before, _, after = await house.reader(), await house.reader(sink=broken), await house.reader()
    broken.is_broken = True
    await house.run_for(61)

    assert broken.is_aborted
    assert before.kinds() == after.kinds() == ["hello", *["hb"] * 4]


@in_loop
async def test_o23_passes_and_ticks_do_not_overlap_and_keep_the_order() -> None:
    house = House(REALTIME)
    client = await house.reader("a")
    for number in range(300):
        await house.publish("a", 1, start=number)
        if number % 7 == 0:
            house.hub._tick.run_ready()
        if number % 40 == 0:
            await house.tick()
    await house.run_for(3)

    client.check_wire()
    assert client.data() == list(range(300))


@in_loop
async def test_a_connection_is_queued_once_however_often_it_is_put_up() -> None:
    house = House()
    client = await house.reader("a")
    tick = house.hub._tick
    for _ in range(10):
        tick.put(client.connection)
    await house.publish("a", 3)

    assert tick._ready == [client.connection]


@in_loop
async def test_a_wire_that_is_gone_is_neither_flushed_nor_visited() -> None:
    house = House()
    client = await house.reader("a")
    await house.publish("a", 12)
    house.hub.close(client.connection, "gone")
    seen = len(client.seen)
    await house.run_for(700)

    assert len(client.seen) == seen
    assert len(house.hub._tick._deadlines) == 0
    assert len(house.hub._tick._wakes) == 0


@in_loop
async def test_run_ticks_on_after_a_step_that_failed(caplog: pytest.LogCaptureFixture) -> None:
    steps: list[int] = []
    enough = asyncio.Event()

    def on_step(now_ns: int) -> None:
        steps.append(now_ns)
        if len(steps) == 1:
            raise RuntimeError("once")
        enough.set()

    def never(_connection: Connection, _moment: Moment) -> int | None:
        raise AssertionError

    running = asyncio.create_task(Tick(ManualClock(), 1, never, on_step).run())
    with caplog.at_level(logging.ERROR):
        await asyncio.wait_for(enough.wait(), 20)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running

    assert "the next one goes on" in caplog.text


@in_loop
async def test_a_pass_that_failed_is_not_the_last(caplog: pytest.LogCaptureFixture) -> None:
    """What is queued already is served in it, what is published next goes out."""
    house = House()
    readers = [await house.reader("a"), await house.reader("b")]

    tick = house.hub._tick
    deliver = tick.on_pass

    def fail(_moment: Moment) -> None:
        tick.on_pass = deliver
        raise MemoryError

    tick.on_pass = fail
    tick.put(readers[0].connection)
    await house.settle()
    assert "A pass failed" in caplog.text

    await house.publish("a", 1)
    await house.publish("b", 1)
    await house.settle()
    assert [reader.data() for reader in readers] == [[0], [0]]
