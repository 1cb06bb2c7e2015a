"""Root keys from text, refused when weak (R23, R73). No message repeats any of it."""

from collections.abc import Mapping
from itertools import pairwise
from typing import Final

from jitterbug.config import PublisherKey, Secret
from jitterbug.errors import SettingError
from jitterbug.protocol import base64, frames
from jitterbug.protocol.signing import SECRET_BYTES
from jitterbug.settings import names, values

REMEDY: Final = "Make one with: jitterbug keys new"
DOCUMENTATION_SAMPLE: Final = "dGhpcyBpcyB0aGUgZG9jdW1lbnRhdGlvbiBzYW1wbGU="
"""What the documentation shows where a secret goes. Everybody knows it, so it is refused."""
_LEAST_DISTINCT_BYTES: Final = 8
"""Of 32 random bytes about 30 differ; fewer than 8 have never come from a generator."""
_LONGEST_UNIT_BYTES: Final = 64
"""Repeated units looked for; the bound keeps the time linear."""


def key_id(name: str, text: str) -> str:
    """Read a configured key id (PROTOCOL §1)."""
    if not frames.is_configured_kid(text):
        raise SettingError(name, "is not a key id", remedy="Use 4 to 64 of A-Z a-z 0-9 _ -")
    return text


def secret(name: str, text: str) -> Secret:
    """Read base64 (RFC 4648 §4, padded) of at least 32 bytes that look random.

    Raises:
        SettingError: Empty, not base64, short, repetitive, or the documentation's sample.
    """
    if not text:
        raise SettingError(name, "is empty", remedy=REMEDY)
    if text == DOCUMENTATION_SAMPLE:
        raise SettingError(name, "is the sample from the documentation", remedy=REMEDY)
    try:
        data = base64.decode(text)
    except ValueError:
        # "from None": the cause would carry the text.
        raise SettingError(name, "is not padded standard base64", remedy=REMEDY) from None
    if len(data) < SECRET_BYTES:
        raise SettingError(name, f"has fewer than {SECRET_BYTES} bytes", remedy=REMEDY)
    if is_repetitive(data):
        raise SettingError(name, "repeats itself and can be guessed", remedy=REMEDY)
    return Secret(data)


def is_repetitive(data: bytes) -> bool:
    """Tell whether bytes follow a pattern no generator makes: few values, a repeated unit, an even count."""
    if len(set(data)) < _LEAST_DISTINCT_BYTES:
        return True
    if any(data[unit:] == data[:-unit] for unit in range(1, min(len(data) // 2, _LONGEST_UNIT_BYTES) + 1)):
        return True
    return len({(after - before) % 256 for before, after in pairwise(data)}) == 1


def publishers(name: str, text: str) -> Mapping[str, PublisherKey]:
    """Read ``kid:base64:pattern|pattern,…``: keys of back ends, each with its channels.

    Args:
        name: The setting, for messages.
        text: Its value; empty = none.
    """
    keys: dict[str, PublisherKey] = {}
    for item in values.items(text):
        kid, encoded, channels = [*item.split(":", 2), "", ""][:3]
        if not channels:
            remedy = "Write kid:base64:orders/**, several patterns with | between them."
            raise SettingError(name, "is not a list of kid:secret:channels", remedy=remedy)
        if kid in keys:
            raise SettingError(name, "has a key id twice", remedy="Give each key an id of its own.")
        keys[key_id(name, kid)] = PublisherKey(secret(name, encoded), tuple(channels.split("|")))
    return keys


def previous(name: str, text: str, current: str | None) -> Mapping[str, Secret]:
    """Read ``kid:base64,kid:base64``: root keys still accepted while one is being rotated.

    Args:
        name: The setting, for messages.
        text: Its value; empty = none.
        current: Key id in use now, which must not come again; None = no key.
    """
    keys: dict[str, Secret] = {}
    for item in values.items(text):
        kid, colon, encoded = item.partition(":")
        if not colon:
            raise SettingError(name, "is not a list of kid:secret", remedy="Write kid:base64,kid:base64.")
        if kid in keys or kid == current:
            raise SettingError(name, "has a key id twice", remedy=f"Each differs, also from {names.HMAC_KEY_ID}.")
        keys[key_id(name, kid)] = secret(name, encoded)
    return keys
