"""One answer for each class of refusal, and nothing in it (PROTOCOL §7, R11, R59-R64)."""

import re
from collections.abc import Callable

import httpx2
import pytest

from jitterbug.server.app import BASE_PATH
from tests.server.answers import assert_base, assert_refused, causes
from tests.server.serving import Running, ask
from tests.server.visitor import JSON, Visitor
from tests.server.wire import exchange, request

Log = pytest.LogCaptureFixture
REFUSALS: dict[str, tuple[int, Callable[[Visitor], httpx2.Response]]] = {
    "no such path": (404, lambda v: v.http.get("/nothing")),
    "method": (405, lambda v: v.http.get("/keys")),
    "no session": (401, lambda v: ask("POST", f"{v.server.url}{BASE_PATH}/keys")),
    "foreign origin": (403, lambda v: v.http.post("/keys", headers={"origin": "null"})),
    "key request body": (400, lambda v: v.http.post("/keys", content=b"[]")),
    "strict JSON": (400, lambda v: v.http.post("/keys", content=b"{")),
    "content type": (415, lambda v: v.http.post("/frames", content=b"{}")),
    "body too large": (413, lambda v: v.post("/frames", b" " * 1_025)),
    "grammar": (400, lambda v: v.post("/frames", b"{}")),
    "reason='key'": (401, lambda v: v.post("/frames", v.sign({"t": "ping"}).replace(b'"kid":"', b'"kid":"x'))),
    "stream channels": (400, lambda v: v.http.get("/stream", params={"kid": v.kid, "channel": "a b"})),
    "stream key": (401, lambda v: v.http.get("/stream", params={"kid": "k" * 52})),
    "publish: grammar": (400, lambda v: v.post("/publish", b"{}")),
    "publish: key": (401, lambda v: v.post("/publish", v.sign({"t": "publish", "id": "1", "ch": "a", "data": 1}))),
    "publish from a browser": (403, lambda v: v.post("/publish", b"{}", {"origin": "https://a.example"})),
}
METHODS = ["GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "PROPFIND", "PURGE", "SUBSCRIBE"]
ALLOWED = {
    "/session": {"POST", "DELETE"},
    "/keys": {"POST"},
    "/stream": {"GET", "POST"},
    "/frames": {"POST"},
    "/publish": {"POST"},
    "/health": {"GET"},
}
MALFORMED = [
    b"\x00\x01\x02\x03\r\n\r\n",
    b"GET\r\n\r\n",
    b"GET / HTTP/9.9\r\n\r\n",
    b"get / HTTP/1.1\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost : a\r\n\r\n",
    b"GET / HTTP/1.1\r\nno colon\r\n\r\n",
    b"GET / HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
    b"POST / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
    b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
    b"GET http:// HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
    b"CONNECT 127.0.0.1:80 HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
    b"GET /\xff HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
]


@pytest.mark.parametrize("cause", REFUSALS)
def test_a_refusal_says_one_word_and_the_log_says_why(visitor: Visitor, cause: str, log: Log) -> None:
    """R60-R62, R64: the body depends on the class alone; the cause stands under the request id."""
    status, refused = REFUSALS[cause]

    request_id = assert_refused(refused(visitor), status)

    assert cause in causes(log, request_id)


def test_every_request_has_an_id_of_its_own(visitor: Visitor) -> None:
    answers = [visitor.http.get("/health") for _ in range(50)]

    assert len({answer.headers["x-request-id"] for answer in answers}) == 50


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("path", ALLOWED)
def test_other_methods_are_refused(visitor: Visitor, path: str, method: str) -> None:
    """R11: 405 with what is allowed; TRACE gives nothing back."""
    if method in ALLOWED[path] or (path, method) == ("/health", "HEAD"):
        return
    answer = visitor.http.request(method, path, headers={"x-secret": "do-not-echo"})

    assert answer.status_code == 405
    assert set(answer.headers["allow"].split(", ")) == ALLOWED[path]
    assert answer.text == ("" if method == "HEAD" else '{"error":"invalid request"}')
    assert_base(answer.headers)


@pytest.mark.parametrize(
    "path",
    [
        "", "/", "/keys/", "//keys", "/Keys", "/keys/x", "/keys%00", "/keys%2f", "/./keys%20", "/docs",
        "/openapi.json", "/metrics", "/debug", "/version", "/health/ready", "/..%2fkeys", "/%2e%2e/keys", "/key",
    ],
)  # fmt: skip
@pytest.mark.parametrize("method", ["GET", "POST", "TRACE"])
def test_there_is_nothing_beside_the_documented_paths(hub: Running, method: str, path: str) -> None:
    """R11: no debug, docs or version page; no second spelling of a path."""
    data = request(method, f"{BASE_PATH}{path}", {"Connection": "close"})

    head, body = exchange(hub.port, data)

    assert_base(head.headers)
    # Outside BASE, where a development hub has its page, the method is judged first.
    assert head.status in ({404, 405} if path == "" else {404})
    assert body == b'{"error":"invalid request"}'


@pytest.mark.parametrize("data", MALFORMED)
def test_what_is_not_http_gets_the_same_words(hub: Running, data: bytes) -> None:
    """R60, R62: no parser's name, no parser's text."""
    head, body = exchange(hub.port, data)

    assert (head.status, body) == (400, b'{"error":"invalid request"}')
    assert head.headers["connection"] == "close"
    assert_base(head.headers)


def test_an_answer_to_head_has_the_headers_alone(visitor: Visitor) -> None:
    answer = visitor.http.head("/health")

    assert (answer.status_code, answer.content) == (200, b"")
    assert_base(answer.headers)


@pytest.mark.parametrize(
    "hint",
    [
        {"headers": {"x-jitterbug-signing": "off"}},
        {"headers": {"x-jitterbug-version": "0"}},
        {"params": {"unsigned": "1"}},
        {"params": {"alg": "none"}},
        {"params": {"v": "0"}},
    ],
    ids=str,
)
def test_no_hint_opens_an_unsigned_stream(visitor: Visitor, hint: dict[str, dict[str, str]]) -> None:
    """R20: nothing in a request turns signing off; what the query does not know, it refuses."""
    params = {"kid": visitor.kid, "channel": "a", **hint.get("params", {})}
    if "params" in hint:
        assert_refused(visitor.http.get("/stream", params=params), 400)
        return
    stream = visitor.get_stream("a", headers=hint["headers"])
    assert stream.conn
    assert not stream.faults()


@pytest.mark.parametrize(
    "change",
    [
        (b'"sig":"', b'"sig":"AAAA'),
        (b'{"kid"', b'{"alg":"none","kid"'),
        (b'"t":"ping"', b'"t":"pinG"'),
        (b'"ts":', b'"ts":1e3,"ts":'),
        (b'"ts":', b'"ts": 0'),
    ],
)
def test_no_unsigned_or_changed_frame_is_taken(visitor: Visitor, change: tuple[bytes, bytes]) -> None:
    """R20, R31, R61: downgrade by the frame itself."""
    with visitor.post_stream() as stream:
        frame = visitor.sign({"t": "ping", "id": "1", "conn": stream.conn})
        changed = frame.replace(*change, 1)
        assert changed != frame
        assert visitor.post("/frames", changed).status_code in {400, 401}
        assert visitor.post("/frames", frame).status_code == 200


def test_refused_frames_all_get_the_one_answer_of_their_class(hub: Running, visitor: Visitor, visit: Callable) -> None:
    """R31, R32, R33, R59, R61, O13: unknown, foreign, stale, forged, replayed: one body, one status."""
    other = visit(hub)
    conn = visitor.post_stream().conn
    ping = {"t": "ping", "id": "1", "conn": conn}
    used = visitor.sign(ping)
    assert visitor.post("/frames", used).status_code == 200
    forged = visitor.sign(ping).replace(b'"id":"1"', b'"id":"2"')

    for frame in (
        used,
        forged,
        other.sign(ping),
        visitor.sign(ping, off_ms=-5_500),
        visitor.sign(ping, off_ms=6_000),
        visitor.sign(ping).replace(visitor.kid.encode(), b"k" * 52),
    ):
        assert_refused(visitor.post("/frames", frame), 401)


def test_json_is_the_only_type_taken(visitor: Visitor) -> None:
    """415: form types, which a foreign page could post without a preflight, above all."""
    for path in ("/frames", "/stream", "/publish"):
        for media_type in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "", "text/json"):
            assert_refused(visitor.http.post(path, content=b"{}", headers={"content-type": media_type}), 415)


@pytest.mark.parametrize("media_type", ["application/json", "application/json; charset=utf-8", "Application/JSON"])
def test_json_is_taken_with_or_without_parameters(visitor: Visitor, media_type: str) -> None:
    conn = visitor.post_stream().conn
    frame = visitor.sign({"t": "ping", "id": "1", "conn": conn})

    assert visitor.post("/frames", frame, {"content-type": media_type}).status_code == 200


def test_request_ids_are_not_taken_from_the_peer(visitor: Visitor, log: Log) -> None:
    """Nobody writes in the log under a name of their own, nor on a line of their own."""
    answer = visitor.http.get("/nothing", headers={"x-request-id": "mine"})

    assert re.fullmatch(r"[0-9a-f]{16}", answer.headers["x-request-id"])
    assert "mine" not in log.text


def test_what_a_peer_writes_stays_on_its_log_line(visitor: Visitor, log: Log) -> None:
    """REQUIREMENTS §2.25: no forged lines."""
    visitor.post_stream()
    conn = visitor.post_stream().conn
    forged = visitor.sign({"t": "sub", "id": "1", "conn": conn, "ch": "a\nERROR forged\r\nline"})
    assert visitor.post("/frames", forged, JSON).status_code == 401

    assert not [record for record in log.records if "\n" in record.getMessage()]
