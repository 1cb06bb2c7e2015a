"""Root keys and the keys derived from them: found again by any node, forged or read by nobody else (R37-R50)."""

import copy
import hmac
import pickle
import traceback
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jitterbug.errors import SecurityError
from jitterbug.protocol import FrameSigner, FrameVerifier, base64, frames
from jitterbug.protocol.codes import Refusal
from jitterbug.protocol.keys import KID_CHARS, EphemeralKey, RootKey, RootKeys, SessionKeys, hkdf_sha256
from jitterbug.protocol.signing import MacKey
from jitterbug.protocol.verifying import Refused, StaticKeys, VerifyKey
from tests.protocol.outside import NOW_MS
from tests.strategies import KID_LETTERS, secrets

ROOT = bytes(range(100, 140))
SESSION, OTHER_SESSION = "session-0123456789abcdef", "session-fedcba9876543210"
TTL_MS = 600_000
RFC_5869 = [
    ("0b" * 22, "000102030405060708090a0b0c", "f0f1f2f3f4f5f6f7f8f9",
     "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf"),
    (bytes(range(0x50)).hex(), bytes(range(0x60, 0xB0)).hex(), bytes(range(0xB0, 0x100)).hex(),
     "b11e398dc80327a1c8e7f78c596a49344f012eda2d4efad8a050cc4c19afa97c"),
    ("0b" * 22, "", "", "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d"),
]  # fmt: skip
"""RFC 5869 A.1 to A.3: key, salt, info, first 32 bytes of output."""

sessions = st.text(min_size=1, max_size=40)
expiries = st.integers(min_value=0, max_value=2**53 - 1)
randoms = st.binary(min_size=16, max_size=16)


def roots(current: bytes = ROOT, *previous: bytes) -> RootKeys:
    return RootKeys(RootKey("root-0", current), [RootKey(f"root-{n}", key) for n, key in enumerate(previous, 1)])


# Derivation


@pytest.mark.parametrize(("key", "salt", "info", "output"), RFC_5869, ids=["A.1", "A.2", "A.3"])
def test_rfc_5869_vectors_hold(key: str, salt: str, info: str, output: str) -> None:
    derived = hkdf_sha256(bytes.fromhex(key), salt=bytes.fromhex(salt), info=bytes.fromhex(info))

    assert derived.hex() == output


@given(secrets, sessions, expiries, randoms)
def test_the_secret_is_what_the_contract_says_derived_outside_r43(
    root: bytes, session: str, expires_at_ms: int, random: bytes
) -> None:
    """PROTOCOL §2: HKDF-SHA256(root, salt = session id, info = label and kid), 32 bytes."""
    key = RootKey("root", root).issue(session, expires_at_ms, random)
    extracted = hmac.digest(session.encode(), root, "sha256")
    info = b"jitterbug ephemeral v1" + key.kid.encode()

    assert key.secret == hmac.digest(extracted, info + b"\x01", "sha256")
    assert key.expires_at_ms == expires_at_ms


@given(secrets, sessions, expiries, randoms)
def test_every_node_with_the_root_finds_the_same_key_again(
    root: bytes, session: str, expires_at_ms: int, random: bytes
) -> None:
    key = RootKey("root", root).issue(session, expires_at_ms, random)

    assert RootKeys(RootKey("elsewhere", root)).open(session, key.kid) == key


@pytest.mark.parametrize("size", [0, 1, 16, 31])
def test_a_root_key_under_256_bits_is_refused_r23_o4(size: int) -> None:
    with pytest.raises(ValueError, match="at least 32 bytes"):
        RootKey("root", bytes(size))


@pytest.mark.parametrize("kid", ["", "abc", "a" * 65, "a:bcd", "root\n", "r\u00f6\u00f6t"])
def test_a_root_key_has_a_configured_kid(kid: str) -> None:
    with pytest.raises(ValueError, match="4 to 64"):
        RootKey(kid, ROOT)


def test_two_root_keys_do_not_share_a_kid() -> None:
    with pytest.raises(ValueError, match="same key id"):
        RootKeys(RootKey("root", ROOT), [RootKey("root", bytes(32))])


# Kids


def test_a_hundred_thousand_kids_are_distinct_and_of_one_form_r46() -> None:
    keys, letters = roots(), set(KID_LETTERS)
    kids = [keys.issue(SESSION, NOW_MS, TTL_MS).kid for _ in range(100_000)]

    assert len(set(kids)) == 100_000
    assert all(len(kid) == KID_CHARS and set(kid) <= letters for kid in kids)
    assert all(map(frames.is_kid, kids[:1_000]))


def test_ten_thousand_secrets_are_distinct_and_of_256_bits_r43() -> None:
    keys = roots()
    found = {keys.issue(SESSION, NOW_MS, TTL_MS).secret for _ in range(10_000)}

    assert len(found) == 10_000
    assert {len(secret) for secret in found} == {32}


def test_the_bytes_of_a_kid_say_nothing_of_expiry_or_session_r46_o17() -> None:
    """Two thousand kids of one session and one expiry: at each place all values come up, evenly."""
    keys = roots()
    raw = [base64.decode_url(keys.issue(SESSION, NOW_MS, TTL_MS).kid) for _ in range(2_560)]
    for place in range(39):
        counts = Counter(data[place] for data in raw)
        assert len(counts) > 240, place
        assert max(counts.values()) < 40, place
    assert not any(SESSION[:4].encode() in data for data in raw)
    assert not any((NOW_MS + TTL_MS).to_bytes(7, "big") in data for data in raw)


@given(sessions, sessions, randoms)
def test_with_the_same_randomness_another_session_has_another_kid_and_secret(
    one: str, other: str, random: bytes
) -> None:
    root = RootKey("root", ROOT)
    keys = root.issue(one, NOW_MS, random), root.issue(other, NOW_MS, random)

    assert (keys[0].kid == keys[1].kid) == (keys[0].secret == keys[1].secret) == (one == other)


@given(expiries, expiries, randoms)
def test_a_different_expiry_is_a_different_key(one: int, other: int, random: bytes) -> None:
    root = RootKey("root", ROOT)
    keys = root.issue(SESSION, one, random), root.issue(SESSION, other, random)

    assert (keys[0].kid == keys[1].kid) == (keys[0].secret == keys[1].secret) == (one == other)


@given(sessions, sessions)
def test_a_kid_of_another_session_is_unknown_r31(session: str, other: str) -> None:
    keys = roots()
    kid = keys.issue(session, NOW_MS, TTL_MS).kid

    assert (keys.open(other, kid) is not None) == (session == other)


def test_a_kid_with_any_bit_changed_is_unknown_r31() -> None:
    keys = roots()
    raw = base64.decode_url(keys.issue(SESSION, NOW_MS, TTL_MS).kid)

    for bit in range(len(raw) * 8):
        changed = bytearray(raw)
        changed[bit // 8] ^= 1 << bit % 8
        assert keys.open(SESSION, base64.encode_url(bytes(changed))) is None


def test_a_kid_with_any_letter_changed_is_unknown() -> None:
    keys = roots()
    kid = keys.issue(SESSION, NOW_MS, TTL_MS).kid

    for place in range(KID_CHARS):
        for bit in range(7):
            letter = chr(ord(kid[place]) ^ 1 << bit)
            assert keys.open(SESSION, kid[:place] + letter + kid[place + 1 :]) is None
    assert keys.open(SESSION, kid) is not None


@given(st.one_of(st.text(), st.text(KID_LETTERS, min_size=KID_CHARS, max_size=KID_CHARS), st.text(KID_LETTERS)))
def test_a_made_up_kid_is_unknown(kid: str) -> None:
    assert roots().open(SESSION, kid) is None


@pytest.mark.parametrize("change", [lambda kid: kid + "\n", lambda kid: kid[:-1], lambda kid: kid + "A", str.upper])
def test_a_kid_of_another_form_is_unknown(change: Callable[[str], str]) -> None:
    keys = roots()

    assert keys.open(SESSION, change(keys.issue(SESSION, NOW_MS, TTL_MS).kid)) is None


def test_a_kid_of_another_root_is_unknown_and_its_key_is_nobodys(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a kid that no root made for this session the key is a decoy's: ours would sign for whoever made it up.

    All derive, whichever it is (PROTOCOL §1 step 4, §2).
    """
    ours, theirs = roots(), roots(bytes(32))
    foreign = theirs.issue(SESSION, NOW_MS, TTL_MS).kid
    known = ours.issue(SESSION, NOW_MS, TTL_MS)
    opened: list[str] = []
    original = RootKey.open

    def recording(self: RootKey, session_id: str, kid: str) -> EphemeralKey:
        opened.append(self.kid)
        return original(self, session_id, kid)

    monkeypatch.setattr(RootKey, "open", recording)

    for session_id, kid in [(SESSION, foreign), (OTHER_SESSION, known.kid)]:
        keys, place = ours.candidates(session_id, kid)
        key = keys[place]
        assert ours.open(session_id, kid) is None
        assert key.secret != original(ours.current, session_id, kid).secret
    keys, place = ours.candidates(SESSION, known.kid)
    assert keys[place] == known
    assert opened == ["decoy", "root-0"] * 5


# Rotation of the root


def test_keys_under_a_previous_root_are_still_found_and_new_ones_come_from_the_current() -> None:
    before = roots(bytes(32))
    old = before.issue(SESSION, NOW_MS, TTL_MS)
    after = roots(ROOT, bytes(32), b"\1" * 32)
    new = after.issue(SESSION, NOW_MS, TTL_MS)

    assert after.open(SESSION, old.kid) == old
    assert after.open(SESSION, new.kid) == new == roots(ROOT).open(SESSION, new.kid)
    assert before.open(SESSION, new.kid) is None
    assert roots(ROOT).open(SESSION, old.kid) is None
    assert after.open(OTHER_SESSION, old.kid) is None


def test_root_keys_verify_the_frames_of_back_ends_by_name() -> None:
    keys = roots(ROOT, bytes(32))
    for kid, secret in (("root-0", ROOT), ("root-1", bytes(32))):
        frame = FrameSigner(kid, secret).sign({"t": "publish"}, NOW_MS)
        assert FrameVerifier(keys).verify(frame, NOW_MS) == {"t": "publish"}

    for kid in ("root-2", "decoy", "root-", keys.issue(SESSION, NOW_MS, TTL_MS).kid):
        assert keys.find(kid).is_decoy


def test_a_root_key_may_be_given_another_name() -> None:
    """The old name stays among the previous keys: both then made every kid, and the key is the same."""
    renamed = RootKeys(RootKey("new-name", ROOT), [RootKey("old-name", ROOT), RootKey("older", bytes(32))])
    before = RootKeys(RootKey("old-name", ROOT))
    for keys in (renamed, before):
        key = keys.issue(SESSION, NOW_MS, TTL_MS)
        assert renamed.open(SESSION, key.kid) == key
        assert renamed.open(OTHER_SESSION, key.kid) is None


def test_a_session_is_given_a_decoy_for_every_kid_but_its_own() -> None:
    """And for its own when it is over: nothing verifies under a decoy, and nobody is told which it was."""
    keys = roots()
    own, foreign = keys.issue(SESSION, NOW_MS, TTL_MS), keys.issue(OTHER_SESSION, NOW_MS, TTL_MS)
    mine, over = SessionKeys(keys, SESSION), SessionKeys(keys, SESSION, is_over=True)

    assert not mine.find(own.kid).is_decoy
    assert mine.find(own.kid).expires_at_ms == own.expires_at_ms
    for kid in (foreign.kid, own.kid[::-1], "short", ""):
        assert mine.find(kid).is_decoy
    assert all(over.find(kid).is_decoy for kid in (own.kid, foreign.kid, "short"))


# In use


def test_a_session_verifies_its_own_frames_and_no_root_key_s_r29_o2() -> None:
    keys = roots()
    key = keys.issue(SESSION, NOW_MS, TTL_MS)
    frame = FrameSigner(key.kid, key.secret).sign({"t": "ping"}, NOW_MS)
    by_root = FrameSigner("root-0", ROOT).sign({"t": "ping"}, NOW_MS)
    under_its_kid = FrameSigner(key.kid, ROOT).sign({"t": "ping"}, NOW_MS)

    assert FrameVerifier(SessionKeys(keys, SESSION)).verify(frame, NOW_MS) == {"t": "ping"}
    for session, refused in ((OTHER_SESSION, frame), (SESSION, by_root), (SESSION, under_its_kid)):
        with pytest.raises(SecurityError):
            FrameVerifier(SessionKeys(keys, session)).verify(refused, NOW_MS)


@pytest.mark.parametrize(("late_ms", "refused"), [(0, False), (1, True)])
def test_a_key_signs_until_it_expires_and_not_a_millisecond_longer_r38_r71(late_ms: int, *, refused: bool) -> None:
    keys = roots()
    key = keys.issue(SESSION, NOW_MS, TTL_MS)
    ends = NOW_MS + TTL_MS
    frame = FrameSigner(key.kid, key.secret).sign({}, ends + late_ms)
    verdict = FrameVerifier(SessionKeys(keys, SESSION)).check(frame, ends + late_ms)

    assert key.expires_at_ms == ends
    assert verdict == Refused(Refusal.STALE, key.kid) if refused else not isinstance(verdict, Refused)


# Nothing shows a secret (R48)


def holders() -> list[tuple[Any, list[bytes]]]:
    """Each object that holds a secret, with the secrets it must not show."""
    root = RootKey("root-0", ROOT)
    keys = RootKeys(root)
    key = keys.issue(SESSION, NOW_MS, TTL_MS)
    hidden = [ROOT, key.secret, SESSION.encode()]
    return [
        (item, hidden)
        for item in (
            key, root, root.mac, keys, SessionKeys(keys, SESSION), VerifyKey(root.mac, 1), StaticKeys({"root": ROOT}),
            FrameSigner("root", ROOT), FrameVerifier({"root": ROOT}), FrameVerifier(keys),
        )
    ]  # fmt: skip


def shows(text: str, secret: bytes) -> bool:
    """Whether the text holds a secret, or most of it, in any usual notation."""
    part = secret[:12]
    notations = (
        part.hex(),
        base64.encode(part).decode(),
        base64.encode_url(part),
        repr(part)[2:-1],
        str(list(part))[1:-1],
    )
    return any(notation.lower() in text.lower() for notation in notations)


def test_the_search_for_secrets_finds_them() -> None:
    """The control for the tests below."""
    for text in (repr(ROOT), ROOT.hex(), base64.encode(ROOT).decode(), str(list(ROOT)), base64.encode_url(ROOT)):
        assert shows(text, ROOT)


@pytest.mark.parametrize(("item", "hidden"), holders(), ids=lambda value: type(value).__name__)
def test_no_notation_of_a_key_shows_its_secret_r48(item: Any, hidden: list[bytes]) -> None:
    for text in (repr(item), str(item), f"{item}", f"{item!r:>200}", repr([item]), ascii({1: item})):
        assert not any(shows(text, secret) for secret in hidden)


@pytest.mark.parametrize(("item", "hidden"), holders(), ids=lambda value: type(value).__name__)
@pytest.mark.parametrize("protocol", range(2, pickle.HIGHEST_PROTOCOL + 1))
def test_no_key_is_pickled_or_copied_in_depth_r48(item: Any, hidden: list[bytes], protocol: int) -> None:
    with pytest.raises(TypeError, match="not pickled"):
        pickle.dumps(item, protocol)
    with pytest.raises(TypeError, match="not pickled"):
        copy.deepcopy(item)


@pytest.mark.parametrize(
    "failing",
    [
        lambda: MacKey(ROOT[:31]),
        lambda: FrameSigner("root", ROOT[:31]),
        lambda: FrameSigner("r", ROOT),
        lambda: FrameVerifier({"root": ROOT[:31]}),
        lambda: FrameVerifier({"r": ROOT}),
        lambda: RootKey("root", ROOT[:31]),
        lambda: RootKey("r", ROOT),
        lambda: RootKeys(RootKey("root", ROOT), [RootKey("root", ROOT)]),
        lambda: RootKey("root", ROOT).issue(SESSION, -1, bytes(16)),
        lambda: pickle.dumps(RootKey("root", ROOT)),
    ],
)
def test_no_traceback_shows_a_secret_r48(failing: Callable[[], object]) -> None:
    with pytest.raises((ValueError, TypeError, OverflowError)) as caught:
        failing()
    text = "".join(traceback.format_exception(caught.value))

    assert not shows(text, ROOT)
    assert not shows(text, SESSION.encode())


def test_an_ephemeral_key_shows_its_kid_and_its_end() -> None:
    key = EphemeralKey("k" * 52, ROOT, 7)

    assert repr(key) == f"EphemeralKey(kid='{'k' * 52}', expires_at_ms=7)"
    assert repr(RootKey("root", ROOT)) == "RootKey(kid='root')"
    assert repr(MacKey(ROOT)) == "MacKey(…)"
