"""Logins a production hub keeps itself: ids, cookies, caps, ends (PROTOCOL §3, R17, R39, R40)."""

import re
import time
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.requests import Request

from jitterbug.hub.sessions import Session
from jitterbug.protocol import base64
from jitterbug.server import sessions
from jitterbug.server.sessions import IDLE_S, OwnSessions
from jitterbug.testing import ManualClock
from tests.server.answers import assert_refused
from tests.server.production import Member, ProductionHub

COOKIE = re.compile(r"__Host-jitterbug=([A-Za-z0-9_-]{32}); Secure; HttpOnly; SameSite=Strict; Path=/")


def asking(cookie: str) -> Request:
    return Request({"type": "http", "method": "GET", "path": "/", "headers": [(b"cookie", cookie.encode("latin-1"))]})


def opened(own: OwnSessions, address: str | None = None) -> Session:
    session = own.create(address)
    assert session is not None
    return session


@pytest.fixture
def own(clock: ManualClock) -> OwnSessions:
    return OwnSessions(clock, secure=True, per_address=3)


def find(own: OwnSessions, session_id: str) -> Session | None:
    return own(asking(f"__Host-jitterbug={session_id}"))


# Of the store itself, on a clock of our own.


def test_ids_have_192_random_bits_and_never_repeat(own: OwnSessions) -> None:
    """R39, R40; ASVS 7.2.3."""
    ids = {opened(own).id for _ in range(2_000)}
    assert len(ids) == 2_000
    assert {len(base64.decode_url(session_id)) for session_id in ids} == {24}


@given(st.text(st.characters(max_codepoint=255), max_size=60))
def test_no_made_up_id_is_ever_found_or_adopted(text: str) -> None:
    """R40, O15."""
    own = OwnSessions(ManualClock(), secure=True, per_address=3)
    opened(own)
    assert find(own, text) is None
    assert own(asking(text)) is None
    assert len(own) == 1
    assert opened(own).id != text


def test_the_development_cookie_is_worth_nothing_in_production(own: OwnSessions) -> None:
    assert own(asking(f"jitterbug={opened(own).id}")) is None


def test_idle_logins_end_after_twelve_hours_and_used_ones_do_not(own: OwnSessions, clock: ManualClock) -> None:
    """ASVS 7.3.1."""
    idle, used = opened(own), opened(own)
    clock.advance(ms=IDLE_S * 1_000 - 1_000)
    assert find(own, used.id) is used
    clock.advance(ms=2_000)
    assert find(own, idle.id) is None
    assert find(own, used.id) is used
    assert len(own) == 1


def test_every_login_ends_at_its_own_end_however_busy(own: OwnSessions, clock: ManualClock) -> None:
    """ASVS 7.3.2: to the millisecond."""
    session = own.create(None, expires_at=clock.now_ms() / 1_000 + 10)
    assert session is not None
    clock.advance(ms=9_999)
    assert find(own, session.id) is session
    clock.advance(ms=1)
    assert find(own, session.id) is None
    assert len(own) == 0


def test_an_address_holds_so_many_and_its_dead_ones_do_not_count(own: OwnSessions, clock: ManualClock) -> None:
    """REQUIREMENTS §2.27."""
    first = [opened(own, "192.0.2.1") for _ in range(3)]
    assert own.create("192.0.2.1") is None
    opened(own, "192.0.2.2")
    own.end(first[0])
    own.end(first[0])
    assert opened(own, "192.0.2.1")
    assert own.create("192.0.2.1") is None
    clock.advance(ms=IDLE_S * 1_000)
    assert opened(own, "192.0.2.1"), "those that are over were swept"


def test_no_more_logins_are_kept_than_a_bound(own: OwnSessions, monkeypatch: pytest.MonkeyPatch) -> None:
    """The one not seen for longest goes."""
    monkeypatch.setattr(sessions, "MAX_SESSIONS", 3)
    first, second, third = (opened(own, "192.0.2.1") for _ in range(3))
    find(own, first.id)
    opened(own, "192.0.2.2")
    assert find(own, second.id) is None
    assert find(own, first.id) is first
    assert find(own, third.id) is third
    assert opened(own, "192.0.2.1"), "it no longer counts against its address"


@given(st.lists(st.tuples(st.sampled_from(["create", "end", "idle"]), st.integers(0, 3)), max_size=60))
def test_counts_of_addresses_are_those_of_the_logins(steps: list[tuple[str, int]]) -> None:
    """Whatever happens: nobody is locked out by logins that are gone, and nothing is left behind."""
    clock = ManualClock()
    own = OwnSessions(clock, secure=True, per_address=3)
    live: list[tuple[Session, str]] = []
    for step, number in steps:
        address = f"192.0.2.{number}"
        if step == "create":
            session = own.create(address)
            assert (session is None) == (sum(of == address for _, of in live) >= 3)
            live += [(session, address)] if session is not None else []
        elif step == "end" and live:
            ended = live.pop(number % len(live))[0]
            own.end(ended)
            assert find(own, ended.id) is None
        elif step == "idle":
            clock.advance(ms=IDLE_S * 1_000)
            assert [find(own, session.id) for session, _ in live] == [None] * len(live)
            live.clear()
        assert len(own) == len(live)
    for session, _ in live:
        own.end(session)
    assert own._by_address == {}


# Over TLS, as browsers have it.


@pytest.fixture
def member(production: ProductionHub) -> Iterator[Member]:
    with Member(production) as found:
        yield found


def test_the_cookie_is_host_only_secure_and_out_of_reach(production: ProductionHub) -> None:
    """PROTOCOL §3; ASVS 3.3.1-3.3.4: to the letter, so without Domain, Expires and Max-Age."""
    with production.client() as client:
        answer = production.log_in(client)
        assert COOKIE.fullmatch(answer.headers["set-cookie"])
        assert answer.content == b""
        gone = client.delete("/session").headers["set-cookie"]
    assert gone == "__Host-jitterbug=; Max-Age=0; Secure; HttpOnly; SameSite=Strict; Path=/"


def test_each_login_has_a_new_id_and_ends_the_one_before(production: ProductionHub) -> None:
    """R40, ASVS 7.2.4: session fixation, by a planted made-up id and by a real one."""
    planted = base64.encode_url(bytes(range(24)))
    seen = {planted}
    with production.client(headers={"cookie": f"__Host-jitterbug={planted}"}) as client:
        for _ in range(5):
            match = COOKIE.fullmatch(production.log_in(client).headers["set-cookie"])
            assert match
            assert match[1] not in seen
            with production.client() as former:
                for old in seen:
                    answer = former.post("/keys", headers={"cookie": f"__Host-jitterbug={old}"})
                    assert_refused(answer, 401)
            seen.add(match[1])
            client.headers["cookie"] = f"__Host-jitterbug={match[1]}"


def test_logout_ends_keys_and_streams_within_a_second(member: Member) -> None:
    """R17, ASVS 7.4.1."""
    stream = member.open_stream("a")
    cookie, frame = member.cookie, member.sign({"t": "ping", "id": "late", "conn": stream.conn})
    assert member.post_frame(member.sign({"t": "ping", "id": "1", "conn": stream.conn})).status_code == 200
    started_s = time.monotonic()

    assert member.http.delete("/session").status_code == 204

    assert stream.wait_for("bye")["reason"] == "revoked"
    stream.wait_for_end()
    assert time.monotonic() - started_s < 1
    former = {"cookie": cookie}
    assert_refused(member.http.post("/keys", headers=former), 401)
    assert_refused(member.post_frame(frame, former), 401)
    assert_refused(member.http.get("/stream", params={"kid": member.kid}, headers=former), 401)


def test_the_end_of_the_token_ends_keys_and_streams_within_a_second(production: ProductionHub) -> None:
    """R17, R38: no key outlives the token, whatever KEY_TTL_S says."""
    ends_at_s = int(time.time()) + 4
    with Member(production, exp=ends_at_s) as member:
        assert member.key_expires_at_ms <= ends_at_s * 1_000
        stream = member.open_stream("a")
        assert stream.wait_for("bye")["reason"] == "lifetime"
        stream.wait_for_end()
        assert time.time() < ends_at_s + 1
        time.sleep(max(0.0, ends_at_s - time.time()) + 0.01)
        assert_refused(member.http.post("/keys"), 401)
        assert_refused(member.post_frame(member.sign({"t": "ping", "id": "1", "conn": stream.conn})), 401)
