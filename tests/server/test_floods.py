"""What a stranger sends costs a bounded amount, whatever it is, and no socket is held for ever (REQUIREMENTS §2.26)."""

import contextlib
import socket
import time
from collections.abc import Iterator
from typing import Any

import pytest

from jitterbug import Jitterbug
from jitterbug.server.uvicorn import http
from tests.server import serving
from tests.server.conftest import development
from tests.server.serving import Running, until

SHORT_S = 0.4
REQUEST = b"GET /api/jitterbug/health HTTP/1.1\r\nHost: localhost\r\n\r\n"
CHUNKED = b"POST /nope HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"


@pytest.fixture(scope="module")
def hurried() -> Iterator[Running]:
    """A hub with little patience."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setattr(http, "HEAD_TIMEOUT_S", SHORT_S)
        monkeypatch.setattr(http, "TAKE_TIMEOUT_S", SHORT_S)
        running = serving.start("transport", Jitterbug(config=development()))
        yield running
        running.stop()


@contextlib.contextmanager
def socket_to(running: Running) -> Iterator[socket.socket]:
    """One that takes little."""
    with socket.socket() as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2_048)
        sock.settimeout(5)
        sock.connect(("127.0.0.1", running.port))
        yield sock


def flood(sock: socket.socket, piece: bytes, limit_bytes: int) -> None:
    """Send until it is over, or nothing goes any more, or so much is out."""
    sent = 0
    sock.settimeout(0.3)
    with contextlib.suppress(ConnectionError, TimeoutError):
        while sent < limit_bytes:
            sent += sock.send(piece)


def largest(running: Running) -> tuple[int, int]:
    """Headers of a request, and requests that wait behind one."""
    connections: set[Any] = running.main.server_state.connections
    return running.do(
        lambda: (
            max((len(c.headers or ()) for c in connections), default=0),
            max((len(c.pipeline) for c in connections), default=0),
        )
    )


@pytest.mark.parametrize(
    ("first", "piece"),
    [
        (b"", b"GET / HTTP/1.1\r\n\r\n" * 2_000),
        (b"GET / HTTP/1.1\r\n", b"a:\r\n" * 2_000),
        (CHUNKED + b"0\r\n", b"a:b\r\n" * 2_000),
    ],
    ids=["requests", "headers", "trailers"],
)
def test_a_flood_of_small_things_is_not_kept(hurried: Running, first: bytes, piece: bytes) -> None:
    """Two megabytes of requests were 280 MB in the hub, for as long as the peer liked; of trailers, 40 MB."""
    with socket_to(hurried) as sock:
        sock.sendall(first)
        time.sleep(0.1)
        flood(sock, piece, 2_000_000)
        headers, waiting = largest(hurried)
        assert headers <= 128
        assert waiting <= 16
        until(lambda: not hurried.main.server_state.connections, limit_s=5)
    until(lambda: not hurried.main.server_state.tasks, limit_s=5)


@pytest.mark.parametrize(
    "said",
    [
        REQUEST + b"\r\n",
        b"POST /nope HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000\r\n\r\n" + b"x",
        CHUNKED + b"5\r\nhello\r\n",
    ],
    ids=["empty line", "body", "chunk"],
)
def test_no_socket_is_held_after_its_answer(hurried: Running, said: bytes) -> None:
    """A byte behind an answer ends the wait for the next request, and used to begin no other."""
    with socket_to(hurried) as sock:
        sock.sendall(said[:-1])
        time.sleep(0.1)
        sock.sendall(said[-1:])
        until(lambda: not hurried.main.server_state.connections, limit_s=3)


def test_an_answer_that_nobody_takes_is_not_kept(hurried: Running) -> None:
    """Few enough requests at a time to be served, and none of their answers read."""
    with socket_to(hurried) as sock, contextlib.suppress(ConnectionError, TimeoutError):
        sock.settimeout(0.3)
        for _ in range(3_000):
            sock.sendall(REQUEST * 4)
    with socket_to(hurried) as sock:
        with contextlib.suppress(ConnectionError, TimeoutError):
            sock.settimeout(0.3)
            for _ in range(3_000):
                sock.sendall(REQUEST * 4)
        until(lambda: not hurried.main.server_state.connections, limit_s=5)
        until(lambda: not hurried.main.server_state.tasks, limit_s=5)


def test_a_head_that_is_too_large_is_refused_though_it_comes_at_once(hurried: Running) -> None:
    with socket_to(hurried) as sock, contextlib.suppress(ConnectionError):
        sock.sendall(b"GET /api/jitterbug/health HTTP/1.1\r\nHost: localhost\r\n")
        sock.sendall((b"X: " + b"y" * 1_000 + b"\r\n") * 70 + b"\r\n")
        assert b" 400 " in sock.recv(100)


def test_requests_in_a_row_are_served(hurried: Running) -> None:
    """Pipelining in reason (RFC 9112 §9.3.2)."""
    with socket_to(hurried) as sock:
        sock.sendall(REQUEST * 8)
        said = b""
        while said.count(b'{"status":"ok"}') < 8:
            piece = sock.recv(65_536)
            assert piece
            said += piece
