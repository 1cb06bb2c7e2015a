"""Base64 as PROTOCOL §1 has it: RFC 4648 §4 alphabet, padded, canonical, and nothing else.

Python's decoder skips foreign characters by default and, even when strict, takes non-zero trailing bits; so the
text is matched against a grammar that only canonical text satisfies before it is decoded (RFC 4648 §3.5).
"""

import base64
import binascii
import re
from collections.abc import Callable
from functools import partial
from typing import Final

# 32 bytes are 42 full sextets and 4 bits: the 43rd character has its two low bits clear.
_TEXT_32: Final = re.compile(r"[A-Za-z0-9+/]{42}[AEIMQUYcgkosw048]=", re.ASCII)


encode: Final[Callable[[bytes], bytes]] = partial(binascii.b2a_base64, newline=False)
"""Standard padded base64 as ASCII bytes, without a line end. No function of ours: every frame is encoded twice."""


def is_32(text: object) -> bool:
    """Tell whether this is the one canonical text of some 32 bytes."""
    return isinstance(text, str) and _TEXT_32.fullmatch(text) is not None


def decode(text: str) -> bytes:
    """Decode canonical base64 of any length.

    Raises:
        ValueError: The text is anything but the canonical base64 of some bytes.
    """
    data = binascii.a2b_base64(text.encode("ascii"), strict_mode=True)
    if binascii.b2a_base64(data, newline=False).decode() != text:
        raise ValueError("not canonical base64")
    return data


def encode_url(data: bytes) -> str:
    """Return URL-safe base64 without padding (RFC 4648 §5)."""
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def decode_url(text: str) -> bytes:
    """Decode URL-safe base64 of whole sextet groups, checked against a grammar by the caller."""
    return base64.urlsafe_b64decode(text)
