"""How fast a stream is fed: bucket, tick and ring by the security model's numbers (R51-R57, PROTOCOL §5)."""

import time
from collections.abc import Callable

import pytest

from jitterbug.protocol.codes import Down
from jitterbug.testing import ManualClock
from tests.server.conftest import Start
from tests.server.serving import Kind
from tests.server.visitor import Visitor

Visit = Callable[..., Visitor]


@pytest.mark.slow
def test_ten_at_once_and_then_one_a_second(start: Start, visit: Visit) -> None:
    """R51, R52, O22: 30 publications at once to a fresh connection, by the clock on the wall."""
    server = start()
    stream = visit(server).post_stream(["a"])
    stream.control(Down.SUBSCRIBED)
    started_s = time.monotonic()
    server.publish("a", *range(30))

    stream.take(13)

    came_s = [at_s - started_s for at_s, event in zip(stream.arrivals, stream.events, strict=True)][-13:]
    assert [item.data for item in stream.publications()] == list(range(13))
    assert came_s[9] - came_s[0] < 0.05, "the first ten come together"
    for number in (1, 2, 3):
        assert number - 0.15 < came_s[9 + number] < number + 0.5


@pytest.mark.parametrize("kind", ["transport", "fastapi"])
def test_the_whole_queue_at_one_a_second_and_never_eleven_at_once(kind: Kind, start: Start, visit: Visit) -> None:
    """R51-R53: the same by a clock that is turned by hand, to the last frame; then a rest, and ten again."""
    clock = ManualClock()
    server = start(kind, clock=clock)
    stream = visit(server).post_stream(["a"])
    stream.control(Down.SUBSCRIBED)
    server.publish("a", *range(18))
    stream.take(10)

    for number in range(10, 18):
        clock.advance(ms=950)
        stream.watch(0.06)
        assert len(stream.publications()) == number
        clock.advance(ms=50)
        stream.take(number + 1)
    clock.advance(s=9)
    server.publish("a", *range(18, 40))
    stream.take(27)
    stream.watch(0.1)
    assert len(stream.publications()) == 27, "nine tokens after nine seconds"
    clock.advance(s=60)
    stream.take(37)
    stream.watch(0.1)
    assert len(stream.publications()) == 37, "and never more than ten"
    assert not stream.faults()
    assert not stream.gaps()


@pytest.mark.parametrize("kind", ["transport", "httptools"])
def test_a_tick_carries_ten_to_each_connection(kind: Kind, start: Start, visit: Visit) -> None:
    """R56, O24: per connection, in fair turns: three busy ones each get the same."""
    clock = ManualClock()
    server = start(kind, clock=clock, rate_capacity=1_000)
    streams = [visit(server).post_stream(["a"]) for _ in range(3)]
    for stream in streams:
        stream.control(Down.SUBSCRIBED)
    server.publish("a", *range(35))

    for turn in range(1, 4):
        for stream in streams:
            stream.take(turn * 10)
            stream.watch(0.06)
            assert len(stream.publications()) == turn * 10
        clock.advance(ms=50)
    for stream in streams:
        assert stream.take(35) == list(range(35))


def test_the_hubs_own_frames_do_not_wait_for_publications(start: Start, visit: Visit) -> None:
    """REQUIREMENTS §2.29: they have a budget of their own."""
    clock = ManualClock()
    server = start(clock=clock)
    visitor = visit(server)
    stream = visitor.post_stream(["a"])
    stream.control(Down.SUBSCRIBED)
    server.publish("a", *range(50))
    stream.take(10)

    clock.advance(s=0.5)
    assert visitor.send({"t": "sub", "id": "1", "conn": stream.conn, "ch": "b"}).status_code == 200
    stream.wait_for(lambda: len(stream.controls(Down.SUBSCRIBED)) == 2)
    visitor.http.delete("/session")

    assert stream.control(Down.BYE)["reason"] == "revoked"
    assert len(stream.publications()) == 10


def test_overflow_drops_the_oldest_and_says_so(kind: Kind, start: Start, visit: Visit) -> None:
    """R57, O25: a hundred wait at most; what is lost is a ``gap``, and what comes is in order."""
    clock = ManualClock()
    server = start(kind, clock=clock)
    stream = visit(server).post_stream(["a"])
    stream.control(Down.SUBSCRIBED)
    server.publish("a", *range(150))
    stream.take(10)
    assert server.do(lambda: [connection.backlog for connection in server.push.hub]) == [90]

    for number in range(20, 101, 10):
        clock.advance(s=10)
        stream.take(number)

    assert [item.data for item in stream.publications()] == list(range(50, 150))
    assert [(gap.position.offset, gap.reason) for gap in stream.gaps()] == [(50, "overflow")]
    assert server.do(server.push.hub.dropped_frames) == 50
    assert not stream.faults()
