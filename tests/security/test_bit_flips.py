"""Tampering, systematically and at random: an edited frame is refused, or it says what was signed (R15, R66, O36)."""

import os
import random
import secrets
from collections.abc import Iterable

import pytest

from jitterbug.protocol import canonical
from jitterbug.protocol.verifying import Refused, StaticKeys, authenticate
from tests.protocol import outside

OTHER_KID = "outside-key-0002"
KEYS = StaticKeys({outside.KID: outside.SECRET, OTHER_KID: bytes(range(1, 33))})
RICH = outside.frame(
    '{"ch":"orders/42","conn":"c0nn","data":{"":[],"a":[1,-2.5,null,true,1e+21],"é":"\U0001f600\\n"},"seq":7,"t":"msg"}',
    nonce=outside.b64(bytes(range(100, 132))),
)
LOOSE = RICH.decode().replace(",", ",\t ").replace("é", "\\u00e9").replace("1e+21", "1.0E21").encode() + b"\r\n"
SECOND = outside.frame(
    '{"ch":"orders/43","conn":"c0nn","data":{"b":[2,"x"]},"seq":8,"t":"msg"}', nonce=outside.b64(bytes(32))
)
EDITS = int(os.environ.get("EDIT_COUNT", "100000"))
SEED = int(os.environ.get("EDIT_SEED", "0")) or secrets.randbits(64)
"""Another one each time; a failure prints it, ``EDIT_SEED`` plays it again."""
TOKENS = [
    b'"', b"\\", b"\\u0022", b"{", b"}", b"[", b"]", b":", b",", b"0", b"-0", b"1e400", b"9007199254740993", b"NaN",
    b"null", b"true", b'"t":"msg"', b'"seq":8,', b'"kid":', b'"ts":', b'"alg":"none",', b'"sig":"",', b"\xff",
    b"\xc0\x80", b"\xed\xa0\x80", b"\xef\xbb\xbf", b"\0", b" ", b"=", b"A",
]  # fmt: skip

Meaning = tuple[str, int, str, bytes]


def meaning(data: bytes, *, as_client: bool = False) -> Meaning | None:
    """Everything a frame says, once its signature held; None when it is refused."""
    verdict = authenticate(
        data, outside.NOW_MS, KEYS, skew_ms=5_000, max_frame_bytes=2_048, canonical_only=as_client
    )  # fmt: skip
    if isinstance(verdict, Refused):
        return None
    return verdict.kid, verdict.ts, verdict.nonce, canonical.encode(verdict.payload)


def accepted(originals: Iterable[bytes], edited: Iterable[bytes]) -> list[bytes]:
    """The edits that are accepted: each says what one of the originals says, and no client takes any but those."""
    texts = set(originals)
    meanings = {meaning(text) for text in texts}
    assert None not in meanings, "an honest frame is refused"
    found: list[bytes] = []
    for data in edited:
        said = meaning(data)
        if said is None:
            continue
        assert said in meanings, f"accepted with another meaning: {data!r} (EDIT_SEED={SEED})"
        assert data in texts or meaning(data, as_client=True) is None, f"a client accepts {data!r} (EDIT_SEED={SEED})"
        found.append(data)
    return found


def spelt(old: bytes, *new: bytes) -> list[bytes]:
    """The rich frame with a part of it spelt otherwise."""
    return [RICH.replace(old, each) for each in new]


def test_every_bit_at_every_position_r15_r66() -> None:
    """In canonical text one bit is free, the case of an exponent's letter, and that towards a hub alone."""
    edits = (RICH[:at] + bytes([RICH[at] ^ 1 << bit]) + RICH[at + 1 :] for at in range(len(RICH)) for bit in range(8))

    assert accepted([RICH], edits) == spelt(b"1e+21", b"1E+21")


def test_every_other_byte_at_every_position_r66() -> None:
    edits = (RICH[:at] + bytes([new]) + RICH[at + 1 :] for at in range(len(RICH)) for new in range(256))

    changed = [edit for edit in accepted([RICH], edits) if edit != RICH]
    assert changed == spelt(b"1e+21", b"1E+21", b"1e021")


def test_every_bit_and_byte_of_a_loosely_written_frame_r66() -> None:
    """White space, escapes and numbers are free towards a hub: what else they say stays the same."""
    edits = (LOOSE[:at] + bytes([new]) + LOOSE[at + 1 :] for at in range(len(LOOSE)) for new in range(256))

    changed = [edit for edit in accepted([RICH, LOOSE], edits) if edit != LOOSE]
    assert 0 < len(changed) < 100


def test_every_byte_added_at_every_position_r66() -> None:
    edits = [RICH[:at] + bytes([new]) + RICH[at:] for at in range(len(RICH) + 1) for new in range(256)]

    found = accepted([RICH], edits)
    assert {edit for edit in found if edit.translate(None, b" \t\r\n") != RICH} == {
        *spelt(b"orders/42", b"orders\\/42"),
        *spelt(b"-2.5", b"-2.50"),
        *spelt(b"1e+21", b"1e+021"),
    }


def test_every_piece_left_out_or_repeated_r66() -> None:
    """Cuts and repetitions of any length at any place."""
    spans = [(start, end) for end in range(1, len(RICH) + 1) for start in range(end)]

    assert accepted([RICH], (RICH[:start] + RICH[end:] for start, end in spans)) == spelt(b"1e+21", b"1e21")
    assert accepted([RICH], (RICH[:end] + RICH[start:] for start, end in spans)) == []


def test_any_two_frames_spliced_anywhere_r15_r66() -> None:
    """The head of one good frame with the tail of another: one of the two, whole, or nothing."""
    cuts = [(one, two) for one in range(len(RICH)) for two in range(len(SECOND))]

    assert set(accepted([RICH, SECOND], (RICH[:one] + SECOND[two:] for one, two in cuts))) == {RICH, SECOND}
    assert set(accepted([RICH, SECOND], (SECOND[:two] + RICH[one:] for one, two in cuts))) == {RICH, SECOND}


@pytest.mark.parametrize("frame", [RICH, LOOSE], ids=["canonical", "loosely written"])
def test_random_edits_of_several_bytes_r15_o36(frame: bytes) -> None:
    """100,000 in all, made of bytes, tokens, pieces of the frame itself and of another good one."""
    dice = random.Random(SEED)

    found = accepted([frame, RICH, SECOND], (edited(frame, dice) for _ in range(EDITS // 2)))
    assert len(found) < EDITS // 10


def edited(data: bytes, dice: random.Random) -> bytes:
    """One to eight edits, each anywhere."""
    for _ in range(dice.choice((1, 1, 2, 2, 3, 4, 8))):
        start = dice.randrange(len(data) + 1)
        end = min(len(data), start + dice.choice((0, 0, 1, 1, 2, 4, 8, 44, 200)))
        data = data[:start] + new_piece(data, dice) + data[end:]
    return data


def new_piece(data: bytes, dice: random.Random) -> bytes:
    """What takes the place of a cut."""
    kind = dice.randrange(5)
    if kind == 0:
        return dice.randbytes(dice.choice((1, 1, 1, 2, 4)))
    if kind == 1:
        return dice.choice(TOKENS)
    if kind == 2:
        return b""
    source = data if kind == 3 else SECOND
    start = dice.randrange(len(source) + 1)
    return source[start : start + dice.choice((1, 2, 5, 10, 44, 100))]


def test_the_harness_sees_what_it_looks_for() -> None:
    """A verifier that checked nothing would be found out by the first edit that parses."""
    forged = outside.changed(RICH, payload={"t": "msg", "seq": 8})
    genuine_but_other = outside.frame('{"seq":8,"t":"msg"}')

    assert accepted([RICH], [forged]) == []
    with pytest.raises(AssertionError, match="another meaning"):
        accepted([RICH], [genuine_but_other])
