"""Verifying: what passes, what is refused, in which order, and how little a refusal tells (R31-R36, R59, R66-R71)."""

import random
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jitterbug.errors import JitterbugError, SecurityError
from jitterbug.protocol import FrameSigner, FrameVerifier
from jitterbug.protocol.codes import Refusal
from jitterbug.protocol.frames import UnverifiedFrame
from jitterbug.protocol.replay import ReplayWindow
from jitterbug.protocol.signing import MacKey
from jitterbug.protocol.verifying import Authentic, Refused, StaticKeys, VerifyKey, authenticate
from jitterbug.testing import ManualClock
from tests.protocol import outside
from tests.protocol.outside import KID, NOW_MS, SECRET
from tests.strategies import alike, payloads, thorough

OTHER, UNKNOWN, ENDED = "outside-key-0002", "outside-key-9999", "outside-key-0003"
KEYS = {KID: SECRET, OTHER: bytes(32)}
RICH = '{"a":[1,2.5,null,true,1e+21],"c":"\\u001f\\n","t":"msg","u":"\u00e9\U0001f600"}'
WRONG_SIG = outside.b64(bytes(32))


def verifier(**options: Any) -> FrameVerifier:
    return FrameVerifier(KEYS, **options)


def reason(data: Any, now_ms: int = NOW_MS, by: FrameVerifier | None = None) -> Refusal | None:
    """Why it is refused; None = it is not."""
    verdict = (by or verifier()).check(data, now_ms)
    return verdict.reason if isinstance(verdict, Refused) else None


def flips(data: bytes) -> list[bytes]:
    """The data with each of its bits flipped in turn."""
    return [data[:at] + bytes([data[at] ^ 1 << bit]) + data[at + 1 :] for at in range(len(data)) for bit in range(8)]


def lookup(**ends_at_ms: int) -> StaticKeys:
    return StaticKeys({ENDED: VerifyKey(MacKey(SECRET), ends_at_ms.get("at")), KID: SECRET})


# What passes


@given(payloads)
def test_a_good_frame_gives_the_payload_that_was_signed_r35(payload: dict[str, Any]) -> None:
    frame = FrameSigner(KID, SECRET).sign(payload, NOW_MS)

    assert alike(verifier(max_frame_bytes=10_000).verify(frame, NOW_MS), payload)


def test_a_verdict_names_the_frame_and_its_key() -> None:
    frame = outside.frame()
    keys = StaticKeys(KEYS)
    verdict = FrameVerifier(keys).check(frame, NOW_MS)

    assert isinstance(verdict, Authentic)
    assert (verdict.kid, verdict.ts, verdict.nonce) == (KID, NOW_MS, outside.members(frame)["nonce"])
    assert verdict.payload == {"t": "ping"}
    assert verdict.key is keys.find(KID)


# Tampering


def test_no_bit_of_a_frame_can_be_flipped_r15_r66() -> None:
    """Every byte, every bit: canonical text has nothing insignificant in it."""
    frame, fresh = outside.frame(), verifier()

    assert [other for other in flips(frame) if reason(other, by=fresh) is None] == []
    assert fresh.verify(frame, NOW_MS) == {"t": "ping"}


def test_flipped_bits_of_a_rich_frame_change_a_spelling_at_most_and_never_the_payload_r15_r66() -> None:
    """The case of a hex digit in an escape and of the ``e`` in a number are free towards the hub, and nothing else."""
    frame = outside.frame(RICH)
    payload = verifier().verify(frame, NOW_MS)
    accepted = [other for other in flips(frame) if reason(other) is None]

    assert {frozenset(zip(frame, other, strict=True)) - {(byte, byte) for byte in frame} for other in accepted} == {
        frozenset({(ord("f"), ord("F"))}),
        frozenset({(ord("e"), ord("E"))}),
    }
    assert all(alike(verifier().verify(other, NOW_MS), payload) for other in accepted)


@thorough
@given(st.integers(min_value=0, max_value=len(outside.frame(RICH))), st.integers(0, 3), st.binary(max_size=3))
def test_a_piece_put_in_or_taken_out_leaves_nothing_that_means_something_else_r15_r66(
    at: int, taken: int, put: bytes
) -> None:
    frame, fresh = outside.frame(RICH, nonce=outside.b64(SECRET)), verifier()
    edited = frame[:at] + put + frame[at + taken :]
    verdict = fresh.check(edited, NOW_MS)

    assert isinstance(verdict, Refused) or alike(verdict.payload, outside.members(frame)["payload"])


def test_from_a_hub_not_even_the_spelling_can_be_changed() -> None:
    frame, keys = outside.frame(RICH), StaticKeys(KEYS)

    def accepted(data: bytes) -> bool:
        verdict = authenticate(data, NOW_MS, keys, skew_ms=5_000, max_frame_bytes=1_024, canonical_only=True)
        return isinstance(verdict, Authentic)

    assert accepted(frame)
    assert [other for other in flips(frame) if accepted(other)] == []
    assert not any(map(accepted, (frame + b" ", b" " + frame, frame.replace(b",", b", "), frame.replace(b"f", b"F"))))


def test_of_a_hundred_thousand_edits_none_is_accepted_with_another_meaning_r15() -> None:
    """One to four random edits each: bytes replaced, removed, put in, pieces moved. The seed is in the message."""
    seed = random.randrange(2**32)
    dice = random.Random(seed)
    frame = outside.frame(RICH)
    payload, keys = verifier().verify(frame, NOW_MS), StaticKeys(KEYS)
    letters = [bytes([byte]) for byte in {*frame, *range(0x20, 0x7F), 0, 0xFF}]
    changed = 0
    for _ in range(100_000):
        data = frame
        for _ in range(dice.randint(1, 4)):
            start = dice.randrange(len(data))
            end = start + dice.choice((0, 1, 1, 1, 2, 5))
            new = dice.choice((b"", dice.choice(letters), dice.choice(letters) * 2, frame[start : start + 7]))
            data = data[:start] + new + data[end:]
        verdict = authenticate(data, NOW_MS, keys, skew_ms=5_000, max_frame_bytes=2_048)
        if isinstance(verdict, Authentic):
            assert alike(verdict.payload, payload), f"seed {seed}: {data!r}"
        changed += data != frame

    assert changed > 90_000


@pytest.mark.parametrize(
    "changes",
    [
        {"payload": {"t": "pong"}}, {"payload": {}}, {"payload": {"t": "ping", "x": 1}}, {"payload": {"T": "ping"}},
        {"ts": NOW_MS + 1}, {"ts": NOW_MS - 1}, {"nonce": WRONG_SIG}, {"sig": WRONG_SIG}, {"kid": OTHER},
    ],
)  # fmt: skip
def test_a_frame_with_another_member_is_refused_for_its_signature_r71(changes: dict[str, Any]) -> None:
    assert reason(outside.changed(outside.frame(), **changes)) is Refusal.SIGNATURE


@pytest.mark.parametrize("member", ["kid", "nonce", "payload", "sig", "ts"])
def test_a_frame_without_a_member_or_with_null_is_refused_for_its_form(member: str) -> None:
    assert reason(outside.changed(outside.frame(), **{member: None})) is Refusal.GRAMMAR


def test_members_of_two_frames_do_not_mix() -> None:
    one, two = outside.frame('{"n":1}'), outside.frame('{"n":2}')
    for member in ("nonce", "payload", "sig"):
        assert reason(outside.changed(one, **{member: outside.members(two)[member]})) is Refusal.SIGNATURE


@pytest.mark.parametrize("secret", [SECRET + b"\1", SECRET[:31] + b"\0", bytes(32), SECRET[::-1]])
def test_a_frame_signed_with_another_key_is_refused(secret: bytes) -> None:
    assert reason(outside.frame(secret=secret)) is Refusal.SIGNATURE


# The order of the checks (R36)


@pytest.mark.parametrize(
    ("data", "now_ms", "expected"),
    [
        (b" " * 1_025, NOW_MS, Refusal.SIZE),
        (outside.changed(outside.frame(), kid=UNKNOWN, ts="x"), NOW_MS, Refusal.GRAMMAR),
        (outside.frame(kid=UNKNOWN), NOW_MS, Refusal.KEY),
        (outside.frame(kid=UNKNOWN), NOW_MS + 5_001, Refusal.KEY),
        (outside.changed(outside.frame(kid=UNKNOWN), sig=WRONG_SIG), NOW_MS, Refusal.KEY),
        (outside.changed(outside.frame(), sig=WRONG_SIG), NOW_MS + 5_001, Refusal.STALE),
        (outside.frame(), NOW_MS + 5_001, Refusal.STALE),
        (outside.changed(outside.frame(), sig=WRONG_SIG), NOW_MS, Refusal.SIGNATURE),
    ],
    ids=[
        "too long and malformed", "malformed and unknown", "unknown", "unknown and stale", "unknown and forged",
        "stale and forged", "stale", "forged",
    ],
)  # fmt: skip
def test_the_first_check_that_fails_names_the_reason_r36_r68(data: bytes, now_ms: int, expected: Refusal) -> None:
    assert reason(data, now_ms) is expected


def test_a_frame_is_accepted_once_r33_r71(clock: ManualClock) -> None:
    """Again after 0, 1, 5 and 9.9 s, however the clock moves: refused."""
    frame, by = outside.frame(ts=clock.now_ms() + 5_000), verifier()

    assert reason(frame, clock.now_ms(), by) is None
    for passed_ms in (0, 1_000, 4_000, 4_900):
        clock.advance(ms=passed_ms)
        assert reason(frame, clock.now_ms(), by) is Refusal.REPLAY
    clock.advance(ms=101)
    assert reason(frame, clock.now_ms(), by) is Refusal.STALE
    clock.step_wall(-5_000)
    assert reason(frame, clock.now_ms(), by) is Refusal.REPLAY


def test_a_replay_with_a_bad_signature_is_a_bad_signature_and_burns_nothing() -> None:
    """REQUIREMENTS §2.1: a forged copy neither uses up a nonce nor counts as a replay."""
    frame, by = outside.frame(), verifier()
    forged = outside.changed(frame, sig=WRONG_SIG)

    assert reason(forged, by=by) is Refusal.SIGNATURE
    assert reason(frame, by=by) is None
    assert reason(forged, by=by) is Refusal.SIGNATURE
    assert reason(frame, by=by) is Refusal.REPLAY


def test_refused_frames_take_no_memory() -> None:
    window = ReplayWindow(10_000)
    by = verifier(replay=window)
    for data in (b"", outside.frame(kid=UNKNOWN), outside.frame(ts=1), outside.changed(outside.frame(), sig=WRONG_SIG)):
        assert reason(data, by=by) is not None

    assert len(window) == 0


def test_a_nonce_belongs_to_its_key() -> None:
    nonce, by = outside.b64(bytes(32)), verifier()

    assert reason(outside.frame(nonce=nonce), by=by) is None
    assert reason(outside.frame(nonce=nonce, kid=OTHER, secret=KEYS[OTHER]), by=by) is None
    assert reason(outside.frame('{"n":2}', nonce=nonce), by=by) is Refusal.REPLAY


def test_verifiers_that_share_a_window_share_their_memory_r33() -> None:
    window, frame = ReplayWindow(10_000), outside.frame()

    assert reason(frame, by=verifier(replay=window)) is None
    assert reason(frame, by=verifier(replay=window)) is Refusal.REPLAY
    assert reason(frame, by=verifier()) is None


# Limits


@pytest.mark.parametrize(
    ("skew_ms", "off_ms", "expected"),
    [
        (5_000, 4_999, None), (5_000, 5_000, None), (5_000, 5_001, Refusal.STALE),
        (1_000, 1_000, None), (1_000, 1_001, Refusal.STALE), (0, 0, None), (0, 1, Refusal.STALE),
    ],
)  # fmt: skip
@pytest.mark.parametrize("sign", [1, -1])
def test_a_frame_is_fresh_up_to_the_skew_itself_r32(
    skew_ms: int, off_ms: int, expected: Refusal | None, sign: int
) -> None:
    assert reason(outside.frame(), NOW_MS + sign * off_ms, verifier(skew_ms=skew_ms)) is expected


def test_the_defaults_are_those_of_the_security_model_r32_r33_r58_o9() -> None:
    by = verifier()

    assert (by.skew_ms, by._replay.window_ms, by.max_frame_bytes) == (5_000, 10_000, 1_024)


@pytest.mark.parametrize("filler", ["x", "\u00e9", "\U0001f600"])
@pytest.mark.parametrize(("size", "expected"), [(1_024, None), (1_025, Refusal.SIZE)])
def test_a_frame_may_have_1024_bytes_counted_in_bytes_r58(filler: str, size: int, expected: Refusal | None) -> None:
    data = outside.sized(size, filler)

    assert len(data) == size
    assert len(data.decode()) <= size
    assert reason(data) is expected


def test_the_size_limit_is_a_setting() -> None:
    assert reason(outside.sized(1_025), by=verifier(max_frame_bytes=1_025)) is None
    assert reason(outside.sized(1_026), by=verifier(max_frame_bytes=1_025)) is Refusal.SIZE


@pytest.mark.parametrize(("ts", "expected"), [(NOW_MS, None), (NOW_MS - 1, None), (NOW_MS + 1, Refusal.STALE)])
def test_a_key_signs_up_to_the_millisecond_it_ends_in_r17_r38_r71(ts: int, expected: Refusal | None) -> None:
    by = FrameVerifier(lookup(at=NOW_MS))

    assert reason(outside.frame(kid=ENDED, ts=ts), NOW_MS, by) is expected
    assert reason(outside.frame(kid=ENDED, ts=ts), NOW_MS + 4_000, by) is expected


def test_a_key_without_an_end_does_not_end() -> None:
    assert reason(outside.frame(ts=2**53 - 1), 2**53 - 1) is None


@pytest.mark.parametrize(("skew_ms", "window_ms"), [(5_000, 9_999), (1, 1), (0, 0), (-1, 10_000), (0, -1)])
def test_a_window_under_twice_the_skew_is_refused_r76(skew_ms: int, window_ms: int) -> None:
    with pytest.raises(ValueError, match="twice the clock skew"):
        verifier(skew_ms=skew_ms, replay_window_ms=window_ms)


def test_a_shared_window_under_twice_the_skew_is_refused_r76() -> None:
    """The window that counts is the one in use."""
    with pytest.raises(ValueError, match="twice the clock skew"):
        verifier(skew_ms=5_000, replay=ReplayWindow(9_999))
    assert verifier(skew_ms=5_000, replay=ReplayWindow(10_000)).skew_ms == 5_000


@pytest.mark.parametrize(("skew_ms", "window_ms"), [(5_000, 10_000), (0, 1), (1, 2)])
def test_a_window_of_twice_the_skew_is_enough(skew_ms: int, window_ms: int) -> None:
    assert verifier(skew_ms=skew_ms, replay_window_ms=window_ms).skew_ms == skew_ms


@pytest.mark.parametrize("kid", ["", "abc", "a:bc", "a" * 97])
def test_a_key_under_a_malformed_kid_is_refused(kid: str) -> None:
    with pytest.raises(ValueError, match="key id"):
        FrameVerifier({kid: SECRET})


def test_a_short_key_is_refused_r23() -> None:
    with pytest.raises(ValueError, match="at least 32 bytes"):
        FrameVerifier({KID: bytes(31)})


# The rate limit stands between grammar and cryptography


def test_the_rate_limit_is_asked_after_the_grammar_and_before_the_key() -> None:
    asked: list[str] = []

    def admit(frame: UnverifiedFrame) -> bool:
        asked.append(frame.kid)
        return len(asked) < 3

    def verdict(data: bytes) -> Refusal | None:
        result = authenticate(data, NOW_MS, StaticKeys(KEYS), skew_ms=5_000, max_frame_bytes=1_024, admit=admit)
        return result.reason if isinstance(result, Refused) else None

    assert verdict(b"{}") is Refusal.GRAMMAR
    assert verdict(b" " * 2_000) is Refusal.SIZE
    assert asked == []
    assert verdict(outside.frame()) is None
    assert verdict(outside.frame(kid=UNKNOWN)) is Refusal.KEY
    assert verdict(outside.frame()) is Refusal.RATE
    assert verdict(outside.frame(kid=UNKNOWN)) is Refusal.RATE
    assert asked == [KID, UNKNOWN, KID, UNKNOWN]


# One answer for all (R59)

FAILURES: list[Callable[[], tuple[Any, int]]] = [
    lambda: (b"", NOW_MS),
    lambda: (b" " * 2_000, NOW_MS),
    lambda: (b"\xff", NOW_MS),
    lambda: (b"[" * 1_000, NOW_MS),
    lambda: (outside.frame(kid=UNKNOWN), NOW_MS),
    lambda: (outside.frame(), NOW_MS + 5_001),
    lambda: (outside.frame(kid=ENDED, ts=NOW_MS + 1), NOW_MS),
    lambda: (outside.changed(outside.frame(), sig=WRONG_SIG), NOW_MS),
    lambda: (outside.changed(outside.frame(), sig="\u00e9" * 44), NOW_MS),
    lambda: (outside.frame(nonce=WRONG_SIG), NOW_MS),
    lambda: (None, NOW_MS),
]


@pytest.mark.parametrize("failure", FAILURES)
def test_every_failure_is_one_error_without_a_cause_r31_r59_r60_o13(failure: Callable[[], tuple[Any, int]]) -> None:
    by = FrameVerifier(lookup(at=NOW_MS))
    by.verify(outside.frame(nonce=WRONG_SIG), NOW_MS)
    data, now_ms = failure()
    with pytest.raises(SecurityError) as caught:
        by.verify(data, now_ms)
    error = caught.value

    assert type(error) is SecurityError
    assert str(error) == "Frame verification failed"
    assert error.args == ("Frame verification failed",)
    assert (error.code, error.remedy) == ("JB_VERIFY", "")
    assert error.__cause__ is None
    assert error.__context__ is None
    assert isinstance(error, JitterbugError)
    assert vars(error) == {}


anything = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(), st.binary(max_size=64), st.lists(st.integers()),
    st.dictionaries(st.text(), st.text()), st.binary().map(bytearray), st.just(memoryview(b"{}")),
    st.just(outside.frame().decode()), st.just(bytearray(outside.frame())), st.builds(object),
)  # fmt: skip


@given(anything)
def test_whatever_is_handed_in_only_a_security_error_comes_out_r59(data: Any) -> None:
    with pytest.raises(SecurityError):
        verifier().verify(data, NOW_MS)


def test_a_refusal_names_the_claimed_kid_once_it_can_be_read() -> None:
    unreadable = verifier().check(b"{}", NOW_MS)
    forged = verifier().check(outside.changed(outside.frame(), sig=WRONG_SIG), NOW_MS)

    assert unreadable == Refused(Refusal.GRAMMAR, None)
    assert forged == Refused(Refusal.SIGNATURE, KID)


def test_an_unknown_key_costs_the_same_mac_as_a_known_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """PROTOCOL §1 step 4, R69: every frame is compared once, whatever its kid and its time."""
    compared: list[bytes] = []
    original = MacKey.matches

    def matches(self: MacKey, message: bytes, tag: bytes, tag_bytes: int = 32) -> bool:
        compared.append(message)
        return original(self, message, tag, tag_bytes)

    monkeypatch.setattr(MacKey, "matches", matches)
    counts = []
    for kid in (KID, UNKNOWN):
        for now_ms in (NOW_MS, NOW_MS + 9_000):
            compared.clear()
            reason(outside.frame(kid=kid), now_ms)
            counts.append(len(compared))

    assert counts == [1, 1, 1, 1]


@pytest.mark.parametrize("off_ms", [-60_000, -5_001, 5_001, 60_000])
def test_a_frame_that_is_stale_in_two_ways_is_stale(off_ms: int) -> None:
    """Well signed, outside the skew, and after the end of its key."""
    secret = bytes(range(32))
    signed = FrameSigner(KID, secret).sign({"t": "x"}, NOW_MS)
    ended = VerifyKey(MacKey(secret), NOW_MS - 1)

    assert FrameVerifier(StaticKeys({KID: ended})).check(signed, NOW_MS + off_ms) == Refused(Refusal.STALE, KID)
    assert FrameVerifier(StaticKeys({KID: ended})).check(signed, NOW_MS) == Refused(Refusal.STALE, KID)
    decoy = VerifyKey(MacKey(secret), NOW_MS, is_decoy=True)
    for now_ms in (NOW_MS, NOW_MS + off_ms):
        assert FrameVerifier(StaticKeys({KID: decoy})).check(signed, now_ms) == Refused(Refusal.KEY, KID)
