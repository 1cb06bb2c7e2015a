"""Nothing that should stay secret leaves the hub by another way than the one it is meant to (R4, R47, R48, R60)."""

import base64
from collections.abc import Callable

import pytest

from jitterbug.config import Secret
from jitterbug.protocol import base64 as strict
from jitterbug.protocol.codes import Down
from jitterbug.protocol.signing import FrameSigner
from tests.server.conftest import Start, development
from tests.server.serving import Kind, Running, ask, until
from tests.server.visitor import Visitor
from tests.server.wire import exchange

Visit = Callable[..., Visitor]
ROOT = bytes(range(7, 47))
METHODS = ["GET", "HEAD", "PUT", "DELETE", "TRACE", "OPTIONS"]
PATHS = ["", "/keys", "/stream", "/health", "/nothing"]


def spellings(secret: bytes) -> list[bytes]:
    """A secret as it might be written by accident, and beginnings of that."""
    text = base64.b64encode(secret)
    return [
        secret, text, text.rstrip(b"="), base64.urlsafe_b64encode(secret).rstrip(b"="), secret.hex().encode(),
        secret.hex().upper().encode(), repr(secret).encode(), text[:20], secret.hex()[:20].encode(),
    ]  # fmt: skip


def use(visitor: Visitor, other: Visitor, conn: str) -> None:
    """Everything a login can do, well and badly."""
    ping = {"t": "ping", "id": "1", "conn": conn}
    used = visitor.sign(ping)
    forged = visitor.sign(ping).replace(b'"id":"1"', b'"id":"2"')
    for frame in (used, used, forged, other.sign(ping), b"{}", b"\xff" * 20):
        visitor.post("/frames", frame)
    for kind in ({"t": "confirm"}, {"t": "sub", "ch": "c"}, {"t": "pub", "ch": "a", "data": 1}, {"t": "report"}):
        visitor.send({"id": "1", "conn": conn, **kind})
    publication = {"t": "publish", "id": "1", "ch": "a", "data": {"x": 1}}
    for secret in (ROOT, bytes(32)):
        visitor.post("/publish", FrameSigner("root-key", secret).sign(publication, visitor.clock.now_ms()))
    for method in METHODS:
        for path in PATHS:
            visitor.http.request(method, path)
    visitor.http.post("/keys", content=b"[")
    visitor.post("/stream", b'{"kid":"%b","channels":{"a b":null}}' % visitor.kid.encode())


def shown(hub: Running, visitor: Visitor) -> list[bytes]:
    """What the hub shows without being asked by a login."""
    found = [exchange(hub.port, b"junk\r\n\r\n")[1], exchange(hub.port, visitor.raw("GET", "/health"))[1]]
    urls = [f"{hub.admin_url}/metrics", f"{hub.url}/"] if hub.admin_url else []
    return found + [ask("GET", url, headers={"cookie": visitor.cookie}).content for url in urls]


@pytest.mark.parametrize("kind", ["transport", "fastapi"])
def test_keys_and_logins_show_in_no_other_answer_header_log_line_or_metric(
    kind: Kind, start: Start, visit: Visit, log: pytest.LogCaptureFixture
) -> None:
    """R4: every byte the hub emits while everything is used, and misused, once."""
    hub = start(kind, config=development(hmac_key_id="root-key", hmac_secret=Secret(ROOT)))
    visitor, other = visit(hub), visit(hub)
    secrets = [ROOT, *(strict.decode(visitor.fetch_key()["secret"]) for _ in range(3))]
    streams = [visitor.get_stream("a", "b"), visitor.post_stream(["a"])]
    use(visitor, other, streams[0].conn)
    cookie = visitor.cookie.partition("=")[2].encode()
    emitted = shown(hub, visitor)
    wires = hub.do(hub.push.hub.connections)
    assert len(wires) == 2
    visitor.http.delete("/session")
    for stream in streams:
        stream.control(Down.BYE)
        emitted.append(stream.raw)

    meant = 0
    for answer in visitor.answers:
        is_key = answer.request.url.path.endswith("/keys") and answer.status_code == 200
        meant += is_key
        head = repr(sorted(answer.headers.items())).encode()
        emitted.append(
            head.replace(b"jitterbug=" + cookie, b"") if answer.request.url.path.endswith("/session") else head
        )
        emitted.append(b"" if is_key else answer.content)
    # The client of this test logs as well, and quite freely.
    lines = [record for record in log.records if record.name.partition(".")[0] in {"jitterbug", "uvicorn", "asyncio"}]
    emitted += [f"{record.getMessage()} {record.exc_text} {record.args}".encode() for record in lines]
    everything = b"\n".join(emitted)

    assert meant == 4
    assert len(everything) > 20_000
    assert not [number for number, secret in enumerate(secrets) for text in spellings(secret) if text in everything]
    assert cookie not in everything
    until(lambda: hub.connections() == 0)  # by then no table has an entry under the login
    assert cookie.decode() not in repr([hub.push.config, vars(hub.push.hub), *wires])


def test_no_log_line_holds_a_whole_kid(start: Start, visit: Visit, log: pytest.LogCaptureFixture) -> None:
    """R83-R87: enough of it to find it again, not enough to use it."""
    hub = start()
    visitor = visit(hub)
    stream = visitor.get_stream("a")
    visitor.send({"t": "confirm", "conn": stream.conn})
    visitor.http.delete("/session")
    stream.control(Down.BYE)

    assert visitor.kid[:8] in log.text
    assert visitor.kid not in log.text
