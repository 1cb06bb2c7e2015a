"""What makes a secret guessable though it is long enough (R23, R73; RFC 8725 §3.5). Never repeats any of it."""

import binascii
import re
from collections.abc import Iterator
from itertools import pairwise
from typing import Final

from jitterbug.protocol import base64

_LEAST_DISTINCT: Final = 8
"""Of 32 random bytes about 30 differ, and of the steps between them as many; fewer than 8 never came from a generator,
nor did they from the 16 digits of a hexadecimal text."""
_LONGEST_UNIT_BYTES: Final = 64
"""Repeated units looked for; the bound keeps the time linear."""
_WORDS: Final = (
    "admin", "all", "and", "any", "app", "at", "auth", "be", "bit", "bits", "byte", "bytes", "change", "changed",
    "char", "character", "characters", "chars", "check", "code", "config", "default", "demo", "dev", "development",
    "documentation", "do", "dont", "enough", "env", "example", "fake", "for", "hash", "here", "hmac", "hs", "in",
    "insecure", "is", "it", "jitterbug", "jwt", "key", "least", "letmein", "local", "long", "me", "minimum", "must",
    "my", "not", "of", "or", "pass", "passphrase", "password", "phrase", "placeholder", "please", "private", "prod",
    "production", "put", "qwerty", "random", "replace", "sample", "secret", "secure", "session", "shared", "should",
    "sign", "signing", "some", "spec", "string", "super", "test", "testing", "that", "the", "this", "to", "token",
    "top", "use", "very", "with", "you", "your", "a", "i",
)  # fmt: skip
"""What samples in documentation are made of: "a-string-secret-at-least-256-bits-long", "your-256-bit-secret", …"""
_SAMPLE: Final = re.compile(rf"(?:[0-9]{{0,4}}(?:{'|'.join(sorted(_WORDS, key=len, reverse=True))}))+[0-9]{{0,4}}")
_LONGEST_SAMPLE_CHARS: Final = 128
"""Beyond it no sample is; the bound keeps the time of the search small."""
_SEPARATORS: Final = re.compile(r"[^a-z0-9]+")


def weakness(data: bytes, least_bytes: int) -> str | None:
    """Tell what is wrong with a secret, in words for a :class:`~jitterbug.errors.SettingError`; None = nothing.

    A text is looked at as it is and as what it may be the base64 or the hexadecimal form of.

    Args:
        data: The secret.
        least_bytes: What it must have.
    """
    if len(data) < least_bytes:
        return f"has fewer than {least_bytes} bytes"
    forms = list(_forms(data))
    if any(is_repetitive(form) for form in forms):
        return "repeats itself and can be guessed"
    if any(_is_sample(form) for form in forms):
        return "is a sample from documentation, or made of its words"
    return None


def is_repetitive(data: bytes) -> bool:
    """Tell whether bytes follow a pattern no generator makes: few values, a repeated unit, an even count."""
    if len(set(data)) < _LEAST_DISTINCT:
        return True
    if any(data[unit:] == data[:-unit] for unit in range(1, min(len(data) // 2, _LONGEST_UNIT_BYTES) + 1)):
        return True
    return len({(after - before) % 256 for before, after in pairwise(data)}) < _LEAST_DISTINCT


def _forms(data: bytes) -> Iterator[bytes]:
    yield data
    for decode in (base64.decode, binascii.unhexlify):
        try:
            decoded = decode(data.decode("ascii"))
        except ValueError:
            continue
        if len(decoded) >= 2 * _LEAST_DISTINCT:  # fewer bytes cannot be told from chance
            yield decoded


def _is_sample(data: bytes) -> bool:
    # What is no text at all is no sample, though the few letters among random bytes may well spell a word.
    if not (data.isascii() and data.decode("ascii").isprintable()):
        return False
    text = _SEPARATORS.sub("", data[:_LONGEST_SAMPLE_CHARS].decode("ascii").lower())
    return _SAMPLE.fullmatch(text) is not None
