"""The short way from publication to readers: the same frames as by the rings, none twice, none out of turn (R56)."""

import asyncio
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jitterbug.config import Config
from jitterbug.hub import fan_out
from jitterbug.hub.connection import Connection
from jitterbug.protocol.codes import ByeReason, Down
from tests.hub.house import ALICE, FULL_WIRE_BYTES, REALTIME, Client, House
from tests.looped import in_loop


class Pushes:
    """Counts what was put on rings."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.count = 0
        offer = Connection.offer

        def counting(connection: Connection, publication: Any) -> bool:
            self.count += 1
            return offer(connection, publication)

        monkeypatch.setattr(Connection, "offer", counting)


@in_loop
async def test_a_publication_that_comes_alone_is_put_on_no_ring(monkeypatch: pytest.MonkeyPatch) -> None:
    house, pushes = House(REALTIME), Pushes(monkeypatch)
    readers = [await house.reader("a") for _ in range(3)]
    for number in range(5):
        await house.publish("a", 1, start=number)
        await house.settle()

    assert pushes.count == 0
    for reader in readers:
        assert reader.data() == [0, 1, 2, 3, 4]
        reader.check_wire()


@in_loop
async def test_several_of_one_pass_leave_in_one_write_and_are_put_on_no_ring(monkeypatch: pytest.MonkeyPatch) -> None:
    house, pushes = House(REALTIME), Pushes(monkeypatch)
    both, one = await house.reader("a", "b"), await house.reader("b")
    writes = both.sink.writes, one.sink.writes
    for number in range(4):
        await house.publish("ab"[number % 2], 1, start=number)
    await house.settle()

    assert (both.sink.writes, one.sink.writes) == (writes[0] + 1, writes[1] + 1)
    assert both.data() == [0, 1, 2, 3]  # across channels as well, in the order of their coming
    assert one.data() == [1, 3]
    assert pushes.count == 0
    both.check_wire()
    one.check_wire()


@pytest.mark.parametrize(("many", "writes"), [(3, 2), (2, 1)])
@in_loop
async def test_what_comes_with_the_next_look_at_the_sockets_joins_a_publication_to_many(
    monkeypatch: pytest.MonkeyPatch, many: int, writes: int
) -> None:
    """And only one to many: few are served before anybody could have come with it."""
    monkeypatch.setattr(fan_out, "_MANY", many)
    house = House(REALTIME)
    reader, _ = await house.reader("a"), await house.reader("a")
    before = reader.sink.writes
    for number in range(2):
        await house.publish("a", 1, start=number)
        await asyncio.sleep(0)
    await house.settle()

    assert reader.sink.writes == before + writes
    assert reader.data() == [0, 1]
    reader.check_wire()


@in_loop
async def test_what_does_not_fit_at_once_goes_on_the_ring_whole_and_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    house, pushes = House(Config(rate_capacity=100, max_frames_per_tick=3)), Pushes(monkeypatch)
    reader = await house.reader("a")
    await house.publish("a", 4)
    await house.settle()
    await house.publish("a", 1, start=4)
    await house.settle()
    assert (pushes.count, reader.data()) == (5, [0, 1, 2])

    await house.tick()
    assert reader.data() == [0, 1, 2, 3, 4]
    reader.check_wire()


@in_loop
async def test_what_waits_for_a_pass_is_bounded_and_the_rest_goes_on_the_bounded_rings(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(fan_out, "MOST_DUE", 5)
    house, pushes = House(REALTIME), Pushes(monkeypatch)
    reader = await house.reader("a")
    for number in range(12):  # the loop gets no turn in between
        await house.hub.publish("a", number)
    assert pushes.count == 10
    await house.settle()

    assert reader.data() == list(range(12))
    reader.check_wire()


@in_loop
async def test_who_begins_to_read_before_the_pass_does_not_get_it_twice() -> None:
    house = House(REALTIME)
    early = await house.reader("a")
    late = house.connect(positions={"a": None})
    await house.settle()
    await house.hub.publish("a", 0)  # its pass has not come yet
    assert await house.hub.subscribe(late.connection, "a")
    await house.settle()
    await house.publish("a", 1, start=1)
    await house.settle()

    assert early.data() == [0, 1]
    assert late.data() == [1]
    assert len(late.of("msg")) == 1  # the client would drop a second copy and not say so
    early.check_wire()
    late.check_wire()


@in_loop
async def test_who_leaves_before_the_pass_does_not_get_it() -> None:
    house = House(REALTIME)
    reader = await house.reader("a")
    await house.hub.publish("a", 0)
    house.hub.unsubscribe(reader.connection, "a", "asked")
    await house.settle()

    assert reader.kinds() == ["hello", "subscribed", "unsubscribed"]


@pytest.mark.parametrize("end", ["bye", "finish"])
@in_loop
async def test_nothing_follows_the_end(end: str) -> None:
    house = House(REALTIME)
    reader = await house.reader("a")
    if end == "bye":
        house.hub.bye(reader.connection, ByeReason.SHUTDOWN)
    else:
        reader.connection.finish()
    await house.hub.publish("a", 0)
    await asyncio.sleep(0)
    await house.hub.publish("a", 1)
    await house.settle()

    assert reader.data() == []


@in_loop
async def test_nothing_is_signed_with_a_key_that_is_over() -> None:
    house = House(REALTIME)
    reader = await house.reader("a")
    house.clock.advance(ms=reader.key.expires_at_ms - house.clock.now_ms())
    await house.publish("a", 1)
    await house.settle()
    house.clock.advance(ms=1)
    await house.publish("a", 1, start=1)
    await house.settle()

    assert len(reader.of("msg")) == 1


@in_loop
async def test_a_full_wire_gets_it_when_it_has_room_again() -> None:
    house = House(REALTIME)
    reader, other = await house.reader("a"), await house.reader("a")
    reader.sink.filled_bytes = FULL_WIRE_BYTES
    await house.publish("a", 1)
    await house.settle()
    assert (reader.data(), other.data()) == ([], [0])

    reader.sink.filled_bytes = 0
    await house.tick(2)
    assert reader.data() == [0]
    reader.check_wire()


@pytest.mark.parametrize("config", [Config(), Config(rate_capacity=100, max_frames_per_tick=3)])
@in_loop
async def test_tokens_and_the_tick_bound_it_as_they_bound_the_rings(config: Config) -> None:
    house = House(config)
    reader = await house.reader("a")
    count = min(config.rate_capacity, config.max_frames_per_tick)
    for number in range(count + 5):
        await house.publish("a", 1, start=number)
        await house.settle()
    assert reader.data() == list(range(count))
    assert reader.connection.backlog == 5

    await house.run_for(6)
    assert reader.data() == list(range(count + 5))
    reader.check_wire()


steps = st.lists(
    st.one_of(
        st.tuples(st.just("publish"), st.sampled_from("ab"), st.integers(1, 4)),
        st.tuples(st.sampled_from(["pass", "tick", "join", "fill", "drain", "ping"]), st.just("a"), st.just(1)),
    ),
    max_size=25,
)


@given(steps=steps)
@in_loop
async def test_in_any_order_of_passes_ticks_and_joins_each_reader_gets_each_number_once(steps: Any) -> None:
    house = House(Config.profile("realtime", rate_capacity=1_000))
    first = await house.reader("a", "b")
    readers: list[tuple[Client, dict[str, int]]] = [(first, {"a": 0, "b": 0})]
    published = {"a": 0, "b": 0}
    for step, channel, count in steps:
        if step == "publish":
            await house.publish(channel, count, start=published[channel])
            published[channel] += count
        elif step == "pass":
            await house.settle()
        elif step == "tick":
            await house.tick()
        elif step == "join":
            reader = house.connect(ALICE, positions={"a": None})
            readers.append((reader, {"a": published["a"]}))
            assert await house.hub.subscribe(reader.connection, "a")
        elif step == "fill":
            first.sink.filled_bytes = FULL_WIRE_BYTES
        elif step == "drain":
            first.sink.filled_bytes = 0
        else:
            first.connection.control(Down.ACK, id="1")
            house.hub.wake(first.connection)
    first.sink.filled_bytes = 0
    await house.run_for(1)

    for reader, starts in readers:
        reader.check_wire()
        assert len(reader.of("msg")) == len(reader.data())
        for channel, start in starts.items():
            assert reader.data(channel) == list(range(start, published[channel]))


@in_loop
async def test_where_signing_fails_its_readers_are_cut_and_no_hole_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    """R12: nothing unsigned, nothing lost in silence; the next batch and the next publication are served."""
    house = House(REALTIME)
    failing = [await house.reader("a") for _ in range(3)]
    spared = await house.reader("a")
    monkeypatch.setattr(fan_out, "_BATCH", 3)
    seal_all, calls = fan_out.seal_all, []

    def failing_once(*given: Any) -> list[bytes]:
        calls.append(given)
        if len(calls) == 1:
            raise OSError("no randomness")
        return seal_all(*given)

    monkeypatch.setattr(fan_out, "seal_all", failing_once)
    await house.publish("a", 1)
    await house.settle()

    assert [reader.sink.is_aborted for reader in (*failing, spared)] == [True, True, True, False]
    assert spared.data() == [0]
    assert [reader.data() for reader in failing] == [[], [], []]
    spared.check_wire()


@in_loop
async def test_where_a_whole_pass_fails_those_it_was_for_are_cut_and_no_hole_is_left(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Nothing lost in silence; the log says it once; others, and the next pass, are served."""
    house = House(REALTIME)
    failing, spared = [await house.reader("a"), await house.reader("a", "b")], await house.reader("b")

    def fail(*_given: Any) -> None:
        raise MemoryError

    with monkeypatch.context() as broken:
        broken.setattr(fan_out.FanOut, "deliver_to", fail)
        await house.publish("a", 1)
        await house.settle()
    assert [reader.sink.is_aborted for reader in (*failing, spared)] == [True, True, False]
    assert len(caplog.records) == 1

    await house.publish("b", 1)
    await house.settle()
    assert spared.data() == [0]
    assert [reader.data() for reader in failing] == [[], []]


@in_loop
async def test_one_whose_framing_fails_half_way_is_cut_and_the_others_get_all_of_theirs(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    house = House(REALTIME)
    before, failing, after = [await house.reader("a") for _ in range(3)]
    framed: list[int] = []
    frame_of = Connection._frame_of

    def failing_at_the_second(connection: Connection, *given: Any) -> Any:
        if connection is failing.connection:
            framed.append(1)
            if len(framed) == 2:
                raise ValueError("no cursor")
        return frame_of(connection, *given)

    monkeypatch.setattr(Connection, "_frame_of", failing_at_the_second)
    await house.publish("a", 3)
    await house.settle()

    assert failing.sink.is_aborted
    assert failing.data() == []
    for reader in (before, after):
        assert reader.data() == [0, 1, 2]
        reader.check_wire()


@in_loop
async def test_one_who_is_due_much_does_not_make_the_batches_of_the_others_small(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A client chooses how many channels it reads; what the others cost must not depend on it."""
    monkeypatch.setattr(fan_out, "_BATCH", 4)
    seal_all, sealed = fan_out.seal_all, []

    def counting(frames: Any, ts: bytes) -> list[bytes]:
        sealed.append(len(frames))
        return seal_all(frames, ts)

    monkeypatch.setattr(fan_out, "seal_all", counting)
    house = House(REALTIME)
    greedy = await house.reader("a", "b")
    others = [await house.reader("a") for _ in range(8)]
    for number, channel in enumerate("abbbbb"):
        await house.publish(channel, 1, start=number)
    await house.settle()

    assert sealed == [6, 4, 4]
    assert greedy.data() == [0, 1, 2, 3, 4, 5]
    for reader in (greedy, *others):
        assert reader.data("a") == [0]
        reader.check_wire()
