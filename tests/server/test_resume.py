"""Resuming: everything after a position, once and in order, or a gap that says so (PROTOCOL §5)."""

from collections.abc import Callable

import pytest

from jitterbug.protocol.codes import Down
from jitterbug.protocol.position import Position
from tests.server.conftest import Start
from tests.server.serving import Kind, Running
from tests.server.visitor import Visitor
from tests.server.wire import OpenStream

Visit = Callable[..., Visitor]
ROOM = {"rate_capacity": 1_000, "max_frames_per_tick": 1_000}


def cursor(stream: OpenStream) -> str:
    """The last id, as a browser would send it."""
    ids = [line for block in stream.blocks() for line in block.split(b"\n") if line.startswith(b"id: ")]
    return ids[-1].removeprefix(b"id: ").decode()


@pytest.fixture
def roomy(kind: Kind, start: Start) -> Running:
    """A hub whose limits do not get in the way."""
    return start(kind, **ROOM)


def first_part(server: Running, visitor: Visitor, *channels: str) -> OpenStream:
    """A stream that got three publications of each channel and then went away, and three more it missed."""
    stream = visitor.get_stream(*channels)
    stream.wait_for(lambda: len(stream.controls(Down.SUBSCRIBED)) == len(channels))
    for channel in channels:
        server.publish(channel, 1, 2, 3)
    stream.take(3 * len(channels))
    stream.close()
    for channel in channels:
        server.publish(channel, 4, 5, 6)
    return stream


def assert_continues(server: Running, stream: OpenStream, *channels: str) -> None:
    """It gets what was missed, from history, once, before what is new."""
    stream.take(3 * len(channels))
    for channel in channels:
        server.publish(channel, 7)
    stream.take(4 * len(channels))
    stream.watch(0.1)
    for channel in channels:
        found = stream.publications(channel)
        assert [item.data for item in found] == [4, 5, 6, 7]
        assert [item.recovered for item in found] == [True, True, True, False]
        assert [item.position.offset for item in found] == [4, 5, 6, 7]
    assert [payload["recovered"] for payload in stream.controls(Down.SUBSCRIBED)] == [True] * len(channels)
    assert not stream.faults()
    assert not stream.gaps()
    assert stream.receiver.duplicates == 0


@pytest.mark.parametrize("channels", [("a",), ("a", "b", "c")])
def test_a_browser_resumes_by_last_event_id(roomy: Running, visit: Visit, channels: tuple[str, ...]) -> None:
    visitor = visit(roomy)
    first = first_part(roomy, visitor, *channels)

    stream = visitor.get_stream(*channels, cursor=cursor(first), since=first.receiver.positions)

    assert_continues(roomy, stream, *channels)


@pytest.mark.parametrize("channels", [("a",), ("a", "b", "c")])
def test_a_client_resumes_by_positions(roomy: Running, visit: Visit, channels: tuple[str, ...]) -> None:
    visitor = visit(roomy)
    first = first_part(roomy, visitor, *channels)

    stream = visitor.post_stream({name: first.receiver.positions[name] for name in channels})

    assert_continues(roomy, stream, *channels)


def test_another_key_of_the_login_resumes_as_well(roomy: Running, visit: Visit) -> None:
    """PROTOCOL §2: after ``key_expired`` the client goes on under its next key."""
    visitor = visit(roomy)
    first = first_part(roomy, visitor, "a")
    visitor.fetch_key()

    assert_continues(roomy, visitor.get_stream("a", cursor=cursor(first), since=first.receiver.positions), "a")


def test_a_sub_resumes_too(roomy: Running, visit: Visit) -> None:
    """PROTOCOL §4: ``since`` of ``sub``."""
    visitor = visit(roomy)
    first = first_part(roomy, visitor, "a")
    position = first.receiver.positions["a"]
    assert position is not None
    stream = visitor.post_stream()
    stream.receiver.positions["a"] = position

    answer = visitor.send({"t": "sub", "id": "1", "conn": stream.conn, "ch": "a", "since": position.to_json()})

    assert answer.json() == {"id": "1"}
    assert_continues(roomy, stream, "a")


def test_being_up_to_date_is_not_a_loss(roomy: Running, visit: Visit) -> None:
    visitor = visit(roomy)
    first = visitor.get_stream("a")
    first.control(Down.SUBSCRIBED)
    roomy.publish("a", 1)
    first.take(1)
    first.close()

    stream = visitor.get_stream("a", cursor=cursor(first), since=first.receiver.positions)

    assert stream.control(Down.SUBSCRIBED)["recovered"] is True
    roomy.publish("a", 2)
    assert stream.take(1) == [2]
    assert not stream.gaps()


def test_more_than_history_holds_is_a_gap_and_never_a_part(kind: Kind, start: Start, visit: Visit) -> None:
    """PROTOCOL §5: never a partial catch-up shown as complete."""
    server = start(kind, history_size=3, **ROOM)
    visitor = visit(server)
    first = first_part(server, visitor, "a")
    server.publish("a", 6.5)

    stream = visitor.get_stream("a", cursor=cursor(first), since=first.receiver.positions)
    stream.wait_for(stream.gaps)
    server.publish("a", "after")

    assert stream.control(Down.SUBSCRIBED)["recovered"] is False
    assert stream.take(1) == ["after"]
    assert [(gap.channel, gap.position.offset, gap.reason) for gap in stream.gaps()] == [("a", 7, "expired")]
    assert not stream.faults()


@pytest.mark.parametrize("since", [Position("elsewhere", 2), Position("elsewhere", 10**15)])
def test_a_position_of_another_life_is_a_gap(roomy: Running, visit: Visit, since: Position) -> None:
    """PROTOCOL §4: ``epoch``; a restarted hub does not pretend to know."""
    roomy.publish("a", 1, 2, 3)
    stream = visit(roomy).post_stream({"a": since})

    stream.wait_for(stream.gaps)

    assert stream.control(Down.SUBSCRIBED)["recovered"] is False
    assert [gap.reason for gap in stream.gaps()] == ["epoch"]
    roomy.publish("a", 4)
    assert stream.take(1) == [4]
    assert not stream.faults()


@pytest.mark.parametrize(
    "text", ["", "x", "~~~", "a~b.c", "é", "0" * 500, "epoch~AAAAAAAA.5", "\t", "id: 1", "..", "epoch~" + "tag.1~" * 15]
)
def test_a_cursor_is_a_hint(hub: Running, visitor: Visitor, channel: str, text: str) -> None:
    """PROTOCOL §5: what it does not say is left out; a foreign one reveals nothing and breaks nothing."""
    hub.publish(channel, "before")
    stream = visitor.get_stream(channel, cursor=text)

    assert "recovered" not in stream.control(Down.SUBSCRIBED)
    hub.publish(channel, "live")
    assert stream.take(1) == ["live"]


def test_channels_are_authorized_again_on_every_resume(start: Start, visit: Visit) -> None:
    """PROTOCOL §5, REQUIREMENTS §2.30: a right that ended is not carried along by a cursor."""
    allowed = {"a", "b"}
    hub = start(authorize=lambda _session, _action, name: name in allowed, **ROOM)
    visitor = visit(hub)
    first = first_part(hub, visitor, "a", "b")
    allowed.discard("b")

    by_cursor = visitor.get_stream("a", "b", cursor=cursor(first), since=first.receiver.positions)
    by_positions = visitor.post_stream(dict(first.receiver.positions))

    for stream in (by_cursor, by_positions):
        stream.take(3)
        stream.control(Down.UNSUBSCRIBED)
        stream.watch(0.1)
        assert {item.channel for item in stream.publications()} == {"a"}
        assert [payload["ch"] for payload in stream.controls(Down.UNSUBSCRIBED)] == ["b"]


def test_history_comes_before_what_is_published_meanwhile(roomy: Running, visit: Visit) -> None:
    """PROTOCOL §5: live frames wait until history is out; nothing is missed in between and nothing comes twice."""
    visitor = visit(roomy)
    first = first_part(roomy, visitor, "a")
    position = first.receiver.positions["a"]

    streams = []
    for number in range(20):
        streams.append(visitor.post_stream({"a": position}))
        roomy.publish("a", 7 + number)
    for stream in streams:
        stream.wait_for(lambda s=stream: s.publications() and s.publications()[-1].data == 26)
        assert [item.data for item in stream.publications()] == list(range(4, 27))
        assert not stream.faults()
        assert not stream.gaps()
        assert stream.receiver.duplicates == 0
