"""A stream from its first byte to its last, whoever serves it (PROTOCOL §5, R1, R6, R25)."""

import asyncio
import json
import re
from collections.abc import Callable

from jitterbug import Session
from jitterbug.protocol.codes import Down
from tests.server.conftest import Start
from tests.server.serving import Kind, Running
from tests.server.visitor import Visitor
from tests.server.wire import OpenStream

Visit = Callable[..., Visitor]
HEADERS = {
    "content-type": "text/event-stream; charset=utf-8",
    "cache-control": "no-store, no-transform",
    "x-accel-buffering": "no",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
    "transfer-encoding": "chunked",
}
BLOCK = re.compile(rb"(?:id: (?P<id>[A-Za-z0-9._~-]{1,128})\n)?data: (?P<frame>\{[^\r\n]*\})")


def frames(stream: OpenStream) -> list[tuple[dict, bytes | None]]:
    """Payload and cursor of each event, by nothing but a regular expression and the standard library."""
    first, *rest = stream.blocks()
    assert re.fullmatch(rb"retry: \d+", first)
    matches = [BLOCK.fullmatch(block) for block in rest]
    assert all(matches), "an event is not exactly one frame"
    return [(json.loads(match["frame"])["payload"], match["id"]) for match in matches if match]


def test_a_get_and_a_post_open_the_same_stream(server: Running, visit: Visit, channel: str) -> None:
    """Exactly the headers of PROTOCOL §5 and those that every answer has, the request id apart."""
    visitor = visit(server)

    for stream in (visitor.get_stream(channel), visitor.post_stream([channel])):
        subscribed = stream.control(Down.SUBSCRIBED)
        assert stream.head is not None
        headers = dict(stream.head.headers)
        assert re.fullmatch(r"[0-9a-f]{16}", headers.pop("x-request-id"))
        headers.pop("date", None)
        assert (stream.head.status, headers) == (200, HEADERS)
        assert subscribed["ch"] == channel
        assert subscribed["pos"][1] == 0
        assert "recovered" not in subscribed


def test_hello_is_the_first_frame_and_names_version_and_limits(server: Running, visit: Visit) -> None:
    """PROTOCOL §4: ``hello`` with the contract's version, the limits in force and the hub's time."""
    visitor = visit(server)
    stream = visitor.post_stream()

    hello = stream.control(Down.HELLO)

    assert hello.pop("conn")
    assert abs(hello.pop("serverTime") - visitor.clock.now_ms()) < 5_000
    assert hello == {"limits": {"burst": 10, "frame": 1_024, "rate": 1.0}, "seq": 1, "t": "hello", "v": 1}


def test_every_event_is_one_signed_frame_and_nothing_else_is_said(server: Running, visit: Visit, channel: str) -> None:
    """R1, R6, R25: no comment, no field of meaning beside the frame; ``retry`` once, jittered, a block of its own."""
    visitor = visit(server)
    stream = visitor.get_stream(channel)
    stream.control(Down.SUBSCRIBED)
    server.publish(channel, {"n": 1}, "two\r\nlines", ["\u2028", "data: x\n\nid: 1"])
    stream.take(3)

    found = frames(stream)

    assert [payload["t"] for payload, _ in found] == ["hello", "subscribed", "msg", "msg", "msg"]
    assert [payload["seq"] for payload, _ in found] == [1, 2, 3, 4, 5]
    assert stream.body.count(b"retry:") == 1
    assert not stream.faults()
    assert [item.data for item in stream.publications()] == [{"n": 1}, "two\r\nlines", ["\u2028", "data: x\n\nid: 1"]]


def test_ids_come_where_positions_move_and_only_there(server: Running, visit: Visit, channel: str) -> None:
    """PROTOCOL §5: a cursor of at most 128 bytes from ``A-Z a-z 0-9 . _ ~ -``."""
    visitor = visit(server)
    stream = visitor.get_stream(channel)
    stream.control(Down.SUBSCRIBED)
    server.publish(channel, 1, 2)
    stream.take(2)

    found = frames(stream)

    assert [cursor is not None for payload, cursor in found] == [False, True, True, True]
    assert len({cursor for _, cursor in found}) == 4


def test_a_cursor_that_would_not_fit_is_left_out(server: Running, visit: Visit, channel: str) -> None:
    """PROTOCOL §5: with too many channels for 128 bytes only POST resumes."""
    visitor = visit(server)
    names = [f"{channel}/{number}" for number in range(20)]
    stream = visitor.get_stream(*names)
    stream.wait_for(lambda: len(stream.controls(Down.SUBSCRIBED)) == 20)
    server.publish(names[3], "x")
    stream.take(1)

    assert frames(stream)[-1] == ({**frames(stream)[-1][0], "t": "msg"}, None)
    assert not stream.faults()


def test_the_first_bytes_do_not_wait_for_the_rule(kind: Kind, start: Start, visit: Visit, channel: str) -> None:
    """Head and ``retry`` are sent at once, so proxies pass the answer on and the browser's open event fires."""
    gate = asyncio.Event()

    async def rule(_session: Session, _action: str, _channel: str) -> bool:
        await gate.wait()
        return True

    server = start(kind, authorize=rule)
    stream = visit(server).get_stream(channel)

    try:
        stream.wait_for(lambda: stream.body)
        assert re.match(rb"retry: [1-3]\d{3}\n\n", stream.body)
        assert not stream.controls(Down.SUBSCRIBED)
    finally:
        server.do(gate.set)
    assert stream.control(Down.SUBSCRIBED)["ch"] == channel


def test_a_frame_for_an_idle_stream_does_not_wait_for_a_tick(kind: Kind, start: Start, visit: Visit) -> None:
    """PROTOCOL §5: flushed at once. The tick here is a second long."""
    server = start(kind, tick_ms=1_000)
    stream = visit(server).post_stream(["idle"])
    stream.control(Down.SUBSCRIBED)
    server.publish("idle", "at once")
    server.publish("idle", "and again")

    assert stream.take(2, limit_s=0.9) == ["at once", "and again"]


def test_two_streams_of_one_login_are_two_connections(server: Running, visit: Visit, channel: str) -> None:
    """R26: the same publication to two connections has different nonces; ``seq`` counts on each by itself."""
    visitor = visit(server)
    one, two = visitor.get_stream(channel), visitor.post_stream([channel])
    assert one.conn != two.conn
    for stream in (one, two):
        stream.control(Down.SUBSCRIBED)
    server.publish(channel, "same")

    assert one.take(1) == two.take(1) == ["same"]
    nonces = [json.loads(stream.blocks()[-1].split(b"data: ")[1])["nonce"] for stream in (one, two)]
    assert nonces[0] != nonces[1]


def test_other_logins_keys_verify_nothing(server: Running, visit: Visit, channel: str) -> None:
    """R29, R31: what is signed for one login is refused by every other."""
    visitor, other = visit(server), visit(server)
    stream = visitor.get_stream(channel)
    stream.control(Down.SUBSCRIBED)

    data = stream.blocks()[1].removeprefix(b"data: ")

    assert other.receiver({}).receive(data, other.clock.now_ms())[0] != stream.events[0]
    assert not stream.faults()
