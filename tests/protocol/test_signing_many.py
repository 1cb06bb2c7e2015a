"""Many frames sealed at once are what each would be if it were sealed alone (R22, R24-R26, R28-R30)."""

import hmac
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jitterbug.protocol import FrameSigner, FrameVerifier, base64, canonical
from jitterbug.protocol.signing import MacKey, Unsealed, seal_all
from tests.protocol import outside
from tests.strategies import KID_LETTERS, alike, kids, payloads, present_ms, secrets

TS = b"%d" % outside.NOW_MS
wires = st.binary(max_size=12)
keyrings = st.dictionaries(kids, secrets, min_size=1, max_size=5)


@given(st.lists(st.tuples(st.binary(min_size=32, max_size=130), st.binary(max_size=200)), max_size=12))
def test_each_mac_of_many_is_hmac_sha256_r22(pairs: list[tuple[bytes, bytes]]) -> None:
    macs = MacKey.mac_all([MacKey(secret) for secret, _ in pairs], [text for _, text in pairs])

    assert macs == [hmac.digest(secret, text, "sha256") for secret, text in pairs]


@given(secrets, st.lists(st.binary(max_size=100), min_size=1, max_size=12))
def test_one_key_for_many_texts_is_as_good_before_as_after_r22(secret: bytes, texts: list[bytes]) -> None:
    """The states that a key was made ready as are copied, not used up."""
    key = MacKey(secret)
    expected = [hmac.digest(secret, text, "sha256") for text in texts]

    assert key.mac_all([key] * len(texts), iter(texts)) == expected
    assert [key.mac(text) for text in texts] == expected


@given(st.data())
def test_each_frame_of_many_is_the_one_that_is_sealed_alone_but_for_its_nonce_r25_r28_r29_r30(
    data: st.DataObject,
) -> None:
    """Any keys in any order, the same one many times: in the order that was given, with each wire's text around it."""
    ring = data.draw(keyrings)
    signers = {kid: FrameSigner(kid, secret) for kid, secret in ring.items()}
    one = st.tuples(st.sampled_from(sorted(ring)), payloads, wires, wires)
    meant = data.draw(st.lists(one, min_size=1, max_size=12))
    now_ms = data.draw(present_ms)
    verifier = FrameVerifier(ring, max_frame_bytes=100_000)

    sealed = seal_all(
        [(signers[kid], canonical.encode(payload), before, after) for kid, payload, before, after in meant],
        b"%d" % now_ms,
    )

    assert len(sealed) == len(meant)
    nonces = set()
    for text, (kid, payload, before, after) in zip(sealed, meant, strict=True):
        assert text.startswith(before)
        assert text.endswith(after)
        frame = text[len(before) : len(text) - len(after)]
        nonce = outside.members(frame)["nonce"]
        written = canonical.encode(payload).decode()
        assert frame == outside.frame(written, kid=kid, ts=now_ms, nonce=nonce, secret=ring[kid])
        assert len(frame) == len(signers[kid].seal(written.encode(), b"%d" % now_ms))
        assert len(frame) == signers[kid].envelope_bytes + len(written.encode())
        assert alike(verifier.verify(frame, now_ms), payload)
        nonces.add(nonce)
    assert len(nonces) == len(meant)
    assert {len(base64.decode(nonce)) for nonce in nonces} == {32}


def unsealed(count: int, signers: int) -> list[Unsealed]:
    made = [FrameSigner(f"signer-{number}", number.to_bytes(32, "big")) for number in range(1, signers + 1)]
    return [(made[number % signers], b'{"n":%d}' % number, b"data: ", b"\n%d\n" % number) for number in range(count)]


@pytest.mark.parametrize("signers", [1, 7, 600])
@pytest.mark.parametrize("count", [1, 2, 127, 128, 129, 257, 600])
def test_any_number_of_frames_keeps_its_order_and_every_one_a_nonce_of_its_own_r24_r26(
    count: int, signers: int
) -> None:
    """Also across the refills of the pool of nonces, which has 128."""
    ring = {f"signer-{number}": number.to_bytes(32, "big") for number in range(1, signers + 1)}
    verifier, nonces = FrameVerifier(ring), set()
    for number, text in enumerate(seal_all(unsealed(count, signers), TS)):
        before, frame, after = text.partition(b"{")[0], *text.removeprefix(b"data: ").split(b"\n", 1)
        assert (before, after) == (b"data: ", b"%d\n" % number)
        assert verifier.verify(frame, outside.NOW_MS) == {"n": number}
        assert outside.members(frame)["kid"] == f"signer-{number % signers + 1}"
        nonces.add(outside.members(frame)["nonce"])

    assert len(nonces) == count


def test_frames_sealed_at_once_share_no_nonce_with_frames_sealed_alone_r26() -> None:
    signer = FrameSigner(outside.KID, outside.SECRET)
    alone = [signer.seal(b"{}", TS) for _ in range(100)]
    at_once = [frame for _ in range(3) for frame in seal_all([(signer, b"{}", b"", b"")] * 100, TS)]

    assert len({outside.members(frame)["nonce"] for frame in alone + at_once}) == 400


@given(st.text(KID_LETTERS, min_size=4, max_size=96), payloads)
def test_what_is_around_a_frame_is_not_signed_and_changes_nothing_of_it(kid: str, payload: dict[str, Any]) -> None:
    """Wires differ; the frame in them does not."""
    signer, data = FrameSigner(kid, outside.SECRET), canonical.encode(payload)
    bare, wired = seal_all([(signer, data, b"", b""), (signer, data, b"<<", b">>")], TS)

    assert len(wired) == len(bare) + 4
    for frame in (bare, wired.removeprefix(b"<<").removesuffix(b">>")):
        verifier = FrameVerifier({kid: outside.SECRET}, max_frame_bytes=len(frame))
        assert alike(verifier.verify(frame, outside.NOW_MS), payload)
