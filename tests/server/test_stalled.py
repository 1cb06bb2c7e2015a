"""A reader that takes nothing moves nobody else's latency or memory, and is cut in the end (R57, PROTOCOL §5)."""

import gc
import time
from collections.abc import Callable

import psutil
import pytest

from jitterbug.protocol.codes import Down
from jitterbug.testing import ManualClock
from tests.server.conftest import Start
from tests.server.serving import Kind, Running, until
from tests.server.visitor import Visitor
from tests.server.wire import OpenStream

Visit = Callable[..., Visitor]
PUBLICATIONS, DATA = 3_000, "x" * 700
BATCH = 25
MANY = {"rate_capacity": 10_000, "rate_refill_per_s": 10_000.0, "max_frames_per_tick": 1_000}
TINY_BYTES = 2_048


def stalled(visitor: Visitor, *channels: str) -> OpenStream:
    """A stream whose reader will not read, with as little room as the kernel allows."""
    return visitor.get_stream(*channels, receive_buffer_bytes=TINY_BYTES)


def pending_bytes(server: Running) -> int:
    return server.do(lambda: max(connection.sink.pending_bytes() for connection in server.push.hub))


def fill(server: Running, clock: ManualClock) -> None:
    """Publish until its wire holds more than it is given at once."""
    for _ in range(100):
        clock.advance(ms=50)
        server.publish("flood", *[DATA] * BATCH)
        if pending_bytes(server) > 65_536:
            return
    raise AssertionError("the kernel takes it all")


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["transport", "httptools"])
def test_one_that_never_reads_costs_a_bounded_buffer_and_nothing_else(kind: Kind, start: Start, visit: Visit) -> None:
    """R57, O25, O29: 3,000 publications of 700 bytes; the realtime profile, but for its rates, which would hide it."""
    server = start(kind, profile="realtime", **MANY)
    visitor = visit(server)
    reader = visit(server).post_stream(["flood"])
    reader.control(Down.SUBSCRIBED)
    deaf = [stalled(visitor, "flood") for _ in range(5)]
    until(lambda: server.connections() == 6)
    gc.collect()
    before_bytes = psutil.Process().memory_info().rss
    late_s: list[float] = []
    highest_bytes = 0

    for number in range(0, PUBLICATIONS, BATCH):
        sent_s = time.monotonic()
        server.publish("flood", *(f"{n}:{DATA}" for n in range(number, number + BATCH)))
        reader.take(number + BATCH)
        late_s.append(reader.arrivals[-1] - sent_s)
        highest_bytes = max(highest_bytes, pending_bytes(server))

    assert [item.data.partition(":")[0] for item in reader.publications()] == list(map(str, range(PUBLICATIONS)))
    assert not reader.faults()
    assert sorted(late_s)[len(late_s) * 9 // 10] < 0.1, "a batch that waited for a slow reader would wait for ever"
    # What waits to be taken, and one flush on top of it; the ring, by reference; the counters say what went.
    assert highest_bytes < 65_536 + 1_000 * 1_024
    backlogs = server.do(lambda: sorted(connection.backlog for connection in server.push.hub))
    assert backlogs[0] == 0
    assert backlogs[-1] <= 1_000
    dropped = server.do(server.push.hub.dropped_frames)
    assert 5 * 500 < dropped < 5 * PUBLICATIONS
    # The events the test itself keeps are most of it: 3,000 times 700 bytes, a few times over.
    assert psutil.Process().memory_info().rss - before_bytes < 60 * 1_048_576
    if server.admin_url:
        assert server.metric("dropped_frames_total") == dropped
    for stream in deaf:
        stream.close()
    until(lambda: server.connections() == 1)


def test_a_slow_reader_is_told_what_it_lost(start: Start, visit: Visit) -> None:
    """R57, R14: when it reads again: frames in order, a gap, and the newest; ``seq`` has no hole."""
    server = start(profile="realtime", **MANY)
    stream = stalled(visit(server), "flood")
    stream.control(Down.SUBSCRIBED)
    for number in range(0, PUBLICATIONS, BATCH):
        server.publish("flood", *(f"{n}:{DATA}" for n in range(number, number + BATCH)))
    dropped = server.do(server.push.hub.dropped_frames)
    assert dropped > 0

    stream.wait_for(lambda: stream.publications() and stream.publications()[-1].position.offset == PUBLICATIONS)

    assert not stream.faults()
    assert [gap.reason for gap in stream.gaps()] == ["overflow"]
    assert len(stream.publications()) == PUBLICATIONS - dropped


@pytest.mark.parametrize("kind", ["transport", "httptools", "h11"])
def test_a_reader_that_takes_nothing_for_thirty_seconds_is_cut(kind: Kind, start: Start, visit: Visit) -> None:
    """PROTOCOL §5: ``slow``; the hub forgets it and the server's task ends, though the peer never closed anything."""
    clock = ManualClock()
    server = start(kind, profile="realtime", clock=clock, **MANY)
    stream = stalled(visit(server), "flood")
    until(lambda: server.connections() == 1)
    fill(server, clock)

    for _ in range(2):
        assert server.connections() == 1
        clock.advance(s=15)
        time.sleep(0.15)
    clock.advance(s=15)  # the thirty seconds count from the first look after which nothing was taken
    until(lambda: server.connections() == 0)
    until(lambda: not server.main.server_state.tasks, limit_s=2)
    if server.admin_url:
        assert server.metric('connections_closed_total{reason="slow"}') == 1
        # Under plain ASGI a server may still wait for the peer to take what it holds: nothing there aborts a wire.
        stream.wait_for_end(2)


def test_a_reader_that_takes_a_little_is_not_cut(start: Start, visit: Visit) -> None:
    """Slow is not dead."""
    clock = ManualClock()
    server = start(profile="realtime", clock=clock, **MANY)
    stream = stalled(visit(server), "flood")
    stream.control(Down.SUBSCRIBED)
    fill(server, clock)

    server.publish("flood", *[DATA] * 900)

    for _ in range(10):
        clock.advance(s=10)
        taken = 0
        while taken < 40_000:
            taken += len(stream.socket.recv(8_192))
        time.sleep(0.06)

    assert server.connections() == 1
