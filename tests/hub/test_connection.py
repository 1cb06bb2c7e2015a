"""One wire: what goes out, when, and what a receiver makes of it (PROTOCOL §4, §5)."""

from hypothesis import given
from hypothesis import strategies as st

from jitterbug.config import Config
from jitterbug.protocol import canonical
from jitterbug.protocol.codes import ByeReason, Down, GapReason
from jitterbug.protocol.position import Position, decode_cursor
from jitterbug.protocol.publication import Place, PreparedPublication
from jitterbug.protocol.session import Control, Hole, Publication
from tests.hub.bare_wire import EPOCH, NS_PER_S, TICK_NS, flush, publication, reader
from tests.hub.house import FULL_WIRE_BYTES, REALTIME, House
from tests.looped import in_loop
from tests.strategies import json_values


@in_loop
async def test_hello_comes_first_and_says_what_the_limits_are() -> None:
    house = House()
    client = house.connect()
    client.connection.offer(publication(1))
    client.connection.control(Down.HB)
    house.clock.advance(s=1)
    flush(client)
    hello = client.seen[0].payload

    assert client.kinds()[:2] == ["hello", "hb"]
    assert hello == {
        "conn": client.connection.conn,
        "limits": {"burst": 10, "frame": 1_024, "rate": 1},
        "seq": 1,
        "serverTime": house.clock.now_ms(),
        "t": "hello",
        "v": 1,
    }


@in_loop
async def test_hello_names_the_heartbeat_where_it_is_not_the_usual_one() -> None:
    assert reader(config=Config(heartbeat_s=2.5)).seen[0].payload["hb"] == 2_500
    assert "hb" not in reader().seen[0].payload


@in_loop
async def test_r1_r6_every_frame_of_a_hub_is_signed_and_in_canonical_form() -> None:
    client = reader("a", config=REALTIME)
    for kind in Down:
        if kind not in {Down.HELLO, Down.MSG, Down.SUBSCRIBED, Down.GAP, Down.BYE}:
            client.connection.control(kind, some="member")
    client.connection.offer(publication(1))
    client.connection.lose(Place("b", Position(EPOCH, 3)), GapReason.EXPIRED)
    client.connection.bye(ByeReason.SHUTDOWN, 500)
    client.connection.is_ending = False  # so that the rest goes out as well
    flush(client)

    client.check_wire()
    assert {"hello", "gap", "msg", "bye", "hb", "rekey", "ack", "err"} <= set(client.kinds())
    assert all(seen.text == canonical.encode(seen.frame) for seen in client.seen)


@given(data=st.lists(json_values, min_size=1, max_size=8))
@in_loop
async def test_r35_what_is_delivered_is_what_was_published(data: list[object]) -> None:
    client = reader("a", config=REALTIME)
    for offset, value in enumerate(data, start=1):
        client.connection.offer(PreparedPublication("a", Position(EPOCH, offset), canonical.encode(value)))
    flush(client)

    client.check_wire()
    assert [canonical.encode(value) for value in client.data()] == [canonical.encode(value) for value in data]


@in_loop
async def test_r51_r53_a_burst_is_ten_and_then_one_a_second() -> None:
    client = reader("a")
    for offset in range(1, 31):
        client.connection.offer(publication(offset))

    assert flush(client) == NS_PER_S, "told to come back when the next token is there"
    assert len(client.publications()) == 10
    for second in range(1, 4):
        client.house.clock.advance(ms=999)
        flush(client)
        assert len(client.publications()) == 9 + second
        client.house.clock.advance(ms=1)
        assert flush(client) == (second + 1) * NS_PER_S
        assert len(client.publications()) == 10 + second
    client.check_wire()


@in_loop
async def test_r56_a_tick_takes_no_more_than_its_share_however_often_it_is_flushed() -> None:
    client = reader("a", config=REALTIME)
    for offset in range(1, 201):
        client.connection.offer(publication(offset))

    assert [flush(client) for _ in range(5)] == [TICK_NS] * 5
    assert len(client.publications()) == 50
    client.house.clock.advance(ms=50)
    assert flush(client) == 2 * TICK_NS
    assert len(client.publications()) == 100
    assert client.connection.backlog == 100


@in_loop
async def test_an_empty_wire_writes_nothing_and_asks_for_nothing() -> None:
    client = reader("a")
    before = client.sink.writes

    assert flush(client) is None
    assert client.sink.writes == before


@in_loop
async def test_everything_due_goes_out_in_one_write() -> None:
    client = reader("a")
    before = client.sink.writes
    client.connection.control(Down.HB)
    client.connection.recover([publication(1), publication(2)])
    client.connection.offer(publication(3))
    assert client.connection.backlog == 3
    assert flush(client) is None, "nothing is left to come back for"
    assert client.connection.backlog == 0

    assert client.sink.writes == before + 1
    assert client.kinds() == ["hello", "hb", "msg", "msg", "msg"]
    assert [(p.data, p.recovered) for p in client.publications()] == [(1, True), (2, True), (3, False)]


@in_loop
async def test_frames_are_signed_when_they_leave_not_when_they_are_queued() -> None:
    """REQUIREMENTS §2.16: a minute in the ring, and still fresh."""
    client = reader("a")
    for offset in range(1, 71):
        client.connection.offer(publication(offset))
    flush(client)
    for _ in range(60):
        client.house.clock.advance(s=1)
        flush(client)

    client.check_wire()  # the receiver accepts 5 s of difference
    assert client.data() == list(range(1, 71))
    assert client.seen[-1].frame["ts"] == client.house.clock.now_ms()


# The hub's own frames.


@in_loop
async def test_the_hubs_own_frames_have_a_budget_of_their_own() -> None:
    client = reader("a")
    for offset in range(1, 31):
        client.connection.offer(publication(offset))
    flush(client)
    for _ in range(20):
        client.connection.control(Down.ACK, id="x")
    flush(client)

    assert client.kinds().count("ack") == 20, "though not a token is left for publications"
    assert client.kinds().count("msg") == 10


@in_loop
async def test_beyond_that_budget_they_wait_and_nothing_overtakes_them() -> None:
    """``subscribed`` comes before any ``msg`` of its channel, whatever else is queued (PROTOCOL §4)."""
    house = House(REALTIME)
    client = house.connect()
    for number in range(300):
        client.connection.control(Down.ACK, id=str(number))
    client.connection.control(Down.SUBSCRIBED, moves_cursor=True, ch="a", pos=[EPOCH, 0])
    client.connection.places["a"] = Place("a", Position(EPOCH, 0))
    client.connection.offer(publication(1))

    wake_ns = flush(client)
    assert len(client.seen) == 256
    assert wake_ns == TICK_NS, "20 a second"
    assert "msg" not in client.kinds()
    for _ in range(60):
        client.house.clock.advance(ms=50)
        flush(client)
    client.check_wire()
    assert client.kinds()[-2:] == ["subscribed", "msg"]


@in_loop
async def test_r57_a_peer_that_asks_for_more_than_it_takes_is_cut_before_it_fills_the_memory() -> None:
    client = reader("a")
    client.sink.filled_bytes = FULL_WIRE_BYTES
    for number in range(1_024):
        client.connection.control(Down.ACK, id=str(number))
        flush(client)
    assert (client.sink.is_aborted, client.connection.is_ending) == (False, False)

    client.connection.control(Down.ACK, id="one too many")
    assert (client.sink.is_aborted, client.connection.is_ending) == (True, True)
    assert not client.connection._control


@in_loop
async def test_a_callback_runs_once_its_frame_is_signed() -> None:
    client = reader()
    order: list[str] = []
    client.connection.control(Down.HB, then=lambda: order.append("signed"))
    assert order == []
    flush(client)

    assert order == ["signed"]


# Cursors.


@in_loop
async def test_the_cursor_moves_with_what_was_delivered_on_all_channels() -> None:
    client = reader("a", "b")
    client.connection.offer(publication(1, "a"))
    client.connection.offer(publication(1, "b"))
    client.connection.offer(publication(2, "a"))
    flush(client)

    cursors = [decode_cursor(seen.cursor, ["a", "b"]) for seen in client.seen[1:]]
    offsets = [(places["a"].offset, places["b"].offset) for places in cursors]
    assert offsets == [(1, 0), (1, 1), (2, 1)]


@in_loop
async def test_a_frame_that_moves_no_channel_carries_no_cursor() -> None:
    client = reader("a")
    client.connection.control(Down.HB)
    client.connection.control(Down.ACK, id="x")
    flush(client)

    assert b"id: " not in client.sink.taken[-1][1]


@in_loop
async def test_a_cursor_that_would_not_fit_is_left_out_and_the_reader_keeps_the_last_one() -> None:
    client = reader(*(f"channel-{number}" for number in range(20)))
    client.connection.offer(publication(1, "channel-3"))
    flush(client)

    assert client.seen[-1].kind == "msg"
    assert client.seen[-1].cursor == ""


@in_loop
async def test_a_channel_that_ended_is_forgotten_in_ring_history_gaps_and_cursor() -> None:
    client = reader("a", "b")
    connection = client.connection
    connection.recover([publication(1, "a"), publication(1, "b")])
    connection.offer(publication(2, "a"))
    connection.offer(publication(2, "b"))
    connection.lose(Place("a", Position(EPOCH, 9)), GapReason.OVERFLOW)
    connection.forget_channel("a")
    flush(client)

    client.check_wire()
    assert [(p.channel, p.data) for p in client.publications()] == [("b", 1), ("b", 2)]
    assert client.gaps() == []
    assert decode_cursor(client.seen[-1].cursor, ["a", "b"]) == {"b": Position(EPOCH, 2)}


# What the real receiver makes of it.


@given(cut=st.sets(st.integers(min_value=0, max_value=11), min_size=1, max_size=11))
@in_loop
async def test_r14_whatever_is_cut_out_of_the_middle_shows_as_a_hole(cut: set[int]) -> None:
    client = reader("a", config=REALTIME)
    for offset in range(1, 12):
        client.connection.offer(publication(offset))
    flush(client)
    texts = [seen.text for seen in client.seen]
    other = House().connect(positions={"a": Position(EPOCH, 0)})
    other.keys.add(client.key)
    now_ms = client.house.clock.now_ms()
    events = [
        event
        for index, text in enumerate(texts)
        if index not in cut
        for event in other.reader.receiver.receive(text, now_ms)
    ]

    kept = [index for index in range(12) if index not in cut]
    if 0 in cut:
        assert not any(isinstance(event, (Publication, Control)) for event in events), "nothing without hello"
    else:
        contiguous = kept == list(range(len(kept)))
        assert any(isinstance(event, Hole) for event in events) is not contiguous


@given(calls=st.lists(st.booleans(), max_size=10))
@in_loop
async def test_offer_asks_for_a_flush_exactly_when_none_is_coming(calls: list[bool]) -> None:
    client = reader("a")
    connection = client.connection
    for offset, ready in enumerate(calls, start=1):
        connection.in_ready = ready
        connection.is_waiting = not ready and offset % 3 == 0
        assert connection.offer(publication(offset)) is not (connection.in_ready or connection.is_waiting)
