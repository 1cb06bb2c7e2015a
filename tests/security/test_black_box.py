"""A hub as it is started, from outside: signed whatever it sends, nothing taken twice, nothing for strangers."""

import hashlib
import hmac
import json
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from jitterbug.protocol import base64
from jitterbug.protocol.codes import Down
from jitterbug.protocol.position import Position
from tests.security.dev_hub import DevHub
from tests.server.answers import assert_no_cors, assert_refused
from tests.server.visitor import Visitor
from tests.server.wire import OpenStream

Visit = Callable[[DevHub], Visitor]
_FRAME = re.compile(
    rb'\{"kid":"([\w-]+)","nonce":"([\w+/=]{44})","payload":(\{.*\}),"sig":"([\w+/=]{44})","ts":(\d{13})\}'
)
_BLOCK = re.compile(rb"retry: \d+|:|(?:id: [A-Za-z0-9._~-]{1,128}\n)?data: (.*)")


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DevHub]:
    """Nothing set: no variable, no flag, no file."""
    with DevHub(tmp_path_factory.mktemp("plain")) as hub:
        yield hub


@pytest.fixture(scope="module")
def brisk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DevHub]:
    """Frequent heartbeats, wide limits."""
    settings = ["HEARTBEAT_S=0.2", "RATE_CAPACITY=400", "KEYS_PER_MINUTE=1000", "DRAIN_S=0"]
    with DevHub(tmp_path_factory.mktemp("brisk"), settings) as hub:
        yield hub


@pytest.fixture
def short_lived(tmp_path: Path) -> Iterator[DevHub]:
    """Keys of four seconds."""
    with DevHub(tmp_path, ["KEY_TTL_S=4", "DRAIN_S=0"]) as hub:
        yield hub


@pytest.fixture
def visit() -> Iterator[Visit]:
    """Makes visitors with a login and a key."""
    visitors: list[Visitor] = []

    def come(hub: DevHub) -> Visitor:
        visitors.append(Visitor(hub))  # type: ignore[arg-type]
        visitors[-1].log_in().fetch_key()
        return visitors[-1]

    yield come
    for visitor in visitors:
        visitor.close()


def secrets_of(visitor: Visitor) -> dict[bytes, bytes]:
    """What its key answers said."""
    keys = [answer.json() for answer in visitor.answers if answer.request.url.path.endswith("/keys")]
    return {key["kid"].encode(): base64.decode(key["secret"]) for key in keys}


def signed_by_hand(stream: OpenStream, secrets: dict[bytes, bytes]) -> list[dict[str, Any]]:
    """Check every block of a body with the standard library alone; return the payloads."""
    payloads = []
    for block in stream.blocks():
        found = _BLOCK.fullmatch(block)
        assert found is not None, block
        if found[1] is None:
            continue
        frame = _FRAME.fullmatch(found[1])
        assert frame is not None, found[1]
        kid, nonce, payload, sig, ts = frame.groups()
        message = b":".join((kid, ts, nonce, payload))
        expected = hmac.new(secrets[kid], message, hashlib.sha256).digest()
        assert hmac.compare_digest(base64.decode(sig.decode()), expected)
        payloads.append(json.loads(payload))
    return payloads


def test_a_hub_that_is_told_nothing_signs_everything_r1_r6_r10_o3(plain: DevHub, visit: Visit) -> None:
    """O2: under the key the client just fetched; nothing but ``retry`` and empty comments beside the frames (O28)."""
    visitor = visit(plain)
    stream = visitor.post_stream(["a"])
    assert visitor.send({"t": "pub", "id": "1", "conn": stream.conn, "ch": "a", "data": {"n": 1}}).status_code == 200
    stream.take(1)
    kinds = [payload["t"] for payload in signed_by_hand(stream, secrets_of(visitor))]

    assert kinds == ["hello", "subscribed", "msg"]


def test_every_kind_of_frame_is_signed_o28_r1_r2(brisk: DevHub, visit: Visit) -> None:
    """Heartbeats, gaps, rotation and farewells too, and the key changes when the client shows the next one."""
    visitor = visit(brisk)
    stream = visitor.get_stream("a", "b")
    conn = stream.conn
    visitor.send({"t": "pub", "id": "1", "conn": conn, "ch": "a", "data": 1})
    visitor.send({"t": "unsub", "id": "2", "conn": conn, "ch": "b"})
    new = visitor.fetch_key()["kid"]
    visitor.send({"t": "confirm", "conn": conn}, kid=new)
    assert stream.control(Down.REKEY)["kid"] == new
    stream.control(Down.HB)
    second = visitor.post_stream({"a": Position("bygone", 7)})
    second.wait_for(second.gaps)
    visitor.http.delete("/session")
    for each in (stream, second):
        assert each.control(Down.BYE)["reason"] == "revoked"
        each.wait_for_end()
    payloads = [*signed_by_hand(stream, secrets_of(visitor)), *signed_by_hand(second, secrets_of(visitor))]

    assert {payload["t"] for payload in payloads} >= {
        "hello", "subscribed", "msg", "gap", "unsubscribed", "rekey", "hb", "bye",
    }  # fmt: skip


def test_a_key_ends_by_itself_r7_r17_r38(short_lived: DevHub, visit: Visit) -> None:
    """Nobody revokes it: after ``expiresAt`` it opens no stream, signs no frame, and its stream has said so."""
    visitor = visit(short_lived)
    key = visitor.answers[-1].json()
    stream = visitor.post_stream(["a"])
    conn = stream.conn
    assert visitor.send({"t": "ping", "id": "1", "conn": conn}).status_code == 200
    assert stream.control(Down.BYE)["reason"] == "key_expired"
    stream.wait_for_end()
    time.sleep(max(0.0, (key["expiresAt"] - short_lived.push.clock.now_ms()) / 1_000 + 0.01))

    assert all(payload["seq"] for payload in signed_by_hand(stream, secrets_of(visitor)))
    assert_refused(visitor.send({"t": "ping", "id": "2", "conn": conn}), 401)
    assert_refused(visitor.post("/stream", json.dumps({"kid": key["kid"]}).encode()), 401)
    visitor.fetch_key()
    assert visitor.post_stream(["a"]).conn != conn


def test_no_frame_is_taken_twice_r8_r33_o12(plain: DevHub, visit: Visit) -> None:
    """The hub itself checks what clients send: at once, later, in another spelling, and for another stream."""
    visitor = visit(plain)
    conn = visitor.post_stream().conn
    visitor.post_stream()
    once = visitor.sign({"t": "ping", "id": "1", "conn": conn})
    loose = json.dumps(json.loads(once), indent=1).encode()

    assert visitor.post("/frames", once).json() == {"id": "1"}
    for again in (once, loose):
        assert_refused(visitor.post("/frames", again), 401)
    time.sleep(1)
    assert_refused(visitor.post("/frames", once), 401)


def test_strangers_get_nothing_o31_r37_r40(plain: DevHub, visit: Visit) -> None:
    """No stream, no key and no post without a session; no other origin is let in, least of all by ``*``."""
    kid = visit(plain).kid
    with Visitor(plain) as stranger:  # type: ignore[arg-type]
        for answer in (
            stranger.http.get(f"/stream?kid={kid}"),
            stranger.post("/stream", json.dumps({"kid": kid}).encode()),
            stranger.post("/frames", b"{}"),
            stranger.http.post("/keys"),
            stranger.http.delete("/session"),
        ):
            assert_refused(answer, 401)
    visitor = visit(plain)
    for origin in ("https://elsewhere.example", "null", "http://127.0.0.1", "*"):
        for method, path in (("POST", "/keys"), ("GET", f"/stream?kid={visitor.kid}"), ("OPTIONS", "/keys")):
            answer = visitor.http.request(method, path, headers={"Origin": origin})
            assert_refused(answer, 403)
            assert_no_cors(answer.headers)


def test_ids_are_not_guessed_and_nothing_tells_of_others_o31_r46_o17(brisk: DevHub, visit: Visit) -> None:
    """Connections and keys share no part that counts or tells the time; a heartbeat holds the time and nothing else."""
    visitor = visit(brisk)
    streams = [visitor.post_stream() for _ in range(24)]
    conns = [stream.conn for stream in streams]
    kids = [visitor.fetch_key()["kid"] for _ in range(24)]
    beat = streams[0].control(Down.HB)

    for ids in (conns, kids):
        assert len({each[:6] for each in ids}) == len({each[-6:] for each in ids}) == len(ids)
        assert sorted(ids) != ids
    assert all(len(conn) >= 16 for conn in conns)
    assert beat.keys() == {"t", "conn", "seq", "serverTime"}


@pytest.mark.parametrize(
    "channels",
    [
        {f"c{number}": None for number in range(101)}, {"a": [None]}, {"a": [1, 2]}, {"a": ["e", -1]},
        {"a": ["e", 1.5]}, {"a": ["e", 1, 2]}, {"a": True}, {"": None}, {"x" * 129: None}, {"a b": None}, {"é": None},
        {"a\n": None}, ["a"], [None], "a", 1, None,
    ],
    ids=lambda channels: str(channels)[:24],
)  # fmt: skip
def test_subscriptions_are_checked_to_the_last_o30_r62(plain: DevHub, visit: Visit, channels: Any) -> None:
    """Number, type, grammar and length, before anything is opened or kept."""
    visitor = visit(plain)

    assert_refused(visitor.post("/stream", json.dumps({"kid": visitor.kid, "channels": channels}).encode()), 400)


def test_subscribing_is_limited_before_it_costs_anything_o30_r54(tmp_path: Path, visit: Visit) -> None:
    """Ten at once and no more; what is over is not subscribed to."""
    with DevHub(tmp_path, ["RATE_REFILL_PER_S=0.001", "DRAIN_S=0"]) as hub:
        visitor = visit(hub)
        stream = visitor.post_stream()
        conn = stream.conn
        subs = ({"t": "sub", "id": str(number), "conn": conn, "ch": f"o30/{number}"} for number in range(15))
        answers = [visitor.send(sub) for sub in subs]

        assert [answer.status_code for answer in answers] == [200] * 10 + [429] * 5
        for answer in answers[10:]:
            assert_refused(answer, 429)
        stream.wait_for(lambda: len(stream.controls(Down.SUBSCRIBED)) == 10)
        stream.watch(0.1)
        assert len(stream.controls(Down.SUBSCRIBED)) == 10
