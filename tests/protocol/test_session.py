"""What a client accepts from a stream: each publication once and in order, or its loss is told (PROTOCOL §5, R14)."""

from typing import Any

import pytest

from jitterbug.protocol import FrameSigner
from jitterbug.protocol.codes import Down, Refusal, Up
from jitterbug.protocol.position import Position
from jitterbug.protocol.replay import ReplayWindow
from jitterbug.protocol.session import LARGEST_FRAME_BYTES, Control, Gap, Hole, Publication, Receiver
from jitterbug.protocol.verifying import StaticKeys
from tests.protocol.outside import KID, NOW_MS, SECRET
from tests.protocol.streams import Stream, refusal

SKEW_MS = 5_000
KEYS = StaticKeys({KID: SECRET})
AT_1 = Position("e", 1)


def receiver(**positions: Position | None) -> Receiver:
    return Receiver(KEYS, dict(positions), skew_ms=SKEW_MS)


def opened(**positions: Position | None) -> tuple[Receiver, Stream]:
    """A receiver that has seen ``hello``, and the stream it came on."""
    stream, reader = Stream(), receiver(**positions)
    reader.receive(stream.hello(), NOW_MS)
    return reader, stream


def test_publications_follow_hello_and_subscribed() -> None:
    reader, stream = receiver(a=None), Stream()
    hello = reader.receive(stream.hello(), NOW_MS)
    subscribed = reader.receive(stream.frame("subscribed", ch="a", pos=["e", 1]), NOW_MS)
    msg = reader.receive(stream.msg("a", 2), NOW_MS + 7)

    assert [event.type for event in hello + subscribed if isinstance(event, Control)] == [Down.HELLO, Down.SUBSCRIBED]
    assert msg == [Publication("a", "a2", Position("e", 2), recovered=False, ts=NOW_MS)]
    assert (reader.conn, reader.positions, reader.duplicates) == ("conn-1", {"a": Position("e", 2)}, 0)


@pytest.mark.parametrize("kind", [kind for kind in Down if kind is not Down.HELLO])
def test_nothing_is_taken_before_hello(kind: Down) -> None:
    reader = receiver(a=AT_1)
    stream = Stream()

    assert refusal(reader.receive(stream.frame(kind, ch="a", pos=["e", 2], data=1), NOW_MS)) is Refusal.ORDER
    assert (reader.conn, reader.positions) == (None, {"a": AT_1})


def test_hello_has_seq_1() -> None:
    reader, stream = receiver(), Stream()
    stream.seq = 1

    assert refusal(reader.receive(stream.hello(), NOW_MS)) is Refusal.ORDER
    assert reader.conn is None


def test_hello_comes_once() -> None:
    reader, stream = opened()

    assert refusal(reader.receive(stream.hello(limits={"frame": 1}), NOW_MS)) is Refusal.ORDER
    assert refusal(reader.receive(stream.frame("hb"), NOW_MS)) is None


@pytest.mark.parametrize("conn", ["conn-1", ""])
def test_frames_of_another_connection_are_refused(conn: str) -> None:
    """REQUIREMENTS §2.8."""
    stream, other, reader = Stream(conn), Stream("conn-2"), receiver(a=AT_1)
    other.seq = 1
    reader.receive(stream.hello(), NOW_MS)

    assert refusal(reader.receive(other.msg("a", 2), NOW_MS)) is Refusal.ORDER
    assert reader.conn == conn
    assert reader.receive(stream.msg("a", 2), NOW_MS) == [
        Publication("a", "a2", Position("e", 2), recovered=False, ts=NOW_MS)
    ]


def test_a_frame_left_out_is_a_hole_and_one_that_comes_late_is_refused_r14() -> None:
    reader, stream = opened()
    late, next_ = stream.frame("hb"), stream.frame("hb")

    assert reader.receive(next_, NOW_MS)[0] == Hole("gap")
    assert refusal(reader.receive(late, NOW_MS)) is Refusal.ORDER


def test_a_frame_again_is_a_replay_and_a_seq_again_is_out_of_order() -> None:
    reader, stream = opened()
    frame = stream.frame("hb")
    stream.seq -= 1

    assert refusal(reader.receive(frame, NOW_MS)) is None
    assert refusal(reader.receive(frame, NOW_MS)) is Refusal.REPLAY
    assert refusal(reader.receive(stream.frame("hb"), NOW_MS)) is Refusal.ORDER


@pytest.mark.parametrize("kind", [*Up, "publish", "", "HELLO", "nothing", None, 1, True, ["hello"], {"t": "hello"}])
def test_a_payload_that_no_hub_sends_is_refused_so_nothing_is_reflected(kind: Any) -> None:
    """REQUIREMENTS §2.7."""
    reader, stream = opened()

    assert refusal(reader.receive(stream.frame(kind), NOW_MS)) is Refusal.TYPE


@pytest.mark.parametrize(
    "members",
    [{"seq": None}, {"seq": "2"}, {"seq": 2.5}, {"seq": True}, {"conn": None}, {"conn": 1}, {"conn": ["conn-1"]}],
)
def test_a_payload_without_conn_or_seq_is_refused(members: dict[str, Any]) -> None:
    reader, _ = opened()
    payload = {"t": "hb", "conn": "conn-1", "seq": 2, **members}
    frame = FrameSigner(KID, SECRET).sign({name: value for name, value in payload.items() if value is not None}, NOW_MS)

    assert refusal(reader.receive(frame, NOW_MS)) is Refusal.TYPE


@pytest.mark.parametrize("kind", ["msg", "gap", "subscribed"])
@pytest.mark.parametrize(
    "members",
    [{"ch": "a"}, {"pos": ["e", 2]}, {"ch": 1, "pos": ["e", 2]}, {"ch": "a", "pos": ["e", -1]}, {"ch": "a", "pos": {}}],
)
def test_a_payload_that_names_no_place_is_refused_and_moves_nothing(kind: str, members: dict[str, Any]) -> None:
    reader, stream = opened(a=AT_1)

    assert refusal(reader.receive(stream.frame(kind, **members), NOW_MS)) is Refusal.TYPE
    assert reader.positions == {"a": AT_1}


def test_a_publication_delivered_before_is_dropped_and_counted() -> None:
    reader, stream = opened(a=Position("e", 5))

    assert reader.receive(stream.msg("a", 5, re=True), NOW_MS) == []
    assert reader.receive(stream.msg("a", 4, re=True), NOW_MS) == []
    assert (reader.duplicates, reader.positions) == (2, {"a": Position("e", 5)})


@pytest.mark.parametrize("position", [None, Position("e", 5), Position("other", 6), Position("other", 0)])
def test_a_publication_that_does_not_follow_is_a_hole_and_not_delivered(position: Position | None) -> None:
    reader, stream = opened(a=position)

    assert reader.receive(stream.msg("a", 7), NOW_MS) == [Hole("gap")]
    assert reader.positions == {"a": position}
    assert reader.duplicates == 0


def test_a_channel_not_asked_for_delivers_nothing() -> None:
    reader, stream = opened(a=AT_1)

    assert reader.receive(stream.msg("b", 1), NOW_MS) == [Hole("gap")]
    assert reader.positions == {"a": AT_1}


def test_after_a_hole_only_publications_that_follow_are_delivered() -> None:
    reader, stream = opened(a=AT_1, b=AT_1)
    stream.msg("a", 2)
    following, skipping = stream.msg("b", 2), stream.msg("a", 3)

    assert reader.receive(following, NOW_MS) == [
        Hole("gap"), Publication("b", "b2", Position("e", 2), recovered=False, ts=NOW_MS),
    ]  # fmt: skip
    assert reader.receive(skipping, NOW_MS) == [Hole("gap")]
    assert reader.positions == {"a": AT_1, "b": Position("e", 2)}


@pytest.mark.parametrize(("re", "recovered"), [(True, True), (False, False), (1, False), ("true", False)])
def test_a_publication_from_history_says_so(re: Any, *, recovered: bool) -> None:
    reader, stream = opened(a=AT_1)

    assert reader.receive(stream.msg("a", 2, re=re), NOW_MS) == [
        Publication("a", "a2", Position("e", 2), recovered=recovered, ts=NOW_MS)
    ]


@pytest.mark.parametrize(("epoch", "offset"), [("e", 2), ("e", 9), ("new", 0), ("new", 1)])
def test_a_gap_is_told_and_moves_the_position(epoch: str, offset: int) -> None:
    reader, stream = opened(a=AT_1)
    gap = stream.frame("gap", ch="a", pos=[epoch, offset], reason="overflow")

    assert reader.receive(gap, NOW_MS) == [Gap("a", Position(epoch, offset), "overflow")]
    assert [type(event) for event in reader.receive(stream.msg("a", offset + 1, epoch=epoch), NOW_MS)] == [Publication]


@pytest.mark.parametrize("offset", [0, 4, 5])
def test_a_gap_behind_what_was_delivered_moves_nothing_back(offset: int) -> None:
    """Or publications would be delivered twice."""
    reader, stream = opened(a=Position("e", 5))

    assert reader.receive(stream.frame("gap", ch="a", pos=["e", offset], reason="overflow"), NOW_MS) == []
    assert reader.positions == {"a": Position("e", 5)}


def test_a_resumed_channel_goes_on_from_its_position_while_it_recovers() -> None:
    reader, stream = opened(a=AT_1)
    reader.receive(stream.frame("subscribed", ch="a", pos=["e", 3], recovered=True), NOW_MS)
    events = reader.receive(stream.msg("a", 2, re=True), NOW_MS) + reader.receive(stream.msg("a", 3, re=True), NOW_MS)

    assert [event.data for event in events if isinstance(event, Publication)] == ["a2", "a3"]


@pytest.mark.parametrize("members", [{"recovered": False}, {}, {"recovered": 1}])
@pytest.mark.parametrize("pos", [["e", 9], ["new", 0]])
def test_a_channel_that_cannot_recover_waits_for_its_gap(members: dict[str, Any], pos: list[Any]) -> None:
    """Were the position moved by ``subscribed``, a gap cut out of the stream would never be missed."""
    reader, stream = opened(a=AT_1)
    events = reader.receive(stream.frame("subscribed", ch="a", pos=pos, **members), NOW_MS)

    assert [type(event) for event in events] == [Control]
    assert reader.positions == {"a": AT_1}
    assert reader.receive(stream.frame("gap", ch="a", pos=pos, reason="expired"), NOW_MS) == [
        Gap("a", Position(*pos), "expired")
    ]


@pytest.mark.parametrize("position", [Position("e", 4), Position("new", 9), Position("new", 0)])
def test_a_channel_said_to_recover_to_a_place_that_ours_is_not_before_is_a_hole(position: Position) -> None:
    """A hub in error or another stream: its next publications must neither pass for duplicates nor come twice."""
    reader, stream = opened(a=Position("e", 5))
    events = reader.receive(stream.frame("subscribed", ch="a", pos=position.to_json(), recovered=True), NOW_MS)

    assert [type(event) for event in events] == [Control, Hole]
    assert reader.positions == {"a": Position("e", 5)}


@pytest.mark.parametrize("offset", [5, 6])
def test_a_channel_may_recover_to_where_we_stand_or_later(offset: int) -> None:
    reader, stream = opened(a=Position("e", 5))
    events = reader.receive(stream.frame("subscribed", ch="a", pos=["e", offset], recovered=True), NOW_MS)

    assert [type(event) for event in events] == [Control]
    assert reader.positions == {"a": Position("e", 5)}


@pytest.mark.parametrize("kind", ["hb", "unsubscribed", "join", "leave", "ack", "err", "rekey", "bye"])
def test_other_frames_of_the_hub_are_handed_on(kind: str) -> None:
    reader, stream = opened(a=AT_1)
    payload = {"t": kind, "conn": "conn-1", "seq": 2, "ch": "a", "reason": "x"}

    assert reader.receive(stream.frame(kind, ch="a", reason="x"), NOW_MS) == [Control(Down(kind), payload)]
    assert reader.positions == {"a": AT_1}


def test_hello_says_how_large_a_frame_may_be_r58() -> None:
    reader, stream = receiver(), Stream()
    reader.receive(stream.hello(limits={"frame": 512}), NOW_MS)
    large = stream.frame("hb", filler="x" * 512)

    assert refusal(reader.receive(large, NOW_MS)) is Refusal.SIZE
    assert [type(event) for event in reader.receive(stream.frame("hb"), NOW_MS)] == [Hole, Control]


@pytest.mark.parametrize(
    "limits", [None, 5, [], {}, {"frame": None}, {"frame": "512"}, {"frame": True}, {"frame": 1.5}]
)
def test_without_a_limit_in_hello_frames_of_the_larger_profile_pass(limits: Any) -> None:
    reader, stream = receiver(), Stream()
    reader.receive(stream.hello(limits=limits), NOW_MS)
    room = LARGEST_FRAME_BYTES - len(Stream().frame("hb", filler=""))

    assert isinstance(reader.receive(stream.frame("hb", filler="x" * room), NOW_MS)[0], Control)
    assert refusal(reader.receive(stream.frame("hb", filler="x" * (room + 1)), NOW_MS)) is Refusal.SIZE


@pytest.mark.parametrize(("off_ms", "expected"), [(SKEW_MS, None), (-SKEW_MS, None), (SKEW_MS + 1, Refusal.STALE)])
def test_stale_frames_are_refused_r32(off_ms: int, expected: Refusal | None) -> None:
    reader, stream = opened()

    assert refusal(reader.receive(stream.frame("hb"), NOW_MS + off_ms)) is expected


def test_the_default_skew_is_5_seconds_and_the_window_twice_that() -> None:
    reader = Receiver(KEYS, {})

    assert (reader._skew_ms, reader._replay.window_ms) == (5_000, 10_000)


def test_a_frame_that_is_not_in_canonical_form_is_refused() -> None:
    reader, stream = opened()
    frame = stream.frame("hb")

    assert refusal(reader.receive(frame + b" ", NOW_MS)) is Refusal.GRAMMAR
    assert refusal(reader.receive(frame, NOW_MS)) is None


def test_a_window_shared_by_two_connections_remembers_the_frames_of_the_first() -> None:
    window, stream = ReplayWindow(10_000), Stream()
    hello = stream.hello()
    first, second = (Receiver(KEYS, {}, replay=window) for _ in range(2))

    assert refusal(first.receive(hello, NOW_MS)) is None
    assert refusal(second.receive(hello, NOW_MS)) is Refusal.REPLAY


@pytest.mark.parametrize(("bytes_", "expected"), [(16_384, None), (16_385, Refusal.SIZE)])
def test_before_hello_frames_of_16384_bytes_are_read_r58(bytes_: int, expected: Refusal | None) -> None:
    room = bytes_ - len(Stream().hello(filler=""))
    frame = Stream().hello(filler="x" * room)

    assert len(frame) == bytes_
    assert refusal(receiver().receive(frame, NOW_MS)) is expected


@pytest.mark.parametrize("conn", ["conn-0", "conn-2", "conn-", "conn-11", "CONN-1"])
def test_frames_of_a_connection_whose_name_sorts_before_or_after_are_refused(conn: str) -> None:
    reader, stream = opened(a=AT_1)
    other = Stream(conn)
    other.seq = stream.seq

    assert refusal(reader.receive(other.msg("a", 2), NOW_MS)) is Refusal.ORDER
    assert reader.positions == {"a": AT_1}


@pytest.mark.parametrize("epoch", ["d", "f", "0", "E", "ee"])
@pytest.mark.parametrize("offset", [4, 5, 6])
def test_a_publication_of_an_epoch_that_sorts_before_or_after_is_a_hole(epoch: str, offset: int) -> None:
    at = Position("e", 5)
    reader, stream = opened(a=at)
    events = reader.receive(stream.msg("a", offset, epoch=epoch), NOW_MS)

    assert events == [Hole("gap")]
    assert (reader.positions, reader.duplicates) == ({"a": at}, 0)


def test_a_gap_of_epoch_moves_a_place_back_even_within_the_epoch() -> None:
    """The store lost its tail: the hub stands behind us, and what it sends next only looks old."""
    reader, stream = opened(a=Position("e", 5))
    back = Position("e", 2)

    assert reader.receive(stream.frame("gap", ch="a", pos=back.to_json(), reason="epoch"), NOW_MS) == [
        Gap("a", back, "epoch")
    ]
    assert reader.positions == {"a": back}


@pytest.mark.parametrize("reason", ["overflow", "expired", "a", "epoc", "epochs", "EPOCH", "z", None, 1, ["epoch"]])
def test_no_gap_for_another_reason_or_none_moves_a_place_back(reason: Any) -> None:
    reader, stream = opened(a=Position("e", 5))

    assert reader.receive(stream.frame("gap", ch="a", pos=["e", 2], reason=reason), NOW_MS) == []
    assert reader.positions == {"a": Position("e", 5)}
