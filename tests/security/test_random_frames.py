"""Random frames: each honest one verifies to what was signed, and none does after a random edit (R65, O36)."""

import os
import random
import secrets
import struct
from math import isfinite
from typing import Any

from jitterbug.errors import SecurityError
from jitterbug.protocol import FrameSigner, FrameVerifier, canonical
from tests.protocol import outside
from tests.strategies import KID_LETTERS, alike

FRAMES = int(os.environ.get("FRAME_COUNT", "10000"))
SEED = int(os.environ.get("FRAME_SEED", "0")) or secrets.randbits(64)
"""Another one each time; a failure prints it, ``FRAME_SEED`` plays it again."""
NAMES = [
    "",
    "a",
    "t",
    "kid",
    "sig",
    "payload",
    "__proto__",
    "constructor",
    "é",
    "e\u0301",
    "\U0001f600",
    "\ufb33",
    '"',
    "\\",
]


def any_value(dice: random.Random, depth: int = 0) -> Any:
    """A JSON value of any shape."""
    kind = dice.randrange(6 if depth > 3 else 8)
    match kind:
        case 0:
            return dice.choice((None, True, False))
        case 1:
            return dice.randrange(-(2**53) + 1, 2**53) >> dice.randrange(54)
        case 2 | 3:
            return any_float(dice)
        case 4 | 5:
            return any_text(dice)
        case 6:
            return [any_value(dice, depth + 1) for _ in range(dice.randrange(4))]
        case _:
            return any_object(dice, depth + 1)


def any_object(dice: random.Random, depth: int = 0) -> dict[str, Any]:
    """A JSON object of up to five members."""
    names = [dice.choice(NAMES) if dice.random() < 0.5 else any_text(dice) for _ in range(dice.randrange(6))]
    return {name: any_value(dice, depth) for name in names}


def any_float(dice: random.Random) -> float:
    """A double, every exponent as likely as any other."""
    value: float = struct.unpack("<d", dice.randbytes(8))[0]
    return value if isfinite(value) else float(dice.randrange(1_000))


def any_text(dice: random.Random) -> str:
    """Text of scalar values, from every plane."""
    tops = (0x20, 0x80, 0x800, 0xD800, 0x110000)
    codes = (dice.randrange(dice.choice(tops)) for _ in range(dice.randrange(9)))
    return "".join(chr(code) for code in codes if not 0xD800 <= code < 0xE000)


def test_ten_thousand_random_frames_are_signed_verified_and_edited_r65() -> None:
    """Random key, key id, time and payload; signed here, recomputed outside, verified, then one byte changed."""
    dice = random.Random(SEED)
    for number in range(FRAMES):
        replay = f"frame {number}, FRAME_SEED={SEED}"
        kid = "".join(dice.choices(KID_LETTERS, k=dice.randrange(4, 97)))
        secret, ts = dice.randbytes(dice.choice((32, 33, 64, 65, 200))), dice.randrange(2**53)
        payload = any_object(dice)
        frame = FrameSigner(kid, secret).sign(payload, ts)
        members = outside.members(frame)
        first, second = (FrameVerifier({kid: secret}, max_frame_bytes=65_536) for _ in range(2))
        now_ms = ts + dice.randrange(-5_000, 5_001)

        text = canonical.encode(payload).decode()
        assert outside.b64(outside.tag(secret, kid, ts, members["nonce"], text)) == members["sig"], replay
        assert alike(first.verify(frame, now_ms), payload), replay
        # One that has not seen the nonce, or the edit would be refused as a replay.
        assert not passes(second, edited(frame, dice), now_ms, canonical.encode(payload)), replay


def edited(frame: bytes, dice: random.Random) -> bytes:
    """One byte, another."""
    at = dice.randrange(len(frame))
    return frame[:at] + bytes([(frame[at] + dice.randrange(1, 256)) % 256]) + frame[at + 1 :]


def passes(verifier: FrameVerifier, frame: bytes, now_ms: int, meant: bytes) -> bool:
    """Whether an edited frame is accepted with another meaning; spelt otherwise, it may be."""
    try:
        return canonical.encode(verifier.verify(frame, now_ms)) != meant
    except SecurityError:
        return False
