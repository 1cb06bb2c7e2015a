"""The WebSocket, both ways, under every way of being served (PROTOCOL §5)."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from jitterbug import Jitterbug, Session
from jitterbug.protocol.codes import Down
from jitterbug.protocol.position import Position
from jitterbug.protocol.verifying import Refused
from jitterbug.testing import ManualClock
from tests.server import serving
from tests.server.conftest import Start, development
from tests.server.serving import Kind, Running, until
from tests.server.sockets import Op, accept_of, handshake_headers
from tests.server.visitor import Visitor

Visit = Callable[..., Visitor]


@pytest.fixture(scope="module")
def open_server(kind: Kind) -> Iterator[Running]:
    """A hub with room for many frames, one for all tests of the module."""
    running = serving.start(kind, Jitterbug(config=development(profile="realtime")))
    yield running
    running.stop()


def test_a_publication_comes_verified_and_in_order(open_server: Running, visit: Visit, channel: str) -> None:
    """R1, R14: hello, subscribed, then each publication once."""
    visitor = visit(open_server)
    with visitor.socket(channel) as socket:
        socket.control(Down.SUBSCRIBED)
        open_server.publish(channel, *range(30))
        assert socket.take(30) == list(range(30))
        assert socket.faults() == []
        assert socket.payloads()[0]["t"] == "hello"


def test_the_handshake_is_that_of_rfc_6455_without_extensions(hub: Running, visit: Visit) -> None:
    """No permessage-deflate, whatever is offered (PROTOCOL §5)."""
    visitor, key = visit(hub), b"0123456789abcdef"
    offer = {**handshake_headers(key), "Sec-WebSocket-Extensions": "permessage-deflate; client_max_window_bits"}
    with visitor.socket(headers=offer) as socket:
        socket.control(Down.HELLO)
        head = socket.shake()
        assert head.status == 101
        assert head.headers["sec-websocket-accept"] == accept_of(key)
        assert head.headers["x-content-type-options"] == "nosniff"
        assert "server" not in head.headers
        assert "sec-websocket-extensions" not in head.headers


def test_every_frame_sent_up_is_answered(open_server: Running, visit: Visit, channel: str) -> None:
    """PROTOCOL §4: ack with the id, in the order sent; a publication's with its position."""
    visitor = visit(open_server)
    with visitor.socket() as socket:
        conn = socket.conn
        for payload in (
            {"t": "ping", "id": "1"},
            {"t": "sub", "id": "2", "ch": channel},
            {"t": "pub", "id": "3", "ch": channel, "data": {"n": 1}},
            {"t": "report", "id": "4", "kind": "gap", "count": 2},
            {"t": "unsub", "id": "5", "ch": channel},
            {"t": "confirm"},
        ):
            socket.send(visitor.sign({"conn": conn, **payload}))
        answers = [socket.answer(index) for index in range(6)]
        assert [item.get("id") for item in answers] == ["1", "2", "3", "4", "5", None]
        assert all(item["t"] == "ack" for item in answers)
        epoch, offset = answers[2]["pos"]
        assert (type(epoch), offset) == (str, 1)
        assert socket.control(Down.UNSUBSCRIBED)["reason"] == "asked"


def test_what_is_wrong_is_told_in_four_words(open_server: Running, visit: Visit, channel: str) -> None:
    """R7, R10: forged, foreign, stale, replayed and unknown are one answer; the connection lives on."""
    visitor, other = visit(open_server), visit(open_server)
    with visitor.socket() as socket, other.socket() as theirs:
        ping = {"t": "ping", "id": "x", "conn": socket.conn}
        good = visitor.sign(ping)
        for frame in (
            good,
            good,  # replayed
            _with_other_signature(good),
            visitor.sign(ping, off_ms=-60_000),
            other.sign(ping),  # a key of somebody else
            visitor.sign({**ping, "conn": theirs.conn}),  # a connection of somebody else
            visitor.sign({**ping, "conn": "A" * 16}),
            visitor.sign({**ping, "t": "hello"}),
        ):
            socket.send(frame)
        answers = [socket.answer(index) for index in range(8)]
        assert answers[0] == {"t": "ack", "id": "x"}
        unauthorized = {"t": "err", "code": "unauthorized"}
        assert answers[1:5] == [unauthorized] * 4
        assert answers[5:7] == [{**unauthorized, "id": "x"}] * 2
        assert answers[7] == {"t": "err", "code": "invalid request"}
        assert [event for event in socket.events if isinstance(event, Refused)] == []


def _with_other_signature(frame: bytes) -> bytes:
    at = frame.index(b'"sig":"') + 7
    return frame[:at] + (b"B" if frame[at : at + 1] != b"B" else b"C") + frame[at + 1 :]


def test_a_connection_of_the_same_login_is_not_this_one(open_server: Running, visit: Visit) -> None:
    """A key counts on the wire it came with: a frame names the WebSocket it travels on."""
    visitor = visit(open_server)
    with visitor.socket() as first, visitor.socket() as second:
        first.send(visitor.sign({"t": "ping", "id": "1", "conn": second.conn}))
        assert first.answer() == {"t": "err", "id": "1", "code": "unauthorized"}


def test_history_is_resumed_by_position(open_server: Running, visit: Visit, channel: str) -> None:
    """PROTOCOL §5: everything after the position, once, marked as recovered."""
    visitor = visit(open_server)
    open_server.publish(channel, *range(10))
    epoch = open_server.wait_for(open_server.push.hub.store.read(channel, None)).position.epoch
    with visitor.socket(since={channel: Position(epoch, 4)}) as socket:
        socket.send(visitor.sign({"t": "sub", "id": "s", "conn": socket.conn, "ch": channel, "since": [epoch, 4]}))
        assert socket.take(6) == [4, 5, 6, 7, 8, 9]
        assert socket.control(Down.SUBSCRIBED)["recovered"] is True


@pytest.mark.parametrize(
    ("op", "data", "code"),
    [
        pytest.param(Op.BINARY, b"{}", 1003, id="binary"),
        pytest.param(Op.TEXT, b"x" * 20_000, 1009, id="too large"),
        pytest.param(Op.TEXT, b"\xff\xfe", 1007, id="no UTF-8"),
        pytest.param(Op.TEXT, b"{}", 1007, id="no frame"),
        pytest.param(Op.TEXT, b"", 1007, id="nothing"),
    ],
)
def test_what_is_no_frame_closes_the_connection(
    open_server: Running, visit: Visit, op: Op, data: bytes, code: int
) -> None:
    """Close codes of PROTOCOL §5, where our own server class reads; no reason text."""
    visitor = visit(open_server)
    with visitor.socket() as socket:
        socket.control(Down.HELLO)
        socket.put(op, data)
        assert socket.wait_for_close() == code
        assert socket.close_reason == b""


def test_a_malformed_frame_is_answered_before_the_close(hub: Running, visit: Visit) -> None:
    """Every inbound frame is answered."""
    visitor = visit(hub)
    with visitor.socket() as socket:
        socket.control(Down.HELLO)
        socket.send(b'{"kid":1}')
        assert socket.answer() == {"t": "err", "code": "invalid request"}
        assert socket.wait_for_close() == 1007


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        pytest.param({"Origin": "https://evil.example"}, 403, id="origin"),
        pytest.param({"Sec-Fetch-Site": "cross-site"}, 403, id="fetch site"),
        pytest.param({"Cookie": "jitterbug=nobody"}, 401, id="no session"),
        pytest.param({"Host": "rebound.example"}, 403, id="host"),
    ],
)
def test_a_handshake_is_refused_like_any_request(
    open_server: Running, visit: Visit, headers: dict[str, str], status: int
) -> None:
    """R40, PROTOCOL §3: cross-site WebSocket hijacking gets no connection; the words are those of §7."""
    visitor = visit(open_server)
    with visitor.socket(headers=headers) as socket:
        head = socket.shake()
        assert head.status == status
        assert socket.body == b'{"error":"unauthorized"}'
        assert head.headers["x-request-id"]
        assert head.headers["cache-control"] == "no-store"


@pytest.mark.parametrize("kid", ["A" * 52, "short", "x:y"])
def test_an_unknown_key_is_refused(open_server: Running, visit: Visit, kid: str) -> None:
    """R31, R61."""
    with visit(open_server).socket(kid=kid) as socket:
        assert socket.shake().status == 401
        assert socket.body == b'{"error":"unauthorized"}'


@pytest.mark.parametrize("without", ["Sec-WebSocket-Key", "Sec-WebSocket-Version"])
def test_a_broken_handshake_gives_nothing_away(hub: Running, visit: Visit, without: str) -> None:
    """PROTOCOL §7: no library is named, no cause told."""
    with visit(hub).socket(without=without) as socket:
        head = socket.shake()
        assert head.status == 400
        assert socket.body == b'{"error":"invalid request"}'
        assert "sec-websocket-version" not in head.headers
        assert head.headers["x-content-type-options"] == "nosniff"


def test_the_path_is_for_websockets_and_they_for_the_path(hub: Running, visit: Visit) -> None:
    """A plain GET is no handshake; a handshake elsewhere finds nothing."""
    visitor = visit(hub)
    assert visitor.http.get("/ws", params={"kid": visitor.kid}).status_code == 400
    for path in ("/stream", "/keys", "/health", "/nothing"):
        visitor_headers = {**handshake_headers(), "Cookie": visitor.cookie}
        answer = visitor.http.get(path, headers=visitor_headers)
        assert answer.status_code == 404, path


def test_a_full_hub_says_later(kind: Kind, start: Start, visit: Visit) -> None:
    """PROTOCOL §5: 1013, which a page can read, unlike a status."""
    server = start(kind, max_connections_per_session=1)
    visitor = visit(server)
    with visitor.socket() as first:
        first.control(Down.HELLO)
        with visitor.socket() as second:
            assert second.wait_for_close() == 1013
            assert second.close_reason == b""


def test_logout_closes_with_1008_after_the_farewell(kind: Kind, start: Start, visit: Visit) -> None:
    """R17: within a second."""
    server = start(kind)
    visitor = visit(server)
    with visitor.socket() as socket:
        socket.control(Down.HELLO)
        visitor.http.delete("/session")
        assert socket.control(Down.BYE, limit_s=1)["reason"] == "revoked"
        assert socket.wait_for_close() == 1008


def test_a_draining_hub_closes_with_1001_after_the_farewell(kind: Kind, start: Start, visit: Visit) -> None:
    """PROTOCOL §5, Shutdown."""
    server = start(kind)
    visitor = visit(server)
    with visitor.socket() as socket:
        socket.control(Down.HELLO)
        server.wait_for(server.push.drain(0))
        assert socket.control(Down.BYE)["reason"] == "shutdown"
        assert socket.wait_for_close() == 1001


def test_who_goes_on_over_the_limit_is_shown_out(kind: Kind, start: Start, visit: Visit) -> None:
    """R51, R54: err, with a back-off that doubles, then bye rate and 1008; garbage counts like frames."""
    server = start(kind)
    visitor = visit(server)
    with visitor.socket() as socket:
        conn = socket.conn
        for number in range(30):
            socket.send(visitor.sign({"t": "ping", "id": str(number), "conn": conn}))
        assert socket.wait_for_close() == 1008
        answers = socket.answers()
        assert [item["t"] for item in answers[:10]] == ["ack"] * 10
        assert {item.get("code") for item in answers[10:]} == {"rate limited"}
        assert socket.control(Down.BYE)["reason"] == "rate"


def test_a_key_is_renewed_on_the_open_connection(kind: Kind, start: Start, visit: Visit, channel: str) -> None:
    """PROTOCOL §2: confirm, rekey under the old key, everything else under the new one, nothing lost."""
    server = start(kind, profile="realtime")
    visitor = visit(server)
    with visitor.socket(channel) as socket:
        socket.control(Down.SUBSCRIBED)
        old = visitor.kid
        server.publish(channel, *range(5))
        socket.take(5)
        visitor.fetch_key()
        socket.send(visitor.sign({"t": "confirm", "conn": socket.conn}))
        assert socket.control(Down.REKEY)["kid"] == visitor.kid != old
        server.publish(channel, *range(5, 10))
        assert socket.take(10) == list(range(10))
        assert socket.faults() == []


def test_a_peer_that_is_gone_is_forgotten(kind: Kind, start: Start, visit: Visit, channel: str) -> None:
    """With or without a close frame; its channels, too."""
    server = start(kind)
    visitor = visit(server)
    for says_so in (True, False):
        with visitor.socket(channel) as socket:
            socket.control(Down.SUBSCRIBED)
            assert server.connections() == 1
            if says_so:
                socket.put(Op.CLOSE, b"\x03\xe8")
                assert socket.wait_for_close() == 1000
        until(lambda: server.connections() == 0)
        assert server.do(lambda: len(server.push.hub.channels)) == 0


def test_a_login_that_an_application_resolves_is_asked_for_the_handshake_too(start: Start, channel: str) -> None:
    """The application's function sees the handshake as the GET request that it is."""
    seen: list[str] = []

    def login(request: Any) -> Session | None:
        seen.append(f"{request.method} {request.url.path}")
        return Session("login-of-ann") if request.headers.get("x-user") == "ann" else None

    server = start("fastapi", session=login)
    with Visitor(server) as visitor:
        visitor.http.headers["x-user"] = "ann"
        visitor.fetch_key()
        with visitor.socket(channel, headers={"X-User": "ann"}) as socket:
            socket.control(Down.SUBSCRIBED)
            assert seen[-1] == "GET /api/jitterbug/ws"


def test_a_key_that_ends_closes_the_connection(start: Start, visit: Visit) -> None:
    """PROTOCOL §2: bye key_expired, signed while the old key still counts."""
    clock = ManualClock()
    server = start(clock=clock)
    visitor = visit(server)
    with visitor.socket() as socket:
        socket.control(Down.HELLO)
        clock.advance(s=596)
        assert socket.control(Down.BYE)["reason"] == "key_expired"
        assert socket.wait_for_close() == 1001
