"""Bodies are bounded in size, time and form before anything looks at them (R58, R62, REQUIREMENTS §2.26)."""

import asyncio
import socket
import time
from collections.abc import Callable

import pytest

from jitterbug.server import body
from jitterbug.server.answers import RefusedRequest
from tests.protocol.outside import changed, members
from tests.server.answers import assert_base, assert_refused, causes
from tests.server.serving import Kind, Running
from tests.server.visitor import JSON, Visitor
from tests.server.wire import Head, exchange

Visit = Callable[..., Visitor]
LIMIT_BYTES = 1_024


def frame_of(visitor: Visitor, conn: str, size: int, filler: str = "x") -> bytes:
    """A signed ping of exactly so many bytes."""
    bare = visitor.sign({"t": "ping", "id": "1", "conn": conn, "pad": ""})
    wide, rest = divmod(size - len(bare), len(filler.encode()))
    frame = visitor.sign({"t": "ping", "id": "1", "conn": conn, "pad": filler * wide + "x" * rest})
    assert len(frame) == size
    return frame


@pytest.mark.parametrize("filler", ["x", "é", "😀"])
def test_a_frame_of_1024_bytes_passes_and_1025_do_not(server: Running, visit: Visit, filler: str) -> None:
    """R58: bytes, not characters."""
    visitor = visit(server)
    conn = visitor.post_stream().conn

    passes = visitor.post("/frames", frame_of(visitor, conn, LIMIT_BYTES, filler))
    refused = visitor.post("/frames", frame_of(visitor, conn, LIMIT_BYTES + 1, filler))

    assert (passes.status_code, passes.json()) == (200, {"id": "1"})
    assert_refused(refused, 413)


def test_a_body_of_unknown_length_is_counted_too(server: Running, visit: Visit) -> None:
    """R58: chunked, so nothing announces its size."""
    visitor = visit(server)
    conn = visitor.post_stream().conn

    def post(size: int) -> tuple[int, bytes]:
        data = frame_of(visitor, conn, size)
        pieces = [data[start : start + 100] for start in range(0, size, 100)] + [b""]
        text = b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces)
        head = visitor.raw("POST", "/frames", {**JSON, "Transfer-Encoding": "chunked"})
        answer, body = exchange(server.port, head + text)
        return answer.status, body

    assert post(LIMIT_BYTES) == (200, b'{"id":"1"}')
    assert post(LIMIT_BYTES + 1) == (413, b'{"error":"invalid request"}')


@pytest.mark.parametrize(
    ("path", "limit"), [("/frames", LIMIT_BYTES), ("/publish", LIMIT_BYTES), ("/keys", 1_024), ("/stream", 32_768)]
)
def test_every_body_has_a_bound(server: Running, visit: Visit, path: str, limit: int) -> None:
    """One byte more is refused by what was announced, before it is read."""
    visitor = visit(server)
    assert_refused(visitor.post(path, b" " * (limit + 1)), 413)
    assert visitor.post(path, b" " * limit).status_code != 413

    head, _ = exchange(server.port, visitor.raw("POST", path, {**JSON, "Content-Length": str(10**15)}))

    assert head.status == 413
    assert_base(head.headers)


@pytest.mark.parametrize("announced", [True, False])
def test_a_body_in_pieces_that_is_too_large_sees_its_answer(server: Running, visit: Visit, *, announced: bool) -> None:
    """R58: the peer is still sending when it is refused; a reset would take the answer from it."""
    visitor = visit(server)
    pieces = [b" " * 1_000] * 30
    framing = {"Content-Length": "30000"} if announced else {"Transfer-Encoding": "chunked"}
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as sock:
        sock.sendall(visitor.raw("POST", "/frames", {**JSON, **framing}))
        for piece in pieces:
            sock.sendall(piece if announced else b"%x\r\n%b\r\n" % (len(piece), piece))
            time.sleep(0.002)
        if not announced:
            sock.sendall(b"0\r\n\r\n")
        received = b""
        while b'"}' not in received:
            chunk = sock.recv(65_536)
            assert chunk, "closed without an answer"
            received += chunk
    assert Head.parse(received.partition(b"\r\n\r\n")[0]).status == 413


def test_no_more_than_so_much_of_a_refused_body_is_taken() -> None:
    """REQUIREMENTS §2.26: 64 KiB, or a second."""
    taken = 0

    async def receive() -> dict[str, object]:
        nonlocal taken
        taken += 1
        return {"type": "http.request", "body": b"x" * 4_096, "more_body": True}

    with pytest.raises(RefusedRequest) as refused:
        asyncio.run(body.read_body({"type": "http", "headers": []}, receive, 100))
    assert refused.value.status == 413
    assert taken == 1 + 16


def test_a_peer_that_waits_for_leave_to_send_is_refused_at_once(server: Running, visit: Visit) -> None:
    """RFC 9110 §10.1.1: it has sent nothing, and may not be asked for any of it."""
    visitor = visit(server)
    data = visitor.raw("POST", "/frames", {**JSON, "Content-Length": "5000", "Expect": "100-continue"})
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as sock:
        sock.sendall(data)
        assert sock.recv(65_536).startswith(b"HTTP/1.1 413 ")


def test_an_endless_body_is_cut_with_an_answer(server: Running, visit: Visit) -> None:
    """A peer that goes on sending learns why, and the connection is not kept."""
    visitor = visit(server)
    data = visitor.raw("POST", "/frames", {**JSON, "Transfer-Encoding": "chunked"})
    piece = b"400\r\n" + b" " * 1_024 + b"\r\n"

    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as sock:
        sock.sendall(data)
        received = b""
        for _ in range(2):
            sock.sendall(piece)
        while b'"}' not in received:
            chunk = sock.recv(65_536)
            assert chunk, "closed without an answer"
            received += chunk
        assert Head.parse(received.partition(b"\r\n\r\n")[0]).status == 413
        with pytest.raises((ConnectionResetError, BrokenPipeError)):
            send_on(sock, piece)


def send_on(sock: socket.socket, piece: bytes) -> None:
    """Send again and again, for ten seconds."""
    for _ in range(10_000):
        sock.sendall(piece)
        time.sleep(0.001)


def test_a_slow_body_is_cut(
    kind: Kind, server: Running, visit: Visit, monkeypatch: pytest.MonkeyPatch, log: pytest.LogCaptureFixture
) -> None:
    """REQUIREMENTS §2.26: a byte now and then does not hold a connection for ever."""
    monkeypatch.setattr(body, "BODY_TIMEOUT_S", 0.3)
    visitor = visit(server)
    started_s = time.monotonic()

    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as sock:
        sock.sendall(visitor.raw("POST", "/frames", {**JSON, "Content-Length": "500"}))
        sock.settimeout(0.05)
        received = b""
        while True:
            try:
                chunk = sock.recv(65_536)
            except TimeoutError:
                sock.sendall(b" ")
                continue
            except ConnectionResetError:
                break
            if not chunk:
                break
            received += chunk

    head = Head.parse(received.partition(b"\r\n\r\n")[0])
    assert (head.status, received.partition(b"\r\n\r\n")[2]) == (400, b'{"error":"invalid request"}')
    assert 0.3 <= time.monotonic() - started_s < 5
    assert "too slow" in causes(log, assert_base(head.headers))


def test_a_body_that_breaks_off_leaves_nothing(server: Running, visit: Visit) -> None:
    """The peer is gone: nobody to answer, nothing kept, the next request is served."""
    visitor = visit(server)
    for _ in range(20):
        with socket.create_connection(("127.0.0.1", server.port)) as sock:
            sock.sendall(visitor.raw("POST", "/frames", {**JSON, "Content-Length": "500"}) + b"{")

    assert visitor.http.get("/health").status_code == 200


MALFORMED_STREAM = [
    b"",
    b"[]",
    b"null",
    b'"text"',
    b"{}",
    b'{"kid":1}',
    b'{"kid":"KID","channels":[]}',
    b'{"kid":"KID","channels":["a"]}',
    b'{"kid":"KID","channels":{"a":0}}',
    b'{"kid":"KID","channels":{"a":[]}}',
    b'{"kid":"KID","channels":{"a":["e"]}}',
    b'{"kid":"KID","channels":{"a":["e",-1]}}',
    b'{"kid":"KID","channels":{"a":["e",1.5]}}',
    b'{"kid":"KID","channels":{"a":["e",true]}}',
    b'{"kid":"KID","channels":{"a":["e","1"]}}',
    b'{"kid":"KID","channels":{"a":["e",1,2]}}',
    b'{"kid":"KID","channels":{"a":["",1]}}',
    b'{"kid":"KID","channels":{"a":null,"a":null}}',
    b'{"kid":"KID","channels":{"a":null},"more":1}',
    b'{"kid":"KID","channels":{"a":NaN}}',
    b'{"kid":"KID","channels":{"\\ud800":null}}',
    b'{"kid":"KID"}{}',
    b'{"kid":"KID","kid":"KID"}',
    b'{"kid":"KID","channels":' + b'{"a":' * 40 + b"null" + b"}" * 40 + b"}",
]


@pytest.mark.parametrize("text", MALFORMED_STREAM)
def test_a_malformed_stream_request_is_refused(hub: Running, visitor: Visitor, text: bytes) -> None:
    """R62: wrong type, missing member, unknown member, bad JSON: one body."""
    answer = visitor.post("/stream", text.replace(b"KID", visitor.kid.encode()))

    assert_refused(answer, 401 if text == b'{"kid":1}' else 400)


MALFORMED_FRAMES = {
    "not JSON": lambda text: text[:-1],
    "array": lambda text: b"[" + text + b"]",
    "twice": lambda text: text + text,
    "BOM": lambda text: b"\xef\xbb\xbf" + text,
    "UTF-16": lambda text: text.decode().encode("utf-16"),
    "further member": lambda text: text[:-1] + b',"admin":true}',
    "duplicate member": lambda text: text[:-1] + b',"ts":1}',
    "ts text": lambda text: text.replace(b'"ts":', b'"ts":"').replace(b"}", b'"}'),
    "kid with a colon": lambda text: text.replace(b'"kid":"', b'"kid":"a:'),
    "short nonce": lambda text: text.replace(members(text)["nonce"].encode(), b"AAAA"),
    "padded twice": lambda text: text.replace(b'=","payload"', b'==","payload"'),
    "sig in URL alphabet": lambda text: text.replace(members(text)["sig"].encode(), b"_" * 43 + b"="),
    "non-ASCII sig": lambda text: text.replace(members(text)["sig"].encode(), "é".encode() * 44),
    "payload text": lambda text: changed(text, payload="x"),
    "payload array": lambda text: changed(text, payload=[]),
}


@pytest.mark.parametrize("change", MALFORMED_FRAMES)
def test_a_malformed_frame_is_refused(hub: Running, visitor: Visitor, change: str) -> None:
    """R25, R62, O8: every malformed text ends as the one answer, whatever the parser thinks of it."""
    frame = visitor.sign({"t": "ping", "id": "1", "conn": "x"})

    assert_refused(visitor.post("/frames", MALFORMED_FRAMES[change](frame)), 400)


def test_expect_100_continue_is_honoured(hub: Running, visitor: Visitor) -> None:
    """RFC 9110 §10.1.1, as curl sends it with larger bodies."""
    data = visitor.raw("POST", "/frames", {**JSON, "Expect": "100-continue", "Content-Length": "2"})

    with socket.create_connection(("127.0.0.1", hub.port), timeout=10) as sock:
        sock.sendall(data)
        assert sock.recv(65_536) == b"HTTP/1.1 100 Continue\r\n\r\n"
        sock.sendall(b"{}")
        assert sock.recv(65_536).startswith(b"HTTP/1.1 400 ")
