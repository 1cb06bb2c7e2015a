"""A refusal is as much work whatever it is for (R19, R34, R69). `make timing` measures; here the work is counted."""

import hmac
import os
from random import Random
from typing import Any

import pytest

from jitterbug.errors import SecurityError
from jitterbug.hub.sessions import Session
from jitterbug.protocol import FrameVerifier, verifying
from jitterbug.protocol.keys import RootKey, RootKeys, SessionKeys
from jitterbug.protocol.signing import TAG_BYTES, FrameSigner, MacKey
from jitterbug.protocol.verifying import Refused, StaticKeys, VerifyKey, decoy, either, one_of
from jitterbug.testing import ManualClock
from tests.hub.house import House
from tests.looped import in_loop
from timing.forgeries import FIRST, LAST, MIDDLE, NOW_MS, frame, new_kid, wrong_at
from timing.welch import LIMIT, judge

Work = list[tuple[str, int]]


@pytest.fixture
def work(monkeypatch: pytest.MonkeyPatch) -> Work:
    """Every MAC computed and every comparison made, with the bytes that went in."""
    done: Work = []
    mac = MacKey.mac
    compare = hmac.compare_digest

    def count_mac(self: MacKey, message: bytes) -> bytes:
        done.append(("mac", len(message)))
        return mac(self, message)

    def count_comparison(one: Any, other: Any) -> bool:
        done.append(("compare", len(one)))
        return compare(one, other)

    monkeypatch.setattr(MacKey, "mac", count_mac)
    monkeypatch.setattr(hmac, "compare_digest", count_comparison)
    monkeypatch.setattr(verifying, "compare_digest", count_comparison)
    return done


def done_for(work: Work, verify: Any, data: bytes) -> Work:
    work.clear()
    verify(data)
    return list(work)


def test_r34_r69_a_verifier_does_the_same_for_every_forgery(work: Work) -> None:
    """First, middle or last byte wrong, unknown key, stale frame: the same MACs over the same number of bytes."""
    kid, secret = new_kid(), os.urandom(32)
    verifier = FrameVerifier({kid: secret, new_kid(): os.urandom(32), new_kid(): os.urandom(32)})
    good = frame(kid, secret)

    def verify(data: bytes) -> None:
        with pytest.raises(SecurityError):
            verifier.verify(data, NOW_MS)

    forgeries = [wrong_at(good, place) for place in (FIRST, MIDDLE, LAST)]
    forgeries += [frame(new_kid(), secret), frame(kid, secret, NOW_MS - 60_000), frame(kid, secret, NOW_MS + 60_000)]
    first, *others = [done_for(work, verify, data) for data in forgeries]
    assert [name for name, _ in first].count("mac") == 1
    assert ("compare", TAG_BYTES) in first
    assert others == [first] * 5


@pytest.mark.parametrize("previous", [0, 2])
def test_r19_r69_a_hub_does_the_same_for_every_kid(work: Work, previous: int) -> None:
    """Own with a bad signature, expired, another session's, made up, one of a root that is gone."""
    house = House()
    roots = [RootKey(f"root-{n}", os.urandom(32)) for n in range(previous + 1)]
    house.hub.roots = RootKeys(*roots[:1], roots[1:])
    session, other = Session("session-0123456789abcdef"), Session("another-0123456789abcdef")

    def signed(roots_: RootKeys, whose: Session, ttl_ms: int = 600_000) -> bytes:
        key = roots_.issue(whose.id, NOW_MS, ttl_ms)
        return frame(key.kid, key.secret)

    strange = RootKeys(RootKey("strange", os.urandom(32)))
    forgeries = [
        wrong_at(signed(house.hub.roots, session), FIRST),
        signed(house.hub.roots, session, -1),
        signed(house.hub.roots, other),
        signed(strange, session),
        frame(new_kid(39), os.urandom(32)),
    ]
    upstream = house.upstream
    house.clock = ManualClock(NOW_MS)
    house.hub.clock = house.clock

    def handle(data: bytes) -> None:
        with pytest.raises(StopIteration) as ended:
            upstream.handle(session, data).send(None)
        assert ended.value.value.code == "unauthorized"

    first, *others = [done_for(work, handle, data) for data in forgeries]
    assert others == [first] * 4
    assert len(first) > 4


@in_loop
async def test_r31_a_revoked_key_is_as_much_work_as_a_live_one() -> None:
    house = House()
    client = house.connect()
    assert not house.hub.find_key_or_decoy(client.session, client.key.kid).is_decoy
    house.hub.revoke(client.session.id)
    key = house.hub.find_key_or_decoy(client.session, client.key.kid)
    assert key.is_decoy
    assert house.hub.find_key(client.session, client.key.kid) is None
    assert key.mac.mac(b"x") == MacKey(client.key.secret).mac(b"x"), "it is refused for what it is, not for its MAC"


def test_a_decoy_verifies_nothing_even_for_whoever_knows_it() -> None:
    """The flag decides, not luck."""
    kid, secret = new_kid(), os.urandom(32)

    class Lookup:
        def find(self, _kid: str) -> verifying.VerifyKey:
            return verifying.VerifyKey(MacKey(secret), is_decoy=True)

    good = FrameSigner(kid, secret).sign({"t": "x"}, NOW_MS)
    for now_ms in (NOW_MS, NOW_MS + 60_000):
        verdict = FrameVerifier(Lookup()).check(good, now_ms)
        assert isinstance(verdict, Refused)
        assert verdict.reason == "key"


def test_either_is_the_one_or_the_other() -> None:
    assert [either("no", "yes", flag) for flag in (False, True)] == ["no", "yes"]


def test_a_look_up_finds_the_key_of_a_kid_and_nothing_else() -> None:
    kids = ["aaaa", "bbbb", "cccc-longer"]
    made = [VerifyKey(MacKey(os.urandom(32))) for _ in kids]
    known, other = [(kid.encode(), key) for kid, key in zip(kids, made, strict=True)], decoy()
    strangers = ("bbb", "bbbbb", "none", "bbb\u00e9", "\ud800", "")
    assert [one_of(known, kid, other) for kid in (*kids, *strangers)] == [*made, *[other] * 6]
    keys = StaticKeys({kid: os.urandom(32) for kid in kids})
    assert [keys.find(kid).is_decoy for kid in (*kids, "none")] == [False, False, False, True]
    assert SessionKeys(RootKeys(RootKey("root", os.urandom(32))), "session").find("short").is_decoy


def test_r69_the_statistic_finds_a_small_leak_and_no_leak_in_noise() -> None:
    """Times of the shape that a machine gives: a bell with a long upper tail."""
    random = Random(1)

    def times(mean_ns: float, count: int = 20_000) -> list[int]:
        tail = (random.expovariate(1 / 4_000) if random.random() < 0.02 else 0.0 for _ in range(count))
        return [round(random.gauss(mean_ns, 150) + extra) for extra in tail]

    assert judge(times(9_000), times(9_000)).t < LIMIT
    leak = judge(times(9_000), times(9_012))
    assert leak.finds_leak
    assert judge(times(9_012), times(9_000)).worst.t > LIMIT
    assert leak.worst.t < -LIMIT
    with pytest.raises(ValueError, match="samples"):
        judge([1] * 999, [1] * 5_000)
