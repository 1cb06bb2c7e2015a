"""The frame as somebody else would make it: from PROTOCOL §1 and the standard library, none of our code."""

import base64
import hashlib
import hmac
import json
import os
from typing import Any

NOW_MS = 1_784_636_400_000
KID = "outside-key-0001"
SECRET = bytes(range(32))


def b64(data: bytes) -> str:
    """Standard padded base64."""
    return base64.b64encode(data).decode()


def tag(secret: bytes, kid: str, ts: int, nonce: str, payload: str) -> bytes:
    """HMAC-SHA256 over ``kid:ts:nonce:payload`` (R28)."""
    return hmac.new(secret, f"{kid}:{ts}:{nonce}:{payload}".encode(), hashlib.sha256).digest()


def frame(
    payload: str = '{"t":"ping"}',
    *,
    kid: str = KID,
    ts: int = NOW_MS,
    nonce: str | None = None,
    secret: bytes = SECRET,
) -> bytes:
    """A signed frame around payload text that the caller wrote in canonical form."""
    nonce = nonce or b64(os.urandom(32))
    sig = b64(tag(secret, kid, ts, nonce, payload))
    return f'{{"kid":"{kid}","nonce":"{nonce}","payload":{payload},"sig":"{sig}","ts":{ts}}}'.encode()


def sized(size: int, filler: str = "x") -> bytes:
    """A signed frame of exactly this many UTF-8 bytes."""
    room = size - len(frame('{"d":""}'))
    wide, rest = divmod(room, len(filler.encode()))
    return frame('{"d":"' + filler * wide + "x" * rest + '"}')


def members(data: bytes) -> dict[str, Any]:
    """The five members, read by the standard library."""
    parsed: dict[str, Any] = json.loads(data)
    return parsed


def changed(data: bytes, **changes: Any) -> bytes:
    """The same frame with members set to something else."""
    return json.dumps({**members(data), **changes}, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
