"""Request heads are bounded in size and time, before anybody is known (REQUIREMENTS §2.26)."""

import contextlib
import socket
import time
from collections.abc import Callable, Iterator

import psutil
import pytest

from jitterbug import Jitterbug
from jitterbug.protocol.codes import Down
from jitterbug.server import run
from jitterbug.server.uvicorn import http
from tests.server import serving
from tests.server.answers import assert_base
from tests.server.conftest import development
from tests.server.serving import Running, until
from tests.server.visitor import Visitor
from tests.server.wire import Head

Visit = Callable[..., Visitor]
SHORT_S = 0.3


@pytest.fixture(scope="module")
def hurried() -> Iterator[Running]:
    """A hub with little patience."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setattr(http, "HEAD_TIMEOUT_S", SHORT_S)
        running = serving.start("transport", Jitterbug(config=development()))
        yield running
        running.stop()


def flood(port: int, start: bytes, piece: bytes, pieces: int) -> tuple[bytes, int]:
    """Send until the other side closes; return what it said and how much it took."""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as sock:
        sent, received = 0, b""
        try:
            sock.sendall(start)
            for _ in range(pieces):
                sock.sendall(piece)
                sent += len(piece)
        except (ConnectionResetError, BrokenPipeError):
            pass
        try:
            while chunk := sock.recv(65_536):
                received += chunk
        except ConnectionResetError:
            pass
        return received, sent


def answers(port: int, data: bytes) -> list[bytes]:
    """Status lines of what comes until the other side closes."""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as sock:
        sock.sendall(data)
        received = b""
        while chunk := sock.recv(65_536):
            received += chunk
    return [line for line in received.split(b"\r\n") if line.startswith(b"HTTP/1.1 ")]


@pytest.mark.parametrize(
    "body", [b"Content-Length: 2\r\n\r\n{}", b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n"]
)
@pytest.mark.parametrize("protocol", [b"h2c", b"websocket, h2c", b"TLS/1.0"])
def test_an_upgrade_to_another_protocol_loses_no_body_in_silence(
    hurried: Running, protocol: bytes, body: bytes
) -> None:
    """RFC 9110 §7.8: whoever asks with a body gets an answer at once, and the connection is not read any further."""
    head = b"POST /api/jitterbug/keys HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: " + protocol
    assert answers(hurried.port, head + b"\r\n" + body) == [b"HTTP/1.1 400 Bad Request"]


def test_an_upgrade_without_a_body_is_passed_over(hurried: Running) -> None:
    """RFC 9110 §7.8: a server may ignore it."""
    head = b"GET /api/jitterbug/health HTTP/1.1\r\nHost: localhost\r\n"
    upgrade = b"Connection: Upgrade, close\r\nUpgrade: h2c\r\n\r\n"
    assert answers(hurried.port, head + upgrade) == [b"HTTP/1.1 200 OK"]


def test_sockets_are_bounded_and_let_in_again() -> None:
    """REQUIREMENTS §2.26: beyond the number a new one is cut before anything is read from it; streams go on."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setattr(run, "_LEAST_ROOM", 4)
        running = serving.start("transport", Jitterbug(config=development(max_connections=2)))
        try:
            room = [socket.create_connection(("127.0.0.1", running.port), timeout=10) for _ in range(6)]
            until(lambda: len(running.main.server_state.connections) == 6)
            late = socket.create_connection(("127.0.0.1", running.port), timeout=10)
            with late, contextlib.suppress(ConnectionResetError):
                assert late.recv(1) == b""
            until(lambda: len(running.main.server_state.connections) == 6)
            for sock in room:
                sock.close()
            until(lambda: not running.main.server_state.connections)
            assert serving.ask("GET", f"{running.url}/api/jitterbug/health").status_code == 200
        finally:
            running.stop()


@pytest.mark.parametrize("is_admin", [False, True], ids=["public", "operator"])
@pytest.mark.parametrize(
    ("start", "piece"),
    [
        (b"GET / HTTP/1.1\r\nHost: localhost\r\n", b"X: " + b"y" * 1_000 + b"\r\n"),
        (b"GET / HTTP/1.1\r\nHost: localhost\r\nX: ", b"y" * 1_000),
        (b"GET /", b"y" * 1_000),
        (b"POST /api/jitterbug/keys HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n", b"X: y\r\n" * 200),
    ],
    ids=["headers", "header", "target", "post"],
)
def test_a_head_without_end_is_cut(hub: Running, start: bytes, piece: bytes, *, is_admin: bool) -> None:
    """Nothing grows with what a stranger sends: 20 MB are on offer."""
    port = int((hub.admin_url if is_admin else hub.url).rsplit(":", 1)[1])
    before_bytes = psutil.Process().memory_info().rss

    received, sent = flood(port, start, piece, 20_000)

    assert sent < 15_000_000
    assert psutil.Process().memory_info().rss - before_bytes < 8_000_000
    if received:  # a reset may overtake the answer
        head = Head.parse(received.partition(b"\r\n\r\n")[0])
        assert head.status == 400
        assert_base(head.headers)


def test_a_large_head_passes_in_reason(hub: Running, visitor: Visitor) -> None:
    """Cookies of other applications on the same host, say."""
    assert visitor.http.get("/health", headers={"x-large": "y" * 30_000}).status_code == 200


@pytest.mark.parametrize("said", [b"", b"GET /", b"GET / HTTP/1.1\r\nHost: localhost\r\nX: y"])
def test_a_head_that_does_not_come_is_not_waited_for(hurried: Running, said: bytes) -> None:
    """Slowloris: a byte now and then, or none at all."""
    started_s = time.monotonic()
    with socket.create_connection(("127.0.0.1", hurried.port), timeout=0.05) as sock:
        sock.sendall(said)
        while True:
            try:
                assert not sock.recv(1_000)
                break
            except TimeoutError:
                if said:
                    sock.sendall(b"y")
            except ConnectionResetError:
                break
            assert time.monotonic() - started_s < 5

    assert time.monotonic() - started_s >= SHORT_S * 0.9
    until(lambda: not hurried.main.server_state.connections)


def test_the_second_head_is_not_waited_for_either(hurried: Running) -> None:
    request = b"GET /api/jitterbug/health HTTP/1.1\r\nHost: localhost\r\n\r\n"
    with socket.create_connection(("127.0.0.1", hurried.port), timeout=5) as sock:
        sock.sendall(request)
        assert b'{"status":"ok"}' in sock.recv(65_536)
        sock.sendall(request[:-2])
        with contextlib.suppress(ConnectionResetError):
            assert not sock.recv(65_536)


def test_whoever_is_being_served_is_left_in_peace(hurried: Running, visit: Visit) -> None:
    """A stream, and a connection that is kept for the next request."""
    visitor = visit(hurried)
    stream = visitor.get_stream("a")
    stream.control(Down.SUBSCRIBED)

    stream.watch(SHORT_S * 3)
    hurried.publish("a", "still here")

    assert stream.take(1) == ["still here"]
    assert visitor.http.get("/health").status_code == 200
