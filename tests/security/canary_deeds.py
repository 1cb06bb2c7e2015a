"""Everything a development hub can do and everything it refuses, done once."""

import json
from collections.abc import Callable
from typing import Any

from jitterbug.protocol.codes import Down
from jitterbug.protocol.signing import FrameSigner
from tests.security.canary import PUBLISHER_KID, ROOT_KID, Canary
from tests.server.serving import until
from tests.server.sockets import Op
from tests.server.wire import request

MARK = "payload-canary-51c7"
FOREIGN = {"Origin": "https://elsewhere.example", "Sec-Fetch-Site": "cross-site"}
STATUSES = {
    "no cookie": 401, "made-up cookie": 401, "bearer": 401, "foreign page": 403, "method": 405, "path": 404,
    "key body": 400, "stream without key": 401, "stream with another's key": 401, "stream query": 400,
    "stream channel": 400, "type": 415, "replay": 401, "not JSON": 400,
    "too large": 413, "forged": 401, "unsigned": 400, "unknown key": 401, "stale": 401,
    "another's key": 401, "root key": 401, "ahead": 401, "reflected": 400, "unknown type": 400,
    "another's connection": 401, "bad channel": 401, "publish with a session's key": 401, "publish forged": 401,
    "publish by a browser": 403, "publish nowhere": 400, "publish too much": 413, "too many keys": 429,
    "too many frames": 429, "other host": 403, "trace": 405, "logged out": 401,
    "token of eve": 401, "token of mallory": 401, "publisher elsewhere": 401, "publisher forged": 401,
}  # fmt: skip
"""Every kind of refusal, and how it must end: so that it is certain that each took place."""
SOCKET_WORDS: dict[str, str | int] = {
    "ping": "ack", "sub": "ack", "pub": "ack", "unsub": "ack", "report": "ack", "confirm": "ack",
    "replay": "unauthorized", "forged": "unauthorized", "unknown key": "unauthorized", "another's key": "unauthorized",
    "root key": "unauthorized", "stale": "unauthorized", "another's connection": "unauthorized",
    "unknown type": "invalid request", "reflected": "invalid request", "bad channel": "unauthorized",
    "too often": "rate limited", "not JSON": 1007, "binary": 1003, "too large": 1009, "no UTF-8": 1007,
}  # fmt: skip
"""The same on a WebSocket: the answer to each frame, or the code with which it ends the connection."""


def live(canary: Canary) -> None:
    """All that works: both kinds of streams, every type of frame, rotation, a back end, pages, the operator."""
    visitor, other = canary.visitors
    first, second = list(visitor.keys)
    visitor.kid = first
    stream, native = visitor.post_stream(["room", "$sys/telemetry"]), other.get_stream("room", "elsewhere")
    canary.streams += [stream, native]
    conn = stream.conn
    assert native.conn != conn
    frames: list[dict[str, Any]] = [
        {"t": "ping"}, {"t": "sub", "ch": "more"}, {"t": "pub", "ch": "room", "data": MARK},
        {"t": "unsub", "ch": "more"}, {"t": "report", "kind": "signature", "count": 2},
    ]  # fmt: skip
    for frame in frames:
        canary.note(f"frame {frame['t']}", visitor.send({"id": "1", "conn": conn, **frame}))
    canary.note("frame confirm", visitor.send({"t": "confirm", "conn": conn}, kid=second))
    visitor.kid = second
    canary.publish("publish", "room", [MARK])
    canary.publish("publish by a publisher", "news/today", MARK, canary.publisher)
    assert stream.control(Down.REKEY)["kid"] == second
    for each in (stream, native):
        each.wait_for(lambda each=each: [item.data for item in each.publications("room")] == [MARK, [MARK]])  # type: ignore[misc]
    canary.note("health", visitor.http.get("/health"))
    for url in (canary.hub.url + path for path in ("/", "/main.js", "/style.css", "/nothing")):
        canary.get(url)
    for url in (canary.hub.admin_url + path for path in ("/metrics", "/health/live", "/health/ready", "/nothing")):
        canary.get(url)


def talk(canary: Canary) -> None:
    """A WebSocket, both ways: every type of frame, what is refused and answered, and what ends the connection."""
    visitor, other = canary.visitors
    socket = canary.open_socket("room")
    ping: dict[str, Any] = {"t": "ping", "id": "1", "conn": socket.conn}
    good = json.loads(visitor.sign(ping))
    frames: list[dict[str, Any]] = [
        {"t": "ping"}, {"t": "sub", "ch": "more"}, {"t": "pub", "ch": "room", "data": MARK},
        {"t": "unsub", "ch": "more"}, {"t": "report", "kind": "signature"}, {"t": "confirm"},
    ]  # fmt: skip
    for frame in frames:
        canary.say(frame["t"], socket, visitor.sign({**ping, **frame}))
    once = visitor.sign(ping)
    canary.say("once", socket, once)
    # Signed when they are sent: none may have grown stale before.
    refused: dict[str, Callable[[], bytes]] = {
        "replay": lambda: once,
        "forged": lambda: json.dumps({**good, "payload": {**ping, "id": "2"}}).encode(),
        "unknown key": lambda: json.dumps({**good, "kid": "A" * 52}).encode(),
        "another's key": lambda: other.sign(ping),
        "root key": lambda: canary.root.sign(ping, canary.hub.push.clock.now_ms()),
        "stale": lambda: visitor.sign(ping, off_ms=-60_000),
        "another's connection": lambda: visitor.sign({**ping, "conn": canary.streams[1].conn}),
        "unknown type": lambda: visitor.sign({**ping, "t": "dance"}),
        "reflected": lambda: visitor.sign({**ping, "t": "hello", "seq": 1}),
        "bad channel": lambda: visitor.sign({**ping, "t": "pub", "ch": "a b", "data": 1}),
    }
    for name, sign in refused.items():
        canary.say(name, socket, sign())
    flooded = canary.open_socket()
    for number in range(45):
        canary.say("too often", flooded, visitor.sign({"t": "ping", "id": str(number), "conn": flooded.conn}))
    canary.break_off("not JSON", Op.TEXT, b"{")
    canary.break_off("binary", Op.BINARY, visitor.sign(ping))
    canary.break_off("too large", Op.TEXT, visitor.sign({**ping, "pad": "x" * 1_200}))
    canary.break_off("no UTF-8", Op.TEXT, b"\xff\xfe")


def refuse(canary: Canary) -> None:
    """All that fails, each in its own way."""
    visitor, other = canary.visitors
    conn = visitor.post_stream().conn
    ping: dict[str, Any] = {"t": "ping", "id": "1", "conn": conn}
    good = json.loads(visitor.sign(ping))
    http, now_ms = visitor.http, canary.hub.push.clock.now_ms()
    answers = {
        "foreign page": lambda: http.post("/keys", headers=FOREIGN),
        "method": lambda: http.get("/keys"),
        "path": lambda: http.get(f"/keys/{visitor.kid}"),
        "key body": lambda: visitor.post("/keys", b'{"a":1}'),
        "stream without key": lambda: visitor.post("/stream", b'{"kid":"unknown-key-0001","channels":{}}'),
        "stream with another's key": lambda: visitor.post("/stream", json.dumps({"kid": other.kid}).encode()),
        "stream query": lambda: http.get("/stream?kid=a&kid=b"),
        "stream channel": lambda: http.get(f"/stream?kid={visitor.kid}&channel=%00"),
        "type": lambda: http.post("/frames", content=visitor.sign(ping)),
        "publish with a session's key": lambda: visitor.post("/publish", visitor.sign({"t": "publish"})),
    }
    # Signed when they are sent: none may have grown stale before.
    frames: dict[str, Callable[[], bytes]] = {
        "not JSON": lambda: b"{",
        "too large": lambda: visitor.sign({**ping, "pad": "x" * 1_200}),
        "forged": lambda: json.dumps({**good, "payload": {**ping, "id": "2"}}).encode(),
        "unsigned": lambda: json.dumps({**good, "sig": ""}).encode(),
        "unknown key": lambda: json.dumps({**good, "kid": "A" * 52}).encode(),
        "another's key": lambda: other.sign(ping),
        "root key": lambda: canary.root.sign(ping, now_ms),
        "stale": lambda: visitor.sign(ping, off_ms=-60_000),
        "ahead": lambda: visitor.sign(ping, off_ms=60_000),
        "reflected": lambda: visitor.sign({"t": "hello", "conn": conn, "seq": 1}),
        "unknown type": lambda: visitor.sign({**ping, "t": "dance"}),
        "another's connection": lambda: visitor.sign({**ping, "conn": canary.streams[1].conn}),
        "bad channel": lambda: visitor.sign({**ping, "t": "pub", "ch": "a b", "data": 1}),
    }
    for name, answer in answers.items():
        canary.note(name, answer())
    once = visitor.sign(ping)
    canary.note("once", visitor.post("/frames", once))
    canary.note("replay", visitor.post("/frames", once))
    for name, frame in frames.items():
        canary.note(name, visitor.post("/frames", frame()))
    refuse_strangers(canary)
    too_often(canary)


def refuse_strangers(canary: Canary) -> None:
    """Without a session, as a back end, and below HTTP."""
    visitor = canary.visitors[0]
    canary.ask("no cookie", "/keys")
    canary.ask("made-up cookie", "/keys", headers={"Cookie": "jitterbug=made-up"})
    canary.ask("bearer", "/keys", headers={"Authorization": f"Bearer {visitor.cookie}"})
    for subject, audience in (("eve", "canary-other"), ("mallory", "canary-hub")):
        token = canary.token(subject, audience)
        forged = token if subject == "eve" else token[:-8] + "AAAAAAAA"
        canary.ask(f"token of {subject}", "/session", headers={"Authorization": f"Bearer {forged}"})
    canary.ask("publish by a browser", "/publish", b"{}", FOREIGN)
    canary.publish("publish forged", "room", 1, FrameSigner(ROOT_KID, bytes(32)))
    canary.publish("publisher elsewhere", "room", 1, canary.publisher)
    canary.publish("publisher forged", "news/today", 1, FrameSigner(PUBLISHER_KID, bytes(32)))
    canary.publish("publish nowhere", "a b", 1)
    canary.publish("publish too much", "room", "x" * 740)
    canary.raw("other host", request("GET", "/api/jitterbug/health", {"Host": "rebound.example"}))
    canary.raw("trace", visitor.raw("TRACE", "/keys"))
    canary.raw(
        "websocket", visitor.raw("GET", f"/ws?kid={visitor.kid}", {"Upgrade": "websocket", "Connection": "Upgrade"})
    )
    canary.raw("no HTTP", b"\x16\x03\x01 this is not HTTP\r\n\r\n")


def too_often(canary: Canary) -> None:
    """Over every limit, then out."""
    visitor, other = canary.visitors
    for _ in range(3):
        canary.note("too many keys", other.http.post("/keys"))
    streams = [visitor.post_stream() for _ in range(8)]
    until(lambda: [stream.step(0.01) for stream in streams] and all(stream.head for stream in streams))
    canary.statuses["too many streams"] = max(stream.head.status for stream in streams if stream.head)
    canary.streams += streams
    for number in range(60):
        canary.note("too many frames", other.send({"t": "ping", "id": str(number), "conn": "none"}))
    canary.note("log out", visitor.http.delete("/session"))
    canary.note("logged out", visitor.http.post("/keys"))
    assert canary.streams[0].control(Down.BYE)["reason"] == "revoked"
