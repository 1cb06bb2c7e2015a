"""Frames that must be refused, made from good ones."""

import os
import secrets
from typing import Final

from jitterbug.protocol import base64
from jitterbug.protocol.signing import TAG_BYTES, FrameSigner

NOW_MS: Final = 1_784_636_400_000
FIRST, MIDDLE, LAST = 0, TAG_BYTES // 2, TAG_BYTES - 1
_SIG: Final = b'"sig":"'
_SIG_CHARS: Final = 44


def new_kid(size_bytes: int = 18) -> str:
    """A kid that nobody knows; 24 characters from 18 bytes, 52 from 39 as an ephemeral one has."""
    return base64.encode_url(os.urandom(size_bytes))


def frame(kid: str, secret: bytes, ts: int = NOW_MS) -> bytes:
    """A well-signed frame. Always as long as any other of a kid of that length."""
    payload = {"t": "ping", "id": secrets.token_hex(8), "conn": secrets.token_hex(8)}
    return FrameSigner(kid, secret).sign(payload, ts)


def wrong_at(signed: bytes, place: int) -> bytes:
    """The frame with one byte of its signature changed. Args: place: ``FIRST``, ``MIDDLE``, ``LAST``."""
    start = signed.rindex(_SIG) + len(_SIG)
    tag = bytearray(base64.decode(signed[start : start + _SIG_CHARS].decode()))
    tag[place] ^= 1 + secrets.randbelow(255)
    return signed[:start] + base64.encode(bytes(tag)) + signed[start + _SIG_CHARS :]
