"""The cryptography of a frame: one MAC, one comparison, one source of nonces (PROTOCOL §1, R22-R30, R34).

A frame's signature is HMAC-SHA256 over ``kid ":" ts ":" nonce ":" canonical(payload)``. Nothing else in this
code base computes or compares a MAC.
"""

import hashlib
import hmac
import os
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, repeat
from operator import attrgetter
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
_HASH: Final[Any] = type(hashlib.sha256())
_NONCE_BYTES: Final = 32
_POOL_NONCES: Final = 128
_SPLIT: Final = Struct(f"{_NONCE_BYTES}s").iter_unpack


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

    @staticmethod
    def mac_all(keys: Sequence["MacKey"], messages: Iterable[bytes]) -> list[bytes]:
        """The same as :meth:`mac` for many keys with a message each; see :func:`seal_all`."""
        inner = list(map(_HASH.copy, map(_INNER_OF, keys)))
        _do_all(map(_HASH.update, inner, messages))
        outer = list(map(_HASH.copy, map(_OUTER_OF, keys)))
        _do_all(map(_HASH.update, outer, map(_HASH.digest, inner)))
        return list(map(_HASH.digest, outer))

    def matches(self, message: bytes, tag: bytes, tag_bytes: int = TAG_BYTES) -> bool:
        """Compare a tag in constant time. False unless it has exactly ``tag_bytes`` bytes."""
        return hmac.compare_digest(self.mac(message)[:tag_bytes], tag)

    def __repr__(self) -> str:
        return "MacKey(…)"

    def __reduce__(self) -> Any:
        raise TypeError("Keys are not pickled.")


_INNER_OF: Final = attrgetter("_inner")
_OUTER_OF: Final = attrgetter("_outer")


def _do_all(steps: Iterable[None]) -> None:
    deque(steps, maxlen=0)


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
                pool.extend(fresh_nonces(_POOL_NONCES))


def fresh_nonces(count: int) -> Iterator[bytes]:
    """So many nonces as :meth:`NoncePool.take` gives, for those who need as many at once. Nothing is kept."""
    return map(base64.encode, chain.from_iterable(_SPLIT(os.urandom(_NONCE_BYTES * count))))


_NONCES: Final = NoncePool()


class FrameSigner:
    """Makes signed frames under one key.

    Attributes:
        kid: The key id that goes into each frame.
        envelope_bytes: Length of a frame beside its payload, until the year 2286.
    """

    __slots__ = ("_key", "_kid", "envelope_bytes", "kid")

    def __init__(self, kid: str, secret: bytes | MacKey) -> None:
        """Args: kid: 4 to 96 of ``A-Z a-z 0-9 _ -``. secret: at least 32 bytes. Raises ValueError otherwise."""
        if not frames.is_kid(kid):
            raise ValueError("A key id has 4 to 96 of A-Z a-z 0-9 _ -")
        self.kid: Final = kid
        self._key = secret if isinstance(secret, MacKey) else MacKey(secret)
        self._kid = kid.encode()
        self.envelope_bytes: Final = frames.ENVELOPE_BYTES + len(kid)

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

    def seal(self, payload: bytes, ts: bytes) -> bytes:
        """Sign canonical payload bytes: the caller vouches that they are.

        Args:
            payload: What :func:`canonical.encode` gave, or the same bytes spliced.
            ts: Unix milliseconds in decimal.
        """
        nonce = _NONCES.take()
        kid = self._kid
        sig = base64.encode(self._key.mac(b"".join((kid, b":", ts, b":", nonce, b":", payload))))
        return b"".join(
            (b'{"kid":"', kid, b'","nonce":"', nonce, b'","payload":', payload, b',"sig":"', sig, b'","ts":', ts, b"}")
        )

    def __repr__(self) -> str:
        return f"FrameSigner(kid={self.kid!r})"


Unsealed = tuple[FrameSigner, bytes, bytes, bytes]
"""A frame to come: who signs it, its canonical payload, and what its wire wants before it and after it."""
_KID_OF: Final = attrgetter("_kid")
_KEY_OF: Final = attrgetter("_key")


def seal_all(frames: Sequence[Unsealed], ts: bytes) -> list[bytes]:
    """The same as :meth:`FrameSigner.seal` for many frames, each with what its wire wants around it. The hot path.

    One step is done for all, then the next: the loops are the interpreter's own, in C, each step's code stays in the
    processor's caches, and the text of a frame is put together once, for wire and all.

    Args:
        frames: At least one.
        ts: Unix milliseconds in decimal, for all.
    """
    signers, payloads, befores, afters = zip(*frames, strict=True)
    kids = list(map(_KID_OF, signers))
    nonces = list(fresh_nonces(len(frames)))
    between = repeat(b":" + ts + b":")
    messages = map(b"".join, zip(kids, between, nonces, repeat(b":"), payloads, strict=False))
    sigs = map(base64.encode, MacKey.mac_all(list(map(_KEY_OF, signers)), messages))
    parts = (
        befores, repeat(b'{"kid":"'), kids, repeat(b'","nonce":"'), nonces, repeat(b'","payload":'), payloads,
        repeat(b',"sig":"'), sigs, repeat(b'","ts":' + ts + b"}"), afters,
    )  # fmt: skip
    return list(map(b"".join, zip(*parts, strict=False)))
