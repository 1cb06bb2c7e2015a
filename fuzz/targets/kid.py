"""Key ids: only what a root key made for this session opens a key (PROTOCOL §2, R37-R50)."""

import re

from jitterbug.protocol.frames import is_configured_kid, is_kid
from jitterbug.protocol.keys import RootKey, RootKeys, SessionKeys

_CURRENT, _PREVIOUS = RootKey("root_now", bytes(range(32))), RootKey("root_before", bytes(range(32, 64)))
_ROOTS = RootKeys(_CURRENT, [_PREVIOUS])
_KID = re.compile(r"[A-Za-z0-9_-]+", re.ASCII)
_RANDOM_BYTES, _EXPIRY_BYTES = 16, 6
_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"


def check(data: bytes) -> None:
    """The bytes as a kid, then as session, expiry, randomness and one changed letter of a kid that was made."""
    text = data.decode("utf-8", "replace")
    assert _ROOTS.open("session", text) is None, "a made-up kid opened a key"
    assert SessionKeys(_ROOTS, "session").find(text).is_decoy
    assert _ROOTS.find(text).is_decoy is not (text in {_CURRENT.kid, _PREVIOUS.kid})
    fits = _KID.fullmatch(text) is not None
    assert is_kid(text) == (fits and 4 <= len(text) <= 96)
    assert is_configured_kid(text) == (fits and 4 <= len(text) <= 64)
    _made(data.ljust(_RANDOM_BYTES + _EXPIRY_BYTES + 3, b"\0"))


def _made(data: bytes) -> None:
    random, rest = data[:_RANDOM_BYTES], data[_RANDOM_BYTES:]
    expires_at_ms = int.from_bytes(rest[:_EXPIRY_BYTES], "big")
    at, letter, root = rest[_EXPIRY_BYTES : _EXPIRY_BYTES + 3]
    session = rest[_EXPIRY_BYTES + 3 :].decode("utf-8", "replace")
    key = (_PREVIOUS if root % 2 else _CURRENT).issue(session, expires_at_ms, random)
    assert is_kid(key.kid) and len(key.secret) == 32
    assert _ROOTS.open(session, key.kid) == key, "derived again, another key"
    assert _ROOTS.open(session + "x", key.kid) is None, "another session's kid opened a key"
    at %= len(key.kid)
    changed = key.kid[:at] + _LETTERS[letter % 64] + key.kid[at + 1 :]
    assert changed == key.kid or _ROOTS.open(session, changed) is None, "a changed kid opened a key"
