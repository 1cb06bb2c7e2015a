"""Root keys from text, refused when weak (R23, R73). No message repeats any of it."""

from collections.abc import Mapping
from typing import Final

from jitterbug.config import PublisherKey, Secret
from jitterbug.errors import SettingError
from jitterbug.protocol import base64, frames
from jitterbug.protocol.signing import SECRET_BYTES
from jitterbug.settings import names, values
from jitterbug.settings.weak import weakness

REMEDY: Final = "Make one with: jitterbug keys new"
DOCUMENTATION_SAMPLE: Final = "dGhpcyBpcyB0aGUgZG9jdW1lbnRhdGlvbiBzYW1wbGU="
"""What the documentation shows where a secret goes. Everybody knows it, so it is refused."""


def key_id(name: str, text: str) -> str:
    """Read a configured key id (PROTOCOL §1)."""
    if not frames.is_configured_kid(text):
        raise SettingError(name, "is not a key id", remedy="Use 4 to 64 of A-Z a-z 0-9 _ -")
    return text


def secret(name: str, text: str) -> Secret:
    """Read base64 (RFC 4648 §4, padded) of at least 32 bytes that look random.

    Raises:
        SettingError: Empty, not base64, short, repetitive, or a sample from documentation.
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
    problem = weakness(data, SECRET_BYTES)
    if problem is not None:
        raise SettingError(name, problem, remedy=REMEDY)
    return Secret(data)


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
