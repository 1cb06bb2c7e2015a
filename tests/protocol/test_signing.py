"""One MAC, one comparison, fresh nonces, and frames that anybody can check (R22-R30)."""

import hmac
import json
import subprocess
import sys
import textwrap
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jitterbug.errors import CanonicalError
from jitterbug.protocol import FrameSigner, FrameVerifier, base64, canonical
from jitterbug.protocol.signing import MacKey, NoncePool, fresh_nonces
from tests.protocol import outside
from tests.strategies import alike, kids, payloads, present_ms, secrets

RFC_4231 = [
    ("0b" * 20, b"Hi There".hex(), "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"),
    (
        b"Jefe".hex(),
        b"what do ya want for nothing?".hex(),
        "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
    ),
    ("aa" * 20, "dd" * 50, "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe"),
    (
        bytes(range(1, 26)).hex(),
        "cd" * 50,
        "82558a389a443c0ea4cc819899f2083a85f0faa3e578f8077a2e3ff46729665b",
    ),
    ("0c" * 20, b"Test With Truncation".hex(), "a3b6167473100ee06e0c796c2955552b"),
    (
        "aa" * 131,
        b"Test Using Larger Than Block-Size Key - Hash Key First".hex(),
        "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54",
    ),
    (
        "aa" * 131,
        (
            b"This is a test using a larger than block-size key and a larger than block-size data. "
            b"The key needs to be hashed before being used by the HMAC algorithm."
        ).hex(),
        "9b09ffa71b942fcb27635fbcd5b0e944bfdc63644f0713938a7f51535c3a35e2",
    ),
]
"""RFC 4231 §4.2 to §4.8: key, data, HMAC-SHA-256, the fifth cut to 128 bits by the RFC itself."""


@pytest.mark.parametrize(("key", "data", "tag"), RFC_4231, ids=range(1, 8))
def test_rfc_4231_vectors_hold_r22(key: str, data: str, tag: str) -> None:
    mac = MacKey(bytes.fromhex(key), least_bytes=0).mac(bytes.fromhex(data))

    assert mac.hex()[: len(tag)] == tag


@given(secrets, st.binary(max_size=300))
def test_the_mac_is_hmac_sha256_for_every_key_and_text_r22(secret: bytes, text: bytes) -> None:
    assert MacKey(secret).mac(text) == hmac.digest(secret, text, "sha256")


@given(st.binary(max_size=31))
def test_a_short_key_is_only_for_salts_r23(salt: bytes) -> None:
    assert MacKey(salt, least_bytes=0).mac(b"text") == hmac.digest(salt, b"text", "sha256")


@pytest.mark.parametrize("size", [32, 63, 64, 65, 131])
def test_the_mac_is_right_around_the_block_size(size: int) -> None:
    secret = bytes(range(size))

    assert MacKey(secret).mac(b"") == hmac.digest(secret, b"", "sha256")


def test_a_key_makes_the_same_mac_again() -> None:
    key = MacKey(outside.SECRET)

    assert key.mac(b"one") == key.mac(b"one") != key.mac(b"two")


@pytest.mark.parametrize("size", [0, 1, 31])
def test_a_key_under_256_bits_is_refused_r23_o4(size: int) -> None:
    with pytest.raises(ValueError, match="at least 32 bytes"):
        MacKey(bytes(size))
    with pytest.raises(ValueError, match="at least 32 bytes"):
        FrameSigner(outside.KID, bytes(size))


@given(secrets, st.binary(max_size=50), st.integers(min_value=0, max_value=255))
def test_a_tag_matches_and_with_any_bit_flipped_does_not_r34(secret: bytes, text: bytes, bit: int) -> None:
    key = MacKey(secret)
    tag = key.mac(text)
    flipped = bytearray(tag)
    flipped[bit // 8] ^= 1 << bit % 8

    assert key.matches(text, tag)
    assert not key.matches(text, bytes(flipped))


@pytest.mark.parametrize("size", [0, 1, 16, 31, 33, 64])
def test_a_tag_of_another_length_never_matches(size: int) -> None:
    key = MacKey(outside.SECRET)
    tag = (key.mac(b"text") * 2)[:size]

    assert not key.matches(b"text", tag)
    assert not key.matches(b"text", tag, 20)
    assert key.matches(b"text", key.mac(b"text")[:20], 20)


def test_wycheproof_hmac_vectors_hold_r22(shared_data: Path) -> None:
    """Valid tags match, modified ones do not, and a truncated tag never passes as a whole one."""
    groups = json.loads((shared_data / "wycheproof" / "hmac_sha256_test.json").read_text())["testGroups"]
    seen: Counter[tuple[str, int]] = Counter()
    for group in groups:
        for test in group["tests"]:
            secret, text, tag = (bytes.fromhex(test[name]) for name in ("key", "msg", "tag"))
            key = MacKey(secret, least_bytes=0)
            valid, tag_bytes = test["result"] == "valid", group["tagSize"] // 8
            assert (key.mac(text)[:tag_bytes] == tag) == valid, test["tcId"]
            assert key.matches(text, tag, tag_bytes) == valid, test["tcId"]
            assert key.matches(text, tag) == (valid and tag_bytes == 32), test["tcId"]
            assert valid or test["flags"] == ["ModifiedTag"]
            if len(secret) < 32:
                with pytest.raises(ValueError, match="at least 32 bytes"):
                    MacKey(secret)
            seen[test["result"], tag_bytes] += 1

    assert seen == {("valid", 32): 33, ("valid", 16): 33, ("invalid", 32): 54, ("invalid", 16): 54}


@given(kids, secrets, payloads, present_ms)
def test_a_frame_is_what_the_contract_says_recomputed_outside_r25_r28_r29_r30(
    kid: str, secret: bytes, payload: dict[str, Any], now_ms: int
) -> None:
    data = FrameSigner(kid, secret).sign(payload, now_ms)
    frame = outside.members(data)

    assert list(frame) == ["kid", "nonce", "payload", "sig", "ts"]
    assert (frame["kid"], frame["ts"]) == (kid, now_ms)
    assert alike(canonical.decode(data)["payload"], payload)
    assert len(base64.decode(frame["nonce"])) == 32
    text = canonical.encode(payload).decode()
    assert frame["sig"] == outside.b64(outside.tag(secret, kid, now_ms, frame["nonce"], text))
    assert data == outside.frame(text, kid=kid, ts=now_ms, nonce=frame["nonce"], secret=secret)


@given(kids, secrets, payloads, present_ms)
def test_what_is_signed_verifies_to_the_same_payload_r35_r65(
    kid: str, secret: bytes, payload: dict[str, Any], now_ms: int
) -> None:
    frame = FrameSigner(kid, secret).sign(payload, now_ms)

    assert alike(FrameVerifier({kid: secret}, max_frame_bytes=len(frame)).verify(frame, now_ms), payload)


@given(payloads)
def test_sealing_canonical_bytes_is_signing(payload: dict[str, Any]) -> None:
    signer = FrameSigner(outside.KID, MacKey(outside.SECRET))
    sealed = outside.members(signer.seal(canonical.encode(payload), b"%d" % outside.NOW_MS))
    signed = outside.members(signer.sign(payload, outside.NOW_MS))

    assert {**sealed, "nonce": "", "sig": ""} == {**signed, "nonce": "", "sig": ""}
    assert sealed["nonce"] != signed["nonce"]


def test_one_payload_signed_twice_has_two_nonces_r26() -> None:
    signer = FrameSigner(outside.KID, outside.SECRET)
    frames = {signer.sign({"t": "ping"}, outside.NOW_MS) for _ in range(1_000)}

    assert len({outside.members(frame)["nonce"] for frame in frames}) == 1_000


@pytest.mark.parametrize("payload", [{"n": float("nan")}, {"n": 2**53}, {"s": "\ud800"}, {"b": b""}])
def test_a_payload_without_canonical_form_is_not_signed(payload: dict[str, Any]) -> None:
    with pytest.raises(CanonicalError):
        FrameSigner(outside.KID, outside.SECRET).sign(payload, outside.NOW_MS)


def nested(levels: int) -> dict[str, Any]:
    value: Any = []
    for _ in range(levels - 2):
        value = [value]
    return {"d": value}


def test_a_payload_is_signed_up_to_the_depth_at_which_its_frame_verifies() -> None:
    """The frame around it is one of the 32 levels: nothing may be signed that every verifier refuses."""
    signer, verifier = FrameSigner(outside.KID, outside.SECRET), FrameVerifier({outside.KID: outside.SECRET})

    assert verifier.verify(signer.sign(nested(31), outside.NOW_MS), outside.NOW_MS) == nested(31)
    with pytest.raises(CanonicalError, match="deeper"):
        signer.sign(nested(32), outside.NOW_MS)


@pytest.mark.parametrize("kid", ["", "abc", "a" * 97, "a:bcd", "abcd\n", "abc\u00e9", 'ab"d', "ab d"])
def test_a_malformed_kid_is_not_signed_with(kid: str) -> None:
    with pytest.raises(ValueError, match="key id"):
        FrameSigner(kid, outside.SECRET)


def test_a_signer_shows_its_kid_and_no_secret() -> None:
    assert repr(FrameSigner(outside.KID, outside.SECRET)) == f"FrameSigner(kid='{outside.KID}')"


def test_as_many_nonces_are_fresh_as_were_asked_for() -> None:
    """R24, R26: of each length, none twice, and none of them kept for anybody else."""
    found = [list(fresh_nonces(count)) for count in (0, 1, 2, 256, 300)]

    assert [len(nonces) for nonces in found] == [0, 1, 2, 256, 300]
    together = [nonce for nonces in found for nonce in nonces]
    assert len(set(together)) == 559
    assert all(base64.is_32(nonce.decode()) for nonce in together)


def pooled(count: int) -> Iterator[bytes]:
    pool = NoncePool()
    return (pool.take() for _ in range(count))


@pytest.mark.parametrize("source", [pooled, fresh_nonces])
def test_a_hundred_thousand_nonces_are_32_bytes_distinct_and_even_r24(source: Callable[[int], Iterator[bytes]]) -> None:
    """Monobit and byte-frequency test; each bound is passed by true randomness but once in a thousand million runs."""
    nonces = [base64.decode(nonce.decode()) for nonce in source(100_000)]
    joined = b"".join(nonces)
    bits = len(joined) * 8
    expected = len(joined) / 256
    chi_square = sum((count - expected) ** 2 / expected for count in Counter(joined).values())

    assert {len(nonce) for nonce in nonces} == {32}
    assert len(set(nonces)) == 100_000
    assert abs(int.from_bytes(joined, "big").bit_count() - bits / 2) < 6.2 * (bits / 4) ** 0.5
    assert len(Counter(joined)) == 256
    assert 255 - 140 < chi_square < 255 + 170


def test_two_pools_share_no_nonce() -> None:
    one, two = NoncePool(), NoncePool()

    assert not {one.take() for _ in range(500)} & {two.take() for _ in range(500)}


class Raided(list[bytes]):
    """A pool whose first refill is taken by another thread before this one gets to it."""

    raided = False

    def extend(self, fresh: Any) -> None:
        super().extend(fresh)
        if not self.raided:
            self.raided = True
            self.clear()


def test_a_nonce_is_taken_even_when_other_threads_empty_the_pool_in_between() -> None:
    pool = NoncePool()
    pool._pool = Raided()

    assert len(base64.decode(pool.take().decode())) == 32


def test_a_forked_child_shares_no_nonce_with_its_parent_r24() -> None:
    program = """
        import os
        from jitterbug.protocol.signing import FrameSigner, _NONCES, NoncePool
        own = NoncePool()
        signer = FrameSigner("fork-key", bytes(32))
        own.take(), signer.sign({}, 1)
        left = len(own._pool), len(_NONCES._pool)
        reader, writer = os.pipe()
        child = os.fork()
        nonces = [own.take() for _ in range(300)] + [signer.sign({}, 1)[26:70] for _ in range(300)]
        if not child:
            os.write(writer, b"".join(nonces))
            os._exit(0)
        os.close(writer)
        with os.fdopen(reader, "rb") as stream:
            text = stream.read()
        os.waitpid(child, 0)
        theirs = {text[at : at + 44] for at in range(0, len(text), 44)}
        print(left, len(theirs), len(set(nonces)), len(theirs & set(nonces)))
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)], capture_output=True, text=True, check=True, timeout=60
    )

    assert done.stdout.split("\n")[0] == "(127, 127) 600 600 0"
