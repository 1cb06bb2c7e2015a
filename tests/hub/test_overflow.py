"""What a wire does that gets more than it takes: bounded, and told (R57, O25, O29)."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jitterbug.protocol.codes import Down, GapReason
from jitterbug.protocol.position import Position, decode_cursor
from jitterbug.protocol.publication import Place
from tests.hub.bare_wire import EPOCH, NS_PER_S, TICK_NS, flush, publication, reader
from tests.hub.house import FULL_WIRE_BYTES, REALTIME
from tests.looped import in_loop


@given(
    batches=st.lists(
        st.tuples(st.sampled_from(["a", "b"]), st.integers(min_value=1, max_value=150), st.integers(0, 3)), max_size=12
    )
)
@settings(max_examples=40)
@in_loop
async def test_r57_o25_o29_overflow_keeps_the_newest_hundred_and_is_told_as_a_gap(
    batches: list[tuple[str, int, int]],
) -> None:
    client = reader("a", "b")
    last = {"a": 0, "b": 0}
    for channel, count, pause_s in batches:
        for _ in range(count):
            last[channel] += 1
            client.connection.offer(publication(last[channel], channel))
            assert client.connection.backlog <= 100
        flush(client)
        client.house.clock.advance(s=pause_s)
    for _ in range(100):
        client.house.clock.advance(s=1)
        flush(client)

    client.check_wire()  # no hole anywhere, whatever was dropped
    assert client.connection.backlog == 0
    assert len(client.publications()) + client.connection.dropped == sum(last.values())
    reached = client.reader.receiver.positions
    assert {channel: place.offset for channel, place in reached.items() if place} == last


@in_loop
async def test_r57_the_gap_says_up_to_where_and_comes_before_the_next_frame_of_its_channel() -> None:
    client = reader("a")
    for offset in range(1, 111):
        client.connection.offer(publication(offset))
    flush(client)

    assert client.connection.dropped == 10
    (gap,) = client.of("gap")
    assert (gap["ch"], gap["pos"], gap["reason"]) == ("a", [EPOCH, 10], "overflow")
    assert client.kinds()[:3] == ["hello", "gap", "msg"]
    assert client.data()[0] == 11


@in_loop
async def test_r57_a_gap_waits_for_the_history_before_it_and_still_comes_before_what_follows_it() -> None:
    """History, then what overflowed, then what is left: in one flush, with tokens enough for all of it."""
    client = reader("a", config=REALTIME.with_changes(buffer_frames=10))
    client.connection.recover([publication(offset) for offset in range(1, 6)])
    for offset in range(6, 21):
        client.connection.offer(publication(offset))
    flush(client)

    client.check_wire()
    assert client.kinds() == ["hello", *["msg"] * 5, "gap", *["msg"] * 10]
    assert client.of("gap")[0]["pos"] == [EPOCH, 10]
    assert client.data() == [1, 2, 3, 4, 5, *range(11, 21)]


@in_loop
async def test_r57_a_gap_waits_for_all_of_the_history_where_tokens_let_out_only_a_part() -> None:
    client = reader("a")
    client.connection.recover([publication(offset) for offset in range(1, 16)])
    for offset in range(16, 117):
        client.connection.offer(publication(offset))
    flush(client)
    assert client.connection.backlog == 105
    assert client.kinds() == ["hello", *["msg"] * 10]
    for _ in range(7):
        client.house.clock.advance(s=1)
        flush(client)

    client.check_wire()
    assert client.kinds()[11:] == [*["msg"] * 5, "gap", "msg", "msg"]
    assert client.data() == [*range(1, 16), 17, 18]


@in_loop
async def test_a_gap_is_told_at_once_where_nothing_else_waits() -> None:
    client = reader("a")
    client.connection.lose(Place("a", Position(EPOCH, 7)), GapReason.EXPIRED)

    assert flush(client) is None
    assert [(gap.position.offset, gap.reason) for gap in client.gaps()] == [(7, "expired")]
    assert decode_cursor(client.seen[-1].cursor, ["a"]) == {"a": Position(EPOCH, 7)}


@in_loop
async def test_a_gap_needs_no_token() -> None:
    client = reader("a")
    for offset in range(1, 112):
        client.connection.offer(publication(offset))
    flush(client)
    client.connection.lose(Place("b", Position(EPOCH, 4)), GapReason.OVERFLOW)
    flush(client)

    assert [gap.channel for gap in client.gaps()] == ["a", "b"]


# Stalled wires.


@in_loop
async def test_a_full_wire_is_left_alone_until_it_has_taken_some() -> None:
    client = reader("a")
    client.sink.filled_bytes = FULL_WIRE_BYTES
    for offset in range(1, 10_001):
        client.connection.offer(publication(offset))
        client.connection.control(Down.HB) if offset == 5 else None
    before = client.sink.writes

    assert flush(client) == TICK_NS, "looks again in the next tick"
    assert client.sink.writes == before
    assert (client.connection.backlog, client.connection.dropped) == (100, 9_900)

    client.sink.release()
    flush(client)
    client.check_wire()
    assert client.kinds()[1:4] == ["hb", "gap", "msg"]
    assert client.data() == list(range(9_901, 9_911))


@pytest.mark.parametrize(("pending_bytes", "writes"), [(65_536, True), (65_537, False)])
@in_loop
async def test_a_wire_is_written_to_while_it_holds_no_more_than_sixty_four_kibibytes(
    pending_bytes: int, writes: bool
) -> None:
    client = reader("a")
    client.sink.filled_bytes = pending_bytes
    client.connection.offer(publication(1))
    flush(client)

    assert client.data() == ([1] if writes else [])


@in_loop
async def test_a_wire_may_hold_some_while_it_is_written_to() -> None:
    client = reader("a")
    client.sink.hold()
    for offset in range(1, 6):
        client.connection.offer(publication(offset))
        flush(client)
        assert client.sink.pending_bytes() > 0
    client.sink.release()

    assert client.data() == [1, 2, 3, 4, 5]


@in_loop
async def test_stalled_means_nothing_taken_though_something_is_pending() -> None:
    client = reader("a")
    connection, limit_ns = client.connection, 30 * NS_PER_S
    assert not connection.is_stalled(100 * NS_PER_S, limit_ns), "nothing pending, however long"
    client.sink.hold()
    connection.offer(publication(1))
    flush(client)

    assert not connection.is_stalled(110 * NS_PER_S, limit_ns)
    assert not connection.is_stalled(129 * NS_PER_S, limit_ns)
    assert connection.is_stalled(130 * NS_PER_S, limit_ns)
    client.sink.release()
    assert not connection.is_stalled(131 * NS_PER_S, limit_ns)


@in_loop
async def test_a_reader_that_takes_a_little_is_slow_but_not_stalled() -> None:
    client = reader("a")
    client.sink.filled_bytes = 1_000
    for second in range(0, 600, 20):
        client.sink.filled_bytes -= 1
        assert not client.connection.is_stalled(second * NS_PER_S, 30 * NS_PER_S)
