"""Controls. Leaks planted on purpose, which the statistic must find, and equal classes, where it must find nothing."""

import os
from functools import partial

from jitterbug.protocol import FrameVerifier
from jitterbug.protocol.signing import TAG_BYTES, MacKey
from jitterbug.protocol.verifying import VerifyKey
from timing.comparison import Call, Comparison, Expected, Pair
from timing.forgeries import FIRST, LAST, new_kid
from timing.verify_call import MakePair, bytes_of, known_or_not, refused_by, verifier_batch


class ByteByByte(MacKey):
    """Compares until the first byte that differs."""

    def matches(self, message: bytes, tag: bytes, tag_bytes: int = TAG_BYTES) -> bool:
        """Compare, and give up early."""
        return all(a == b for a, b in zip(self.mac(message)[:tag_bytes], tag, strict=True))


class WithoutMac(MacKey):
    """Says no at once: what an unknown key costs where nobody thought of it."""

    def matches(self, message: bytes, tag: bytes, tag_bytes: int = TAG_BYTES) -> bool:
        """Compute nothing."""
        return False


class OneKey:
    """A lookup that has something for every kid."""

    def __init__(self, kid: str, known: MacKey, unknown: MacKey) -> None:
        self._kid = kid
        self._known, self._unknown = VerifyKey(known), VerifyKey(unknown)

    def find(self, kid: str) -> VerifyKey:
        """The key; the other one for any other kid."""
        return self._known if kid == self._kid else self._unknown


def leaky_batch(known: type[MacKey], unknown: type[MacKey], make: MakePair, count: int) -> tuple[Call, list[Pair]]:
    """``FrameVerifier`` with a leak in its keys."""
    kid, secret = new_kid(), os.urandom(32)
    verifier = FrameVerifier(OneKey(kid, known(secret), unknown(os.urandom(32))))
    return refused_by(verifier), [make(kid, secret) for _ in range(count)]


def controls() -> list[Comparison]:
    """Two planted leaks, and a class against itself."""
    return [
        Comparison(name="planted: early exit", one="first byte wrong", other="last byte wrong",
                   batch=partial(leaky_batch, ByteByByte, ByteByByte, bytes_of(FIRST, LAST)), expected=Expected.LEAK),
        Comparison(name="planted: no MAC", one="bad signature", other="unknown kid",
                   batch=partial(leaky_batch, MacKey, WithoutMac, known_or_not), expected=Expected.LEAK),
        Comparison(name="itself", one="first byte wrong", other="first byte wrong",
                   batch=partial(verifier_batch, bytes_of(FIRST, FIRST))),
    ]  # fmt: skip
