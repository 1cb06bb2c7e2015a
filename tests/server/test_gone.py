"""A client that goes away is forgotten at once, however it goes (R11, REQUIREMENTS §2.26)."""

import gc
import time
from collections.abc import Callable

import pytest

from jitterbug.hub.connection import Connection
from jitterbug.protocol.codes import Down
from tests.server.conftest import Start
from tests.server.serving import Kind, Running, until
from tests.server.visitor import JSON, Visitor
from tests.server.wire import OpenStream

Visit = Callable[..., Visitor]


def left_over(server: Running) -> dict[str, int]:
    """What the hub still holds of its clients."""
    hub = server.push.hub
    return server.do(
        lambda: {
            "connections": hub.connection_count,
            "sessions": hub.session_count,
            "channels": len(hub.channels),
            "joining": len(hub.channels._joining),
            "addresses": len(server.push.limits._by_address),
        }
    )


NOTHING = {"connections": 0, "sessions": 0, "channels": 0, "joining": 0, "addresses": 0}


@pytest.mark.parametrize("leave", [OpenStream.close, OpenStream.reset], ids=["FIN", "RST"])
def test_whoever_leaves_is_forgotten_within_a_second(
    kind: Kind, start: Start, visit: Visit, leave: Callable[[OpenStream], None]
) -> None:
    server = start(kind)
    visitor = visit(server)
    streams = [visitor.get_stream("a", "b"), visitor.post_stream(["b", "c"]), visitor.get_stream()]
    for stream in streams:
        stream.control(Down.HELLO)
    until(lambda: left_over(server)["channels"] == 3)

    for stream in streams:
        leave(stream)

    until(lambda: left_over(server) == NOTHING, limit_s=1)


def test_two_hundred_come_and_go_and_nothing_is_left(kind: Kind, start: Start, visit: Visit) -> None:
    """Neither in the registries nor in memory; some go before they are served, some while frames are on their way."""
    server = start(kind)
    visitor = visit(server)
    for number in range(200):
        stream = visitor.get_stream("a", f"own/{number}") if number % 2 else visitor.post_stream(["a"])
        if number % 3:
            stream.control(Down.HELLO)
        if number % 5 == 0:
            server.publish("a", number)
        (stream.reset if number % 4 else stream.close)()

    until(lambda: left_over(server) == NOTHING)
    until(lambda: not server.main.server_state.tasks)
    # The wheel of deadlines holds a closed connection until its next visit, a heartbeat later; nothing else may.
    server.do(server.push.hub._tick._deadlines._slots.clear)
    hashes = [entry.session.hash for entry in server.push.own_sessions._sessions.values()]  # type: ignore[union-attr]

    def remembered() -> int:
        gc.collect()
        found = (item for item in gc.get_objects() if isinstance(item, Connection))
        return sum(item.session.hash in hashes for item in found)

    until(lambda: remembered() == 0)


def test_leaving_while_the_body_is_read_leaves_nothing(kind: Kind, start: Start, visit: Visit) -> None:
    server = start(kind)
    visitor = visit(server)
    data = visitor.raw("POST", "/stream", {**JSON, "Content-Length": "100"}) + b'{"kid":'
    for _ in range(10):
        OpenStream(server.port, data, visitor.receiver({}), visitor.clock.now_ms).reset()

    until(lambda: not server.main.server_state.tasks)
    assert left_over(server) == NOTHING


def test_a_request_sent_behind_a_stream_keeps_nothing_alive(start: Start, visit: Visit) -> None:
    """HTTP/1.1 pipelining: the server waits with it until the stream is over, and must still see the client go."""
    hub = start()
    visitor = visit(hub)
    for leave in (OpenStream.close, OpenStream.reset):
        stream = visitor.get_stream("a")
        stream.control(Down.SUBSCRIBED)
        stream.socket.sendall(visitor.raw("GET", "/health"))
        time.sleep(0.05)

        leave(stream)

        until(lambda: left_over(hub) == NOTHING, limit_s=1)


@pytest.mark.parametrize("parser", ["transport", "httptools"])
def test_noise_behind_a_stream_ends_it(parser: Kind, start: Start, visit: Visit) -> None:
    """Bytes that are no request: the connection is closed and forgotten. (h11 does not read before the stream ends.)"""
    server = start(parser)
    stream = visit(server).get_stream("a")
    stream.control(Down.SUBSCRIBED)

    stream.socket.sendall(b"\x00\x01\x02 noise\r\n\r\n")

    until(lambda: left_over(server) == NOTHING, limit_s=2)
    if parser == "transport":
        stream.wait_for_end()
        assert stream.raw.count(b"HTTP/1.1") == 1, "no second answer in the middle of the first"


def test_a_connection_serves_one_request_after_another(hub: Running, visitor: Visitor) -> None:
    """Keep-alive, and a stream at the end of it."""
    data = visitor.raw("GET", "/health") * 3 + visitor.raw("GET", f"/stream?kid={visitor.kid}&channel=a")
    stream = OpenStream(hub.port, data, visitor.receiver({"a": None}), visitor.clock.now_ms)
    try:
        until(lambda: stream.step(0.1) or b"text/event-stream" in stream.raw)
        assert stream.raw.count(b'{"status":"ok"}') == 3
    finally:
        stream.close()
