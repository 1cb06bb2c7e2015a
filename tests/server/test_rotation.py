"""Keys change while frames flow, and none is lost (PROTOCOL §2, R2, R50)."""

import itertools
import threading
import time
from collections.abc import Callable

import pytest

from jitterbug.protocol.codes import Down
from jitterbug.testing import ManualClock
from tests.server.answers import assert_refused
from tests.server.conftest import Start
from tests.server.serving import Kind, Running
from tests.server.visitor import Visitor
from tests.server.wire import OpenStream

Visit = Callable[..., Visitor]
FRAMES, ROTATIONS = 1_000, 5


def confirm(visitor: Visitor, stream: OpenStream) -> dict:
    """Fetch the next key and show that it is held."""
    visitor.fetch_key()
    assert visitor.send({"t": "confirm", "conn": stream.conn}).status_code == 200
    stream.wait_for(lambda: [rekey for rekey in stream.controls(Down.REKEY) if rekey.get("kid") == visitor.kid])
    return stream.controls(Down.REKEY)[-1]


def kids_in_order(stream: OpenStream) -> list[str]:
    """Kids that signed, each once for a run of frames."""
    return [kid for kid, _ in itertools.groupby(frame_kids(stream))]


def frame_kids(stream: OpenStream) -> list[str]:
    lines = (block.partition(b"data: ")[2] for block in stream.blocks()[1:])
    return [line.partition(b'"kid":"')[2].partition(b'"')[0].decode() for line in lines]


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["transport", "httptools"])
def test_a_thousand_frames_across_five_rotations_arrive_once_and_in_order(
    kind: Kind, start: Start, visit: Visit
) -> None:
    """R2, R50: each verifies, under six keys, on one connection; frames that wait in the ring wait through a switch."""
    server = start(kind, profile="realtime", key_ttl_s=3, rate_refill_per_s=300.0)
    visitor = visit(server)
    stream = visitor.get_stream("numbers")
    stream.control(Down.SUBSCRIBED)

    def publish() -> None:
        for number in range(0, FRAMES, 10):
            server.publish("numbers", *({"n": n, "pad": "x" * 200} for n in range(number, number + 10)))
            time.sleep(0.025)

    publisher = threading.Thread(target=publish)
    publisher.start()
    for turn in range(1, ROTATIONS + 1):
        stream.take(turn * 120)
        confirm(visitor, stream)
    data = stream.take(FRAMES)
    publisher.join()

    assert [item["n"] for item in data] == list(range(FRAMES))
    assert [item.position.offset for item in stream.publications()] == list(range(1, FRAMES + 1))
    assert not stream.faults()
    assert not stream.gaps()
    assert len(kids_in_order(stream)) == ROTATIONS + 1
    assert len(stream.controls(Down.HELLO)) == 1
    assert stream.receiver.duplicates == 0


def test_rekey_is_the_last_frame_under_the_old_key(kind: Kind, start: Start, visit: Visit) -> None:
    """PROTOCOL §2: so the client knows to the frame where the new key begins."""
    server = start(kind)
    visitor = visit(server)
    old = visitor.kid
    stream = visitor.get_stream("a")
    stream.control(Down.SUBSCRIBED)
    server.publish("a", "before")

    rekey = confirm(visitor, stream)
    server.publish("a", "after")
    stream.take(2)

    assert rekey == {"conn": stream.conn, "kid": visitor.kid, "seq": 4, "t": "rekey"}
    assert frame_kids(stream) == [old] * 4 + [visitor.kid]
    assert not stream.faults()


def test_a_confirm_under_the_key_in_use_changes_nothing(hub: Running, visitor: Visitor) -> None:
    """Neither does one under an older key: nobody is led back to a key that ends sooner."""
    stream = visitor.post_stream(["a"])
    old = visitor.kid
    assert visitor.send({"t": "confirm", "conn": stream.conn}).json() == {}
    time.sleep(0.01)
    confirm(visitor, stream)

    assert visitor.send({"t": "confirm", "id": "1", "conn": stream.conn}, kid=old).json() == {"id": "1"}
    hub.publish("a", 1)
    stream.take(1)

    assert kids_in_order(stream) == [old, visitor.kid]


def test_another_logins_key_confirms_nothing(hub: Running, visit: Visit) -> None:
    """REQUIREMENTS §2.8."""
    visitor, other = visit(hub), visit(hub)
    stream = visitor.post_stream()

    assert_refused(other.send({"t": "confirm", "conn": stream.conn}), 401)
    assert_refused(visitor.post("/frames", other.sign({"t": "confirm", "conn": stream.conn})), 401)


def test_a_client_that_never_confirms_is_told_and_let_go_in_time(kind: Kind, start: Start, visit: Visit) -> None:
    """PROTOCOL §2: a hint at nine tenths of the life, then ``bye`` signed by the old key before it expires."""
    clock = ManualClock()
    server = start(kind, clock=clock)
    visitor = visit(server)
    key = visitor.keys[visitor.kid]
    stream = visitor.get_stream("a")
    stream.control(Down.SUBSCRIBED)
    assert key.expires_at_ms is not None

    clock.advance(s=524)
    stream.watch(0.12)
    clock.advance(s=15)
    stream.control(Down.HB)
    assert not stream.controls(Down.REKEY)
    clock.advance(s=1)
    hint = stream.control(Down.REKEY)
    assert clock.now_ms() < hint["by"] < key.expires_at_ms
    clock.advance(ms=hint["by"] - clock.now_ms() - 100)
    stream.watch(0.2)
    assert not stream.controls(Down.BYE)
    clock.advance(ms=100)

    farewell = stream.control(Down.BYE)
    assert farewell["reason"] == "key_expired"
    assert 0 < farewell["retry"] <= 5_000
    stream.wait_for_end()
    assert stream.is_over
    assert clock.now_ms() <= key.expires_at_ms
    assert not stream.faults()
    assert set(frame_kids(stream)) == {visitor.kid}


def test_a_confirm_puts_the_end_off(start: Start, visit: Visit) -> None:
    """R2: held open for an hour, ten minutes at a time."""
    clock = ManualClock()
    server = start(clock=clock)
    visitor = visit(server)
    stream = visitor.get_stream("a")
    stream.control(Down.SUBSCRIBED)

    for turn in range(7):
        clock.advance(s=480)
        confirm(visitor, stream)
        server.publish("a", turn)
        stream.take(turn + 1)

    assert not stream.controls(Down.BYE)
    assert not stream.faults()
    assert stream.conn == stream.controls(Down.HELLO)[0]["conn"]


def test_a_client_resumes_after_key_expired_under_its_next_key(kind: Kind, start: Start, visit: Visit) -> None:
    """PROTOCOL §2, R50: without ``confirm`` at all, by position, nothing is lost either."""
    clock = ManualClock()
    server = start(kind, clock=clock)
    visitor = visit(server)
    stream = visitor.post_stream(["a"])
    stream.control(Down.SUBSCRIBED)
    server.publish("a", 1)
    stream.take(1)
    clock.advance(s=599)
    stream.control(Down.BYE)
    server.publish("a", 2, 3)

    visitor.fetch_key()
    again = visitor.post_stream(dict(stream.receiver.positions))

    assert again.take(2) == [2, 3]
    assert not again.faults()


def test_the_heartbeat_is_signed_too_and_comes_when_it_should(kind: Kind, start: Start, visit: Visit) -> None:
    """R1, PROTOCOL §4: every 15 s, nothing in between, with the hub's time."""
    clock = ManualClock()
    server = start(kind, clock=clock)
    stream = visit(server).post_stream()
    stream.control(Down.HELLO)
    clock.advance(ms=50)
    stream.watch(0.12)

    for beat in range(1, 4):
        clock.advance(s=14.9)
        stream.watch(0.12)
        assert len(stream.controls(Down.HB)) == beat - 1
        clock.advance(s=0.1)
        stream.wait_for(lambda n=beat: len(stream.controls(Down.HB)) == n)
        assert stream.controls(Down.HB)[-1]["serverTime"] == clock.now_ms()
    assert not stream.faults()
