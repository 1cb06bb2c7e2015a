"""The signed frame: its grammar, read before anything is trusted (PROTOCOL §1).

``{"kid":"…","nonce":"…","payload":{…},"sig":"…","ts":1784636400000}``: these five members and no other.
"""

import re
from dataclasses import dataclass
from typing import Any, Final

from jitterbug.errors import CanonicalError
from jitterbug.protocol import base64, canonical
from jitterbug.protocol.codes import MAX_SAFE_INTEGER

_MEMBERS: Final = {"kid", "nonce", "payload", "sig", "ts"}
_KID: Final = re.compile(r"[A-Za-z0-9_-]{4,96}", re.ASCII)
_CONFIGURED_KID: Final = re.compile(r"[A-Za-z0-9_-]{4,64}", re.ASCII)

NONCE_CHARS: Final = 44
SIG_CHARS: Final = 44
TS_DIGITS: Final = 13
"""Decimal digits of a time between 2001 and 2286."""
ENVELOPE_BYTES: Final = len('{"kid":"","nonce":"","payload":,"sig":"","ts":}') + NONCE_CHARS + SIG_CHARS + TS_DIGITS
"""What a frame takes beside its kid and its payload."""


@dataclass(frozen=True, slots=True)
class UnverifiedFrame:
    """A frame that has the right form. Nobody has vouched for any of it yet.

    Attributes:
        kid: Claimed key id.
        ts: Claimed signing time, Unix milliseconds.
        nonce: Claimed nonce, canonical base64 of 32 bytes.
        tag: Claimed signature, 32 bytes.
        payload: Claimed payload.
        message: The bytes the signature must cover.
    """

    kid: str
    ts: int
    nonce: str
    tag: bytes
    payload: dict[str, Any]
    message: bytes

    def canonical_text(self) -> bytes:
        """The whole frame in canonical form, which is the only form a hub sends (PROTOCOL §1)."""
        payload = self.message.split(b":", 3)[3]
        sig = base64.encode(self.tag)
        return b'{"kid":"%b","nonce":"%b","payload":%b,"sig":"%b","ts":%d}' % (
            self.kid.encode(), self.nonce.encode(), payload, sig, self.ts
        )  # fmt: skip

    def __repr__(self) -> str:
        return f"UnverifiedFrame(kid={self.kid[:6]!r}…)"


def is_kid(text: object) -> bool:
    """Tell whether this can name a key in a frame."""
    return isinstance(text, str) and _KID.fullmatch(text) is not None


def is_configured_kid(text: object) -> bool:
    """Tell whether this can name a root or publisher key in the configuration: at most 64 characters."""
    return isinstance(text, str) and _CONFIGURED_KID.fullmatch(text) is not None


def parse_unverified(data: bytes) -> UnverifiedFrame | None:
    """Read a frame by the grammar, white space and member order free.

    Args:
        data: UTF-8 text whose size the caller has checked.

    Returns:
        None when it is malformed in any way.
    """
    try:
        frame = canonical.decode(data)
        if not isinstance(frame, dict) or frame.keys() != _MEMBERS:
            return None
        kid, nonce, payload, sig, ts = (frame[name] for name in sorted(_MEMBERS))
        if not (is_kid(kid) and base64.is_32(nonce) and base64.is_32(sig) and isinstance(payload, dict)):
            return None
        # A literal with a fraction or an exponent decodes to float, true to bool: neither is an int here.
        if type(ts) is not int or not 0 <= ts <= MAX_SAFE_INTEGER:
            return None
        # What goes on to the application is this very object, not a second reading of other bytes (R35).
        message = b"%b:%d:%b:%b" % (kid.encode(), ts, nonce.encode(), canonical.encode(payload))
        return UnverifiedFrame(kid, ts, nonce, base64.decode(sig), payload, message)
    except (CanonicalError, ValueError):
        return None
