"""What a peer can do to a hub through a WebSocket: nothing that stays, and nothing that fills the log.

R57, REQUIREMENTS §2.22, §2.26, PROTOCOL §5. The hub of the first half is a process of its own that is asked what is
alive (:mod:`tests.security.memory_hub`); that of the second half runs here, so that its log and its clocks are at hand.
"""

import asyncio
import contextlib
import logging
import signal
import socket
import struct
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from jitterbug import Config, Jitterbug, Session
from jitterbug.protocol.codes import Down
from jitterbug.server.uvicorn import websocket
from tests.security.memory_attackers import BASE, HOST, unread
from tests.security.memory_hub import MeasuredHub
from tests.security.test_memory_attacks import (
    OPEN_RATES,
    SLACK_BYTES,
    VISITOR,
    attacked,
    check,
    check_release,
    visiting,
)
from tests.server import serving
from tests.server.serving import PATIENCE_S, Running, until
from tests.server.sockets import Op, OpenSocket, encode, handshake_headers
from tests.server.visitor import Visitor

FLOOD = 100_000
LIMIT_BYTES = 16_384
SETTINGS = {**OPEN_RATES, "max_frame_bytes": LIMIT_BYTES, "skew_ms": 60_000, "replay_window_ms": 120_000}
"""A flood may take longer than a frame stays fresh."""
NORMAL = b"\x03\xe8"
TINY_BYTES = 2_048
FACTS = "jitterbug.security"
"""Logger of the facts: what a peer was refused, and why."""
READ_BYTES = 262_144
"""The most that comes with one read."""
NOTHING_BYTES = 60_000
"""What may differ between two looks at a hub that does the same as before."""


def opened(visitor: Visitor, *channels: str, **options: Any) -> OpenSocket:
    """A WebSocket that has said ``hello``."""
    wire = visitor.socket(*channels, **options)
    wire.control(Down.HELLO)
    return wire


def handshake(visitor: Visitor, *channels: str) -> bytes:
    """The octets that open one."""
    query = "&".join([f"kid={visitor.kid}", *(f"channel={name}" for name in channels)])
    return visitor.raw("GET", f"/ws?{query}", handshake_headers())


def flood(wire: OpenSocket, piece: bytes, count: int) -> bool:
    """Send the same octets so many times and read nothing. False = the hub has had enough."""
    with contextlib.suppress(ConnectionError, TimeoutError):
        for _ in range(0, count, 1_000):
            wire.socket.sendall(piece * 1_000)
        return True
    return False


@contextlib.contextmanager
def stopped(hub: MeasuredHub) -> Iterator[None]:
    """A hub that finds everything at once that was sent meanwhile."""
    hub._process.send_signal(signal.SIGSTOP)
    try:
        yield
    finally:
        hub._process.send_signal(signal.SIGCONT)


def answered(wire: OpenSocket) -> None:
    """Wait until the hub has read everything that was sent before."""
    before = len(wire.pieces_of(Op.PONG))
    wire.put(Op.PING, b"read?")
    wire.wait_for(lambda: len(wire.pieces_of(Op.PONG)) > before)


def reset(wire: OpenSocket) -> None:
    """Go away with RST."""
    wire.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    wire.close()


@pytest.mark.slow
@pytest.mark.parametrize(
    "piece",
    [
        pytest.param(encode(Op.CONT, fin=False), id="empty continuations"),
        pytest.param(encode(Op.PONG), id="pongs"),
        pytest.param(encode(Op.PONG, b"x" * 125), id="long pongs"),
    ],
)
def test_frames_without_end_that_say_nothing_are_not_kept(piece: bytes) -> None:
    """A hundred thousand of them behind the beginning of a text, which is still taken afterwards."""
    with attacked(SETTINGS) as hub, visiting(hub) as visitor, opened(visitor) as wire:
        first, last = (frame := visitor.sign({"t": "ping", "id": "1", "conn": wire.conn}))[:100], frame[100:]
        wire.put(Op.TEXT, first, fin=False)
        answered(wire)
        before = hub.held()
        assert flood(wire, piece, FLOOD)
        answered(wire)
        after = hub.held()
        print(f"{FLOOD:,} frames: {after['bytes'] - before['bytes']:,} bytes held")  # noqa: T201 - `pytest -s`
        assert after["bytes"] - before["bytes"] < NOTHING_BYTES
        wire.put(Op.CONT, last)
        assert wire.answer() == {"t": "ack", "id": "1"}


@pytest.mark.slow
def test_fragments_of_one_octet_cost_about_what_they_carry() -> None:
    """As many as the largest frame has octets: gathered, not kept one by one."""
    with attacked(SETTINGS) as hub, visiting(hub) as visitor, opened(visitor) as wire:
        frame = visitor.sign({"t": "ping", "id": "1", "conn": wire.conn}).ljust(LIMIT_BYTES)
        answered(wire)
        before = hub.held()
        pieces = [encode(Op.CONT if at else Op.TEXT, frame[at : at + 1], fin=False) for at in range(LIMIT_BYTES - 1)]
        wire.raw(b"".join(pieces))
        answered(wire)
        grown = hub.held()["bytes"] - before["bytes"]
        print(f"{LIMIT_BYTES:,} fragments: {grown:,} bytes held")  # noqa: T201 - `pytest -s`
        assert grown < 2 * LIMIT_BYTES + NOTHING_BYTES
        wire.put(Op.CONT, frame[-1:])
        assert wire.answer() == {"t": "ack", "id": "1"}


@pytest.mark.slow
def test_small_texts_in_crowds_wait_as_octets() -> None:
    """Ten peers at once, as many texts as the kernel takes: they are parsed when the hub can take the next."""
    peers = 10
    with attacked(SETTINGS) as hub, visiting(hub) as visitor:
        wires = [opened(visitor) for _ in range(peers)]
        before = hub.held()
        with stopped(hub):
            for wire in wires:
                wire.socket.setblocking(False)
                with contextlib.suppress(BlockingIOError):
                    flood(wire, encode(Op.TEXT), FLOOD)
        hub.until(streams=0)
        held = hub.held()
        grown = held["peak"] - before["bytes"]
        print(f"{peers} crowds of texts: {grown:,} bytes at the peak")  # noqa: T201 - `pytest -s`
        assert grown < peers * READ_BYTES + SLACK_BYTES
        for wire in wires:
            wire.socket.setblocking(True)
            wire.close()
        check_release(hub)
        check(hub, hub.held(), "crowds of texts, afterwards", socket=1)


@pytest.mark.slow
def test_pings_without_end_are_cut_where_nobody_reads_the_pongs() -> None:
    """Twenty peers: what waits for each is bounded, and the hub cuts them itself."""
    peers = 20
    with attacked(SETTINGS) as hub, visiting(hub) as visitor:
        wires = [opened(visitor, receive_buffer_bytes=TINY_BYTES) for _ in range(peers)]
        for wire in wires:
            assert not flood(wire, encode(Op.PING, b"x" * 125), FLOOD)
        held = hub.until(streams=0)
        check(hub, held, f"{peers} that ping and do not read", socket=2)
        check_release(hub)


@pytest.mark.slow
def test_two_hundred_that_never_read_are_cut_within_the_stall_limit() -> None:
    """R57, PROTOCOL §5: ``slow``; the hub holds no more than the sum says, and nothing afterwards."""
    peers = 200
    with attacked({**SETTINGS, "max_frames_per_tick": 50}) as hub, visiting(hub) as visitor:
        ask = handshake(visitor, "flood")
        _ = [unread(hub, ask) for _ in range(peers)]
        hub.until(streams=peers, subscriptions=peers)
        for _ in range(20):
            hub.ask("publish", "flood", 150, "x" * 500)
        held = hub.held()
        assert held["unsent"] > 65_536, "they are not deaf enough"
        check(
            hub, held, f"{peers} deaf WebSockets", stream=peers, unsent=peers, waiting=peers, subscription=peers,
            publication=held["history"] + hub.config.buffer_frames, channel=2,
        )  # fmt: skip
        for _ in range(4):
            hub.let_pass(16)
            time.sleep(0.2)  # a few ticks, which is when it looks
        after = hub.until(streams=0, sockets=VISITOR)
        check_release(hub)
        check(hub, hub.held(), "deaf WebSockets, afterwards", publication=after["history"], channel=2, socket=1)


@pytest.mark.slow
def test_handshakes_that_stop_half_way_are_cut() -> None:
    """§2.26: two hundred without their last line."""
    with attacked(SETTINGS, head_timeout_s=4) as hub, visiting(hub) as visitor:
        half = handshake(visitor)[:-2]
        _ = [unread(hub, half) for _ in range(200)]
        check(hub, hub.until(streams=0, sockets=201), "half handshakes", socket=201, head=201)
        hub.until(sockets=VISITOR)
        check_release(hub)


@pytest.mark.slow
def test_peers_that_go_in_every_bad_way_are_forgotten() -> None:
    """Half closed, reset, in the middle of a frame, behind an offence; streams, channels and sockets."""
    ways: list[Callable[[OpenSocket], None]] = [
        reset,
        lambda wire: wire.socket.shutdown(socket.SHUT_WR),
        lambda wire: wire.raw(encode(Op.TEXT, b"x" * 1_000)[:500]) or reset(wire),
        lambda wire: wire.raw(encode(Op.TEXT, b"x" * 1_000)[:500]) or wire.socket.shutdown(socket.SHUT_WR),
        lambda wire: wire.put(Op.TEXT, b"x", fin=False) or reset(wire),
        lambda wire: wire.put(3) or wire.socket.shutdown(socket.SHUT_WR),
        lambda wire: wire.put(Op.CLOSE, NORMAL),
        lambda wire: wire.put(Op.BINARY, b"x"),
    ]
    with attacked(SETTINGS) as hub, visiting(hub) as visitor:
        for _ in range(10):
            for go in ways:
                go(opened(visitor, "a", "b"))
        hub.until(streams=0, subscriptions=0, tasks=0, sockets=VISITOR)
        check_release(hub)
        check(hub, hub.held(), "gone in every bad way", channel=4, socket=1)


# In this process.


@pytest.fixture
def served() -> Iterator[Callable[..., Running]]:
    """Starts hubs under our own protocol class."""
    running: list[Running] = []

    def begin(session: Any = None, **settings: Any) -> Running:
        config = Config(development=True, drain_s=0, **{**SETTINGS, **settings})
        running.append(serving.start("transport", Jitterbug(config=config, session=session)))
        return running[-1]

    yield begin
    for item in running:
        item.stop()


@pytest.fixture
def loud(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    """What is logged at WARNING or above, by any logger."""
    caplog.set_level(logging.WARNING)
    return caplog


def entering(hub: Running | MeasuredHub) -> Visitor:
    """Somebody with a login and a key."""
    visitor = Visitor(hub).log_in()  # type: ignore[arg-type]
    visitor.fetch_key()
    return visitor


def sockets(hub: Running) -> int:
    """Connections the server holds, WebSockets only."""
    held = hub.main.server_state.connections
    return hub.do(lambda: sum(isinstance(item, websocket.PushWebSocket) for item in held))


def test_a_text_over_the_limit_is_refused_as_soon_as_it_is(served: Callable[..., Running]) -> None:
    """1009 with the fragment that passes the limit; no end of the text is waited for."""
    with entering(served()) as visitor:
        for sizes in ([LIMIT_BYTES, 1], [LIMIT_BYTES // 2] * 3, [1] * 100 + [LIMIT_BYTES], [LIMIT_BYTES + 1]):
            with opened(visitor) as wire:
                for at, size in enumerate(sizes):
                    assert not wire.is_closed
                    wire.put(Op.CONT if at else Op.TEXT, b"x" * size, fin=False)
                assert wire.wait_for_close(5) == 1009
                assert wire.close_reason == b""


def test_an_announced_length_is_enough_to_be_refused(served: Callable[..., Running]) -> None:
    """1009 at the head of a frame that is too large; nothing of it is waited for."""
    with entering(served()) as visitor:
        for length in (LIMIT_BYTES + 1_000, 2**31, 2**63 - 1, 2**64 - 1):
            with opened(visitor) as wire:
                wire.raw(b"\x81\xff" + length.to_bytes(8, "big"))
                assert wire.wait_for_close(5) == 1009


@pytest.mark.parametrize("op", [Op.PING, Op.PONG, Op.CLOSE])
def test_control_frames_do_not_count_against_the_limit_of_a_text(served: Callable[..., Running], op: Op) -> None:
    """RFC 6455 §5.4: between the fragments of a text that is as large as it may be."""
    with entering(served()) as visitor, opened(visitor) as wire:
        frame = visitor.sign({"t": "ping", "id": "1", "conn": wire.conn}).ljust(LIMIT_BYTES)
        wire.put(Op.TEXT, frame[:-1], fin=False)
        wire.put(op, NORMAL + b"x" * 123)
        wire.put(Op.CONT, frame[-1:])
        if op is Op.CLOSE:
            assert wire.wait_for_close(5) == 1002
        else:
            assert wire.answer() == {"t": "ack", "id": "1"}


@pytest.mark.parametrize(
    "header",
    [
        pytest.param({"X-Long": "y" * 9_000}, id="a long header"),
        pytest.param({"Content-Length": "5"}, id="a body"),
        pytest.param({"Transfer-Encoding": "chunked"}, id="a chunked body"),
    ],
)
def test_a_handshake_that_the_library_cannot_read_is_refused(
    served: Callable[..., Running], header: dict[str, str], loud: pytest.LogCaptureFixture
) -> None:
    """PROTOCOL §7: 400 and closed. It is past the time limit of HTTP, so that unanswered it would stay for ever."""
    hub = served()
    with entering(hub) as visitor:
        with visitor.socket(headers=header) as wire:
            head = wire.shake()
            assert head.status == 400
            assert wire.body == b'{"error":"invalid request"}'
            assert head.headers["x-content-type-options"] == "nosniff"
            wire.raw(b"\xff" * 100)
        until(lambda: sockets(hub) == 0)
    assert loud.records == []


@pytest.mark.parametrize(
    "early",
    [
        pytest.param(b"\xff" * 100, id="garbage"),
        pytest.param(encode(3), id="an offence"),
        pytest.param(encode(Op.PING, b"early"), id="a ping"),
        pytest.param(encode(Op.CLOSE, NORMAL), id="a close"),
        pytest.param(encode(Op.TEXT, b"{}"), id="a text"),
        pytest.param(encode(Op.TEXT, b"\xff"), id="no UTF-8"),
        pytest.param(encode(Op.TEXT, b"x" * (LIMIT_BYTES + 1_000)), id="too large"),
    ],
)
def test_frames_before_the_handshake_is_answered_break_nothing(
    served: Callable[..., Running], early: bytes, loud: pytest.LogCaptureFixture
) -> None:
    """RFC 6455 §4.1 forbids them; an application may take its time to find out who asks."""

    async def slow(_request: Any) -> Session:
        await asyncio.sleep(0.2)
        return Session("login-of-ann")

    hub = served(session=slow)
    with Visitor(hub) as visitor:
        visitor.fetch_key()
        with visitor.socket() as wire:
            time.sleep(0.05)  # a segment of its own, after the head was read
            wire.raw(early)
            wire.watch(0.4)
        until(lambda: hub.connections() == 0 and sockets(hub) == 0 and not hub.main.server_state.tasks)
    assert len(loud.records) <= 1
    assert {record.name for record in loud.records} <= {FACTS}


def deafened(visitor: Visitor, hub: Running) -> OpenSocket:
    """A WebSocket that has not taken all it was sent, though less than would have it cut.

    It has sent nothing itself. A kernel whose receive buffer is full may take acknowledgements for strays as well; then
    what comes after what it waits for (a close frame, say) never leaves it.
    """
    wire = opened(visitor, receive_buffer_bytes=TINY_BYTES)
    held = hub.main.server_state.connections
    pongs = (bytes((0x80 | Op.PONG, 125)) + b"x" * 125) * 8
    deadline_s = time.monotonic() + PATIENCE_S
    while hub.do(lambda: max(item.transport.get_write_buffer_size() for item in held)) < 10_000:
        assert time.monotonic() < deadline_s, "the kernel takes it all"
        hub.do(lambda: [item.transport.write(pongs) for item in held if isinstance(item, websocket.PushWebSocket)])
    return wire


@pytest.mark.slow
@pytest.mark.parametrize(
    "last",
    [
        pytest.param(encode(Op.BINARY, b"x"), id="refused by the hub"),
        pytest.param(encode(Op.CLOSE, NORMAL), id="closed by the peer"),
        pytest.param(encode(3), id="an offence"),
        pytest.param(encode(Op.TEXT, b"\xff"), id="no UTF-8"),
    ],
)
def test_an_end_that_nobody_takes_is_cut(
    served: Callable[..., Running], last: bytes, monkeypatch: pytest.MonkeyPatch, loud: pytest.LogCaptureFixture
) -> None:
    """R57: the hub counts the connection no more, so nothing else would ever let go of its socket and its buffer."""
    monkeypatch.setattr(websocket, "TAKE_TIMEOUT_S", 1.0)
    hub = served()
    with entering(hub) as visitor:
        wire = deafened(visitor, hub)
        assert sockets(hub) == 1
        wire.raw(last)
        until(lambda: hub.connections() == 0)
        until(lambda: sockets(hub) == 0, limit_s=8)
    assert loud.records == []


@pytest.mark.slow
def test_an_end_that_is_taken_late_is_complete(served: Callable[..., Running], monkeypatch: pytest.MonkeyPatch) -> None:
    """Slow is not dead: what was sent before the end comes, and the close frame as the last."""
    monkeypatch.setattr(websocket, "TAKE_TIMEOUT_S", 10.0)
    hub = served()
    with entering(hub) as visitor:
        wire = deafened(visitor, hub)
        wire.put(Op.BINARY, b"x")
        time.sleep(websocket._CLOSE_TIMEOUT_S + 0.5)
        assert wire.wait_for_close() == 1003


def test_frames_behind_the_farewell_are_not_even_answered(
    served: Callable[..., Running], loud: pytest.LogCaptureFixture
) -> None:
    """R51, R54: whoever goes on after ``bye rate`` is not heard."""
    hub = served(rate_capacity=10, rate_refill_per_s=1.0)
    with entering(hub) as visitor, opened(visitor) as wire:
        conn = wire.conn
        frames = [visitor.sign({"t": "ping", "id": str(number), "conn": conn}) for number in range(60)]
        with contextlib.suppress(ConnectionError):
            wire.socket.sendall(b"".join(encode(Op.TEXT, frame) for frame in frames) + encode(Op.PING, b"late"))
        assert wire.wait_for_close() == 1008
        assert wire.controls(Down.BYE)[0]["reason"] == "rate"
        assert wire.payloads()[-1]["t"] == "bye"
        assert len(wire.answers()) < 40
        until(lambda: hub.connections() == 0 and sockets(hub) == 0)
    # Each frame over the limit is a fact (R64): the limit itself bounds them.
    assert len(loud.records) <= len(wire.answers())
    assert {record.name for record in loud.records} <= {FACTS}


def test_nothing_that_a_stranger_sends_fills_the_log(
    served: Callable[..., Running], loud: pytest.LogCaptureFixture
) -> None:
    """R64: at most the one fact that a frame was refused for each connection, whatever it sends; no wire is left."""
    hub = served()
    offences = [
        encode(Op.BINARY, b"x"),
        encode(Op.TEXT, b"\xff\xfe"),
        encode(Op.TEXT, b"{}") * 500,
        encode(Op.TEXT, b"x" * (LIMIT_BYTES + 1)),
        encode(Op.TEXT, b"x" * (4 * LIMIT_BYTES)),
        encode(Op.CONT, b"x"),
        encode(Op.TEXT, b"x", rsv=4),
        encode(Op.CLOSE, b"\x00"),
        encode(Op.CLOSE, b"\x00\x00"),
        encode(Op.CLOSE, NORMAL + b"\xff"),
        encode(Op.PING, b"x" * 126),
        encode(Op.TEXT, b"x", masked=False),
        encode(7) * 500,
        b"GET / HTTP/1.1\r\n\r\n" * 100,
        bytes(range(256)) * 20,
    ]
    with entering(hub) as visitor:
        for offence in offences:
            loud.clear()
            with opened(visitor) as wire, contextlib.suppress(ConnectionError):
                wire.socket.sendall(offence)
                wire.wait_for_close()
            until(lambda: hub.connections() == 0 and sockets(hub) == 0)
            assert len(loud.records) <= 1
            assert {record.name for record in loud.records} <= {FACTS}
    loud.clear()
    upgrade = b"GET %b/ws?kid=x HTTP/1.1\r\n%bConnection: Upgrade\r\nUpgrade: websocket\r\n" % (BASE, HOST)
    for header in (b"", b"Sec-WebSocket-Key: x\r\n", b"X-Long: %b\r\n" % (b"y" * 9_000), b"Content-Length: 1\r\n"):
        with socket.create_connection(("127.0.0.1", hub.port), timeout=PATIENCE_S) as sock:
            sock.sendall(upgrade + header + b"\r\n")
            assert sock.recv(65_536).startswith(b"HTTP/1.1 4")
    assert loud.records == []
