"""Root keys from the environment and the ephemeral keys derived from them (PROTOCOL §2, R37-R50).

An ephemeral key is not stored anywhere. Its ``kid`` holds a random value, the encrypted expiry and a tag over both
and the session id, so any node that knows the root key can derive the secret again, and nobody else can read a
kid, make one up, or use one with another session. Layout of the 39 bytes behind the 52 characters::

    random (16) | expiry in ms, XORed with a keyed pad (7) | tag (16)
"""

import os
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Final

from jitterbug.protocol import base64, frames
from jitterbug.protocol.signing import MacKey
from jitterbug.protocol.verifying import VerifyKey, decoy, either, one_of

SECRET_BYTES: Final = 32
KID_CHARS: Final = 52
_RANDOM_BYTES: Final = 16
_EXPIRY_BYTES: Final = 7
_TAG_BYTES: Final = 16
_EPHEMERAL_KID: Final = re.compile(rf"[A-Za-z0-9_-]{{{KID_CHARS}}}", re.ASCII)
_INFO: Final = b"jitterbug ephemeral v1"


def hkdf_sha256(key: bytes, *, salt: bytes, info: bytes) -> bytes:
    """HKDF-SHA256 (RFC 5869) with one block of output, 32 bytes."""
    extracted = MacKey(salt, least_bytes=0).mac(key)
    return MacKey(extracted).mac(info + b"\x01")


@dataclass(frozen=True, slots=True)
class EphemeralKey:
    """A session's key. Lives in memory only.

    Attributes:
        kid: 52 characters, unreadable to anybody without the root key.
        secret: 32 bytes.
        expires_at_ms: Last ``ts`` it may sign, Unix milliseconds.
    """

    kid: str
    secret: bytes = field(repr=False)
    expires_at_ms: int

    def __reduce__(self) -> Any:
        raise TypeError("Keys are not pickled.")


_NO_KEY: Final = EphemeralKey("none", os.urandom(SECRET_BYTES), 0)
"""What a kid of another form opens: nobody knows it."""
_NOBODY: Final = 1
"""Place among :meth:`RootKeys.candidates` of the key that nobody else knows."""


class RootKey:
    """A long-lived key of the hub's operator. Never reaches a browser.

    Attributes:
        kid: Its name in frames of trusted back ends, 4 to 64 characters.
        mac: The key as those frames use it.
    """

    __slots__ = ("_kid_key", "_secret", "kid", "mac")

    def __init__(self, kid: str, secret: bytes) -> None:
        """Args: secret: at least 32 bytes. Raises ValueError for a shorter one or a malformed kid."""
        if not frames.is_configured_kid(kid):
            raise ValueError("A configured key id has 4 to 64 of A-Z a-z 0-9 _ -")
        self.kid: Final = kid
        self.mac: Final = MacKey(secret)
        self._secret = secret
        # A key of its own for kids: no output of one use says anything about another.
        self._kid_key = MacKey(hkdf_sha256(secret, salt=b"", info=b"jitterbug kid v1"))

    def issue(self, session_id: str, expires_at_ms: int, random: bytes) -> EphemeralKey:
        """Make a key for a session.

        Args:
            session_id: Whom it belongs to.
            expires_at_ms: Last ``ts`` it may sign, Unix milliseconds.
            random: 16 bytes from the OS CSPRNG.
        """
        sealed = random + self._masked(random, expires_at_ms).to_bytes(_EXPIRY_BYTES, "big")
        tag = self._kid_key.mac(self._tagged(session_id, sealed))[:_TAG_BYTES]
        return self._derive(session_id, base64.encode_url(sealed + tag), expires_at_ms)

    def open(self, session_id: str, kid: str) -> EphemeralKey:
        """Derive a key again from its kid, without asking whether this root made it: see :meth:`made`."""
        sealed = base64.decode_url(kid)[:-_TAG_BYTES]
        masked = int.from_bytes(sealed[_RANDOM_BYTES:], "big")
        return self._derive(session_id, kid, self._masked(sealed[:_RANDOM_BYTES], masked))

    def made(self, session_id: str, kid: str) -> bool:
        """Tell, in constant time, whether this root made a kid for this session. Derives nothing."""
        data = base64.decode_url(kid)
        sealed, tag = data[:-_TAG_BYTES], data[-_TAG_BYTES:]
        return self._kid_key.matches(self._tagged(session_id, sealed), tag, _TAG_BYTES)

    def _derive(self, session_id: str, kid: str, expires_at_ms: int) -> EphemeralKey:
        secret = hkdf_sha256(self._secret, salt=session_id.encode(), info=_INFO + kid.encode())
        return EphemeralKey(kid, secret, expires_at_ms)

    def _masked(self, random: bytes, expires_at_ms: int) -> int:
        # As one number: byte by byte, what is decoded would show in the time it takes.
        return expires_at_ms ^ int.from_bytes(self._kid_key.mac(b"expiry\0" + random)[:_EXPIRY_BYTES], "big")

    @staticmethod
    def _tagged(session_id: str, sealed: bytes) -> bytes:
        return b"kid\0" + sealed + session_id.encode()

    def __repr__(self) -> str:
        return f"RootKey(kid={self.kid!r})"

    def __reduce__(self) -> Any:
        raise TypeError("Keys are not pickled.")


class RootKeys:
    """The current root key and those still accepted while it is being rotated.

    Attributes:
        current: Makes new keys.
        by_kid: What frames of back ends are signed with, each after its kid.
    """

    __slots__ = ("_decoy", "_roots", "_stand_in", "by_kid", "current")

    def __init__(self, current: RootKey, previous: Iterable[RootKey] = ()) -> None:
        """Args: previous: ``HMAC_PREVIOUS_KEYS``. Raises ValueError when two keys share a kid."""
        roots = (current, *previous)
        self.current: Final = current
        self.by_kid: Final = tuple((root.kid.encode(), VerifyKey(root.mac)) for root in roots)
        self._decoy = decoy()
        self._roots = roots
        self._stand_in = RootKey("decoy", os.urandom(SECRET_BYTES))
        if len({kid for kid, _ in self.by_kid}) != len(roots):
            raise ValueError("Two root keys have the same key id.")

    def issue(self, session_id: str, now_ms: int, ttl_ms: int) -> EphemeralKey:
        """Make a fresh key for a session under the current root key."""
        return self.current.issue(session_id, now_ms + ttl_ms, os.urandom(_RANDOM_BYTES))

    def open(self, session_id: str, kid: str) -> EphemeralKey | None:
        """Derive a session's key again; None for any kid that no root key made for this session."""
        keys, place = self.candidates(session_id, kid)
        return None if keys[place] is keys[_NOBODY] else keys[place]

    def candidates(self, session_id: str, kid: str) -> tuple[list[EphemeralKey], int]:
        """Derive with every root key, and tell the place of the key whose root made the kid for this session.

        For any other kid it is the place of a key that nobody else can derive. So the time taken tells known kids and
        unknown ones apart no better than the answer does (PROTOCOL §1 step 4); the caller keeps all of the keys until
        it is done with that one, for memory given back in another order shows as well.
        """
        if _EPHEMERAL_KID.fullmatch(kid) is None:
            return [_NO_KEY, _NO_KEY], _NOBODY
        place = _NOBODY
        for number, root in enumerate(self._roots, _NOBODY + 1):
            place = either(place, number, root.made(session_id, kid))
        return [_NO_KEY, *[root.open(session_id, kid) for root in (self._stand_in, *self._roots)]], place

    def find(self, kid: str) -> VerifyKey:
        """Look up a root key by name, for frames of trusted back ends (PROTOCOL §6); a decoy for any other name."""
        return one_of(self.by_kid, kid, self._decoy)


class SessionKeys:
    """The keys one session may use, as a verifier's lookup."""

    __slots__ = ("_is_over", "_roots", "_session_id")

    def __init__(self, roots: RootKeys, session_id: str, *, is_over: bool = False) -> None:
        """Args: is_over: the session was revoked, so that it may use none."""
        self._roots = roots
        self._session_id = session_id
        self._is_over = is_over

    def find(self, kid: str) -> VerifyKey:
        """Open the kid for this session; a decoy when it is not one of its own."""
        keys, place = self._roots.candidates(self._session_id, kid)
        is_decoy = keys[place] is keys[_NOBODY]
        # Nothing of the one that is chosen outlives the others: its end is a copy.
        return VerifyKey(MacKey(keys[place].secret), keys[place].expires_at_ms + 0, is_decoy | self._is_over)
