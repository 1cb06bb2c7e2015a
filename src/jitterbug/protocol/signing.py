"""The cryptography of a frame: one MAC, one comparison, one source of nonces (PROTOCOL §1, R22-R30, R34).

A frame's signature is HMAC-SHA256 over ``kid ":" ts ":" nonce ":" canonical(payload)``. Nothing else in this
code base computes or compares a MAC.
"""

import hashlib
import hmac
import os
from struct import Struct
from typing import Any, Final

from jitterbug.errors import CanonicalError
from jitterbug.protocol import base64, canonical, frames
from jitterbug.protocol.codes import MAX_DEPTH

SECRET_BYTES: Final = 32
"""Least length of a key, 256 bits (R23)."""
TAG_BYTES: Final = 32
_BLOCK_BYTES: Final = 64
# RFC 2104 §2: each byte of the key is XORed with one of two constants.
_INNER_PAD: Final = bytes(byte ^ 0x36 for byte in range(256))
_OUTER_PAD: Final = bytes(byte ^ 0x5C for byte in range(256))
_NONCE_BYTES: Final = 32
_POOL_NONCES: Final = 128
_SPLIT: Final = Struct(f"{_NONCE_BYTES}s" * _POOL_NONCES).unpack


class MacKey:
    """An HMAC-SHA256 key, made ready once so that each MAC costs two copied hash states.

    RFC 2104 §4 describes this precomputation: the two key blocks are hashed once, not for every frame. The tests hold
    it equal to ``hmac.digest`` and to the RFC 4231 and Wycheproof vectors.
    """

    __slots__ = ("_inner", "_outer")

    def __init__(self, secret: bytes, *, least_bytes: int = SECRET_BYTES) -> None:
        """Prepare a key.

        Args:
            secret: The key; anything beyond 64 bytes is hashed first (RFC 2104 §2).
            least_bytes: Shortest secret allowed. Lower only for the salt of HKDF, which is not a secret.

        Raises:
            ValueError: The secret is shorter than that (R23).
        """
        if len(secret) < least_bytes:
            raise ValueError(f"An HMAC key needs at least {least_bytes} bytes.")
        if len(secret) > _BLOCK_BYTES:
            secret = hashlib.sha256(secret).digest()
        block = secret.ljust(_BLOCK_BYTES, b"\0")
        self._inner = hashlib.sha256(block.translate(_INNER_PAD))
        self._outer = hashlib.sha256(block.translate(_OUTER_PAD))

    def mac(self, message: bytes) -> bytes:
        """Return the 32-byte HMAC-SHA256 of ``message``."""
        inner = self._inner.copy()
        inner.update(message)
        outer = self._outer.copy()
        outer.update(inner.digest())
        return outer.digest()

    def matches(self, message: bytes, tag: bytes, tag_bytes: int = TAG_BYTES) -> bool:
        """Compare a tag in constant time. False unless it has exactly ``tag_bytes`` bytes."""
        return hmac.compare_digest(self.mac(message)[:tag_bytes], tag)

    def __repr__(self) -> str:
        return "MacKey(…)"

    def __reduce__(self) -> Any:
        raise TypeError("Keys are not pickled.")


class NoncePool:
    """Nonces of 32 bytes from the OS CSPRNG, fetched 128 at a time (R24, R26).

    Each is handed out once. A forked child drops what it inherited, or parent and child would use the same ones.
    """

    __slots__ = ("__weakref__", "_pool")

    def __init__(self) -> None:
        self._pool: list[bytes] = []
        os.register_at_fork(after_in_child=self._pool.clear)

    def take(self) -> bytes:
        """Return the base64 text of 32 fresh random bytes, 44 ASCII characters."""
        pool = self._pool
        while True:
            # Asking first whether there is one left would be a race between threads: pop() alone decides.
            try:
                return pool.pop()
            except IndexError:
                pool.extend(map(base64.encode, _SPLIT(os.urandom(_NONCE_BYTES * _POOL_NONCES))))


_NONCES: Final = NoncePool()


class FrameSigner:
    """Makes signed frames under one key.

    Attributes:
        kid: The key id that goes into each frame.
        envelope_bytes: Length of a frame beside its payload and the digits of its time.
    """

    __slots__ = ("_head", "_key", "_prefix", "envelope_bytes", "kid")

    def __init__(self, kid: str, secret: bytes | MacKey) -> None:
        """Args: kid: 4 to 96 of ``A-Z a-z 0-9 _ -``. secret: at least 32 bytes. Raises ValueError otherwise."""
        if not frames.is_kid(kid):
            raise ValueError("A key id has 4 to 96 of A-Z a-z 0-9 _ -")
        self.kid: Final = kid
        self._key = secret if isinstance(secret, MacKey) else MacKey(secret)
        self._prefix = kid.encode() + b":"
        self._head = b'{"kid":"' + kid.encode() + b'","nonce":"'
        self.envelope_bytes: Final = frames.ENVELOPE_BYTES - frames.TS_DIGITS + len(kid)

    def sign(self, payload: dict[str, Any], now_ms: int) -> bytes:
        """Return the signed frame, in canonical form.

        Args:
            payload: JSON object.
            now_ms: Signing time in Unix milliseconds.

        Raises:
            CanonicalError: The payload has no canonical form, or nests deeper than 31: the frame is one level itself.
        """
        data = canonical.encode(payload)
        if canonical.exceeds_depth(data, MAX_DEPTH - 1):
            raise CanonicalError(f"The payload is nested deeper than {MAX_DEPTH - 1}.")
        return self.seal(data, b"%d" % now_ms)

    def seal(self, payload: bytes, ts: bytes, before: bytes = b"", after: bytes = b"") -> bytes:
        """Sign canonical payload bytes. The hot path: the caller vouches that the bytes are canonical.

        Args:
            payload: What :func:`canonical.encode` gave, or the same bytes spliced.
            ts: Unix milliseconds in decimal.
            before: Put before the frame in the same copy: what the wire wants there. Not signed.
            after: Put behind it likewise.
        """
        nonce = _NONCES.take()
        sig = base64.encode(self._key.mac(b"".join((self._prefix, ts, b":", nonce, b":", payload))))
        return b"".join(
            (before, self._head, nonce, b'","payload":', payload, b',"sig":"', sig, b'","ts":', ts, b"}", after)
        )

    def __repr__(self) -> str:
        return f"FrameSigner(kid={self.kid!r})"
