"""``POST BASE/keys``: who may ask, how often, and exactly what is answered (PROTOCOL §2, R37-R46)."""

import re
from collections.abc import Callable
from typing import Any

import pytest

from jitterbug.protocol import base64
from jitterbug.protocol.codes import Down
from jitterbug.testing import ManualClock
from tests.server.answers import assert_base, assert_no_cors, assert_refused
from tests.server.conftest import Start
from tests.server.serving import Kind, Running
from tests.server.visitor import Visitor

Visit = Callable[..., Visitor]


def issued(hub: Running) -> float:
    """Keys handed out so far, by the hub's own count."""
    return hub.metric("keys_issued_total")


def test_a_key_answer_has_exactly_these_members(server: Running, visit: Visit) -> None:
    """R42, R43, R44, R45, R46: types, lengths, grammar; integer milliseconds."""
    visitor = visit(server)
    answer = visitor.answers[-1]
    key = answer.json()

    assert sorted(key) == ["algorithm", "expiresAt", "kid", "secret", "serverTime"]
    assert key["algorithm"] == "sha256"
    assert type(key["expiresAt"]) is type(key["serverTime"]) is int
    assert re.fullmatch(r"[A-Za-z0-9_-]{16,96}", key["kid"])
    assert len(base64.decode(key["secret"])) == 32
    assert base64.is_32(key["secret"])


class RestlessClock(ManualClock):
    """Every look at the wall is a millisecond after the one before, as on a busy machine."""

    def now_ms(self) -> int:
        self.advance(ms=1)
        return super().now_ms()


def test_the_life_told_is_exact_on_a_busy_machine(kind: Kind, start: Start, visit: Visit) -> None:
    """R38: ``expiresAt`` and ``serverTime`` come from one reading, so a client counts the whole life and no more."""
    key = visit(start(kind, clock=RestlessClock())).answers[-1].json()

    assert key["expiresAt"] - key["serverTime"] == 600_000


def test_a_key_answer_is_kept_by_nobody(server: Running, visit: Visit) -> None:
    """R42: ``no-store``, JSON, ``nosniff``, ``Vary``, no CORS, no new cookie."""
    headers = visit(server).answers[-1].headers

    assert_base(headers)
    assert_no_cors(headers)
    assert headers["content-type"] == "application/json"
    assert {name.strip() for name in headers["vary"].split(",")} == {"Cookie", "Origin"}
    assert "set-cookie" not in headers


def test_a_key_lives_ten_minutes(visitor: Visitor) -> None:
    """R38: ``expiresAt - serverTime`` in (590 s, 600 s], and the hub's time is the time."""
    key = visitor.fetch_key()

    assert 590_000 < key["expiresAt"] - key["serverTime"] <= 600_000
    assert abs(key["serverTime"] - visitor.clock.now_ms()) < 5_000


def test_the_setting_shortens_it(start: Start, visit: Visit) -> None:
    """R38."""
    key = visit(start(key_ttl_s=30)).fetch_key()

    assert 29_000 < key["expiresAt"] - key["serverTime"] <= 30_000


def test_keys_and_kids_never_repeat(start: Start, visit: Visit) -> None:
    """R43, R46: two logins, 400 keys."""
    hub = start(keys_per_minute=300)
    keys = [visitor.fetch_key() for visitor in (visit(hub), visit(hub)) for _ in range(200)]

    assert len({key["kid"] for key in keys}) == len({key["secret"] for key in keys}) == 400


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "PROPFIND"])
def test_only_post_asks_for_a_key(hub: Running, visitor: Visitor, method: str) -> None:
    """R39, O16: 405 with ``Allow: POST``; nothing is made."""
    before = issued(hub)

    answer = visitor.http.request(method, "/keys")

    assert answer.status_code == 405
    assert answer.headers["allow"] == "POST"
    assert answer.content == (b"" if method == "HEAD" else b'{"error":"invalid request"}')
    assert_base(answer.headers)
    assert issued(hub) == before


@pytest.mark.parametrize("body", [b"", b"{}", b" { } ", b"\n"])
def test_the_request_body_is_empty(visitor: Visitor, body: bytes) -> None:
    """PROTOCOL §2."""
    assert visitor.http.post("/keys", content=body).status_code == 200


@pytest.mark.parametrize(
    "body", [b"null", b"[]", b"{", b'{"algorithm":"none"}', b'{"kid":"x"}', b"\xff", b"{}{}", b"\xef\xbb\xbf{}", b"0"]
)
def test_any_other_body_is_refused_and_makes_no_key(hub: Running, visitor: Visitor, body: bytes) -> None:
    """R20, R62: nothing about a key can be asked for."""
    before = issued(hub)

    assert_refused(visitor.http.post("/keys", content=body), 400)
    assert issued(hub) == before


def test_ten_a_minute_for_each_login(kind: Kind, start: Start, visit: Visit) -> None:
    """R41, R63: the eleventh is told when to come back, and that is true; another login is not touched."""
    clock = ManualClock()
    hub = start(kind, clock=clock)
    visitor = visit(hub)
    for _ in range(9):
        clock.advance(s=1)
        visitor.fetch_key()

    refused = visitor.http.post("/keys")

    assert_refused(refused, 429)
    wait_s = int(refused.headers["retry-after"])
    assert wait_s == 60 - 9
    assert visit(hub).kid
    clock.advance(s=wait_s - 1)
    assert_refused(visitor.http.post("/keys"), 429)
    clock.advance(s=1)
    assert visitor.fetch_key()
    assert_refused(visitor.http.post("/keys"), 429)


def test_refused_requests_count_for_nothing(start: Start, visit: Visit) -> None:
    """R41: a body that is refused, or one over the limit, uses up no later key."""
    clock = ManualClock()
    visitor = visit(start(clock=clock))
    for _ in range(20):
        assert_refused(visitor.http.post("/keys", content=b"[]"), 400)
    for _ in range(9):
        visitor.fetch_key()
    for _ in range(20):
        assert_refused(visitor.http.post("/keys"), 429)
    clock.advance(s=60)

    assert visitor.fetch_key()


def test_every_key_of_a_login_works_side_by_side(hub: Running, visitor: Visitor, channel: str) -> None:
    """PROTOCOL §2: each tab has its own."""
    kids = [visitor.kid, *(visitor.fetch_key()["kid"] for _ in range(3))]

    streams = [visitor.get_stream(channel, kid=kid) for kid in kids]
    for stream in streams:
        stream.control(Down.SUBSCRIBED)
    hub.publish(channel, "all")

    assert [stream.take(1) for stream in streams] == [["all"]] * 4
    assert not [fault for stream in streams for fault in stream.faults()]


def test_a_login_that_ends_sooner_gives_keys_that_end_with_it(start: Start, visit: Visit) -> None:
    """PROTOCOL §2: a key never outlives its session."""
    from jitterbug import Session

    clock = ManualClock()
    ends_s = clock.now_ms() / 1_000 + 90

    def resolve(_request: Any) -> Session:
        return Session("a-login-of-the-application", expires_at=ends_s)

    visitor = visit(start(session=resolve, clock=clock), cookie="login=1")
    key = visitor.fetch_key()

    assert key["expiresAt"] == key["serverTime"] + 90_000
    clock.advance(s=90)
    assert_refused(visitor.http.post("/keys"), 401)
