"""The verify call and the hub's two ways of using it: refusals whose times must not differ (R19, R34, R69)."""

import os
from collections.abc import Callable
from functools import partial
from hashlib import sha256
from typing import Final

from jitterbug.config import Config, PublisherKey, Secret
from jitterbug.errors import SecurityError
from jitterbug.hub.hub import Hub
from jitterbug.hub.policy import allow_all
from jitterbug.hub.sessions import Session
from jitterbug.hub.upstream import _Keys
from jitterbug.protocol import FrameVerifier, base64
from jitterbug.protocol.keys import RootKey, RootKeys
from jitterbug.protocol.verifying import authenticate
from jitterbug.server.publishers import Publishers
from jitterbug.stores.memory import MemoryStore
from jitterbug.testing import ManualClock
from timing.comparison import Call, Comparison, Pair
from timing.forgeries import FIRST, LAST, MIDDLE, NOW_MS, frame, new_kid, wrong_at

_SECRET_BYTES: Final = 32
_EPHEMERAL_KID_BYTES: Final = 39
_TTL_MS: Final = 600_000
_SKEW_MS: Final = 5_000
_MAX_FRAME_BYTES: Final = 1_024
MakePair = Callable[[str, bytes], Pair]
"""From the kid and secret of a known key to an input of each class."""


def bytes_of(one: int, other: int) -> MakePair:
    """The same frame with one byte of its signature wrong, at two places."""

    def make(kid: str, secret: bytes) -> Pair:
        good = frame(kid, secret)
        return wrong_at(good, one), wrong_at(good, other)

    return make


def known_or_not(kid: str, secret: bytes) -> Pair:
    """A bad signature under the known key, and one under a kid that nobody knows.

    One such kid a batch, as there is one known: caches and branch predictors learn a text that comes again and again.
    """
    unknown = base64.encode_url(sha256(kid.encode()).digest())[: len(kid)]
    return wrong_at(frame(kid, secret), FIRST), wrong_at(frame(unknown, secret), FIRST)


def refused_by(verifier: FrameVerifier) -> Call:
    """Its verify call; the error is what always comes."""

    def call(data: bytes) -> None:
        try:
            verifier.verify(data, NOW_MS)
        except SecurityError:
            return

    return call


def verifier_batch(make: MakePair, count: int) -> tuple[Call, list[Pair]]:
    """``FrameVerifier`` with one key."""
    kid, secret = new_kid(), os.urandom(_SECRET_BYTES)
    return refused_by(FrameVerifier({kid: secret})), [make(kid, secret) for _ in range(count)]


def publisher_batch(make: MakePair, count: int) -> tuple[Call, list[Pair]]:
    """A hub's root key, which back ends sign with, beside a publisher key."""
    kid, secret = new_kid(), os.urandom(_SECRET_BYTES)
    other = PublisherKey(Secret(os.urandom(_SECRET_BYTES)), ("orders/**",))
    keys = Publishers(hub_with(RootKey(kid, secret)), {new_kid(): other})
    call = partial(authenticate, now_ms=NOW_MS, keys=keys, skew_ms=_SKEW_MS, max_frame_bytes=_MAX_FRAME_BYTES)
    return call, [make(kid, secret) for _ in range(count)]


def hub_with(root: RootKey) -> Hub:
    """A hub that does not run."""
    clock = ManualClock(NOW_MS)
    config = Config(development=True, rate_capacity=1_000_000)
    return Hub(config, clock=clock, store=MemoryStore(clock), roots=RootKeys(root), rule=allow_all)


class HubSide:
    """A hub, one session, and frames of it: every frame under a key of its own."""

    def __init__(self) -> None:
        self._hub = hub_with(RootKey(new_kid(), os.urandom(_SECRET_BYTES)))
        self._session, self._stranger = Session(new_kid()), Session(new_kid())

    def call(self, data: bytes) -> None:
        """Judge a frame that comes up. What is logged of it afterwards says why, and is measured over the network."""
        keys = _Keys(self._hub, self._session)
        authenticate(data, NOW_MS, keys, skew_ms=_SKEW_MS, max_frame_bytes=_MAX_FRAME_BYTES)

    def signed(self, session: Session) -> bytes:
        """A frame under a new key of a session."""
        key = self._hub.roots.issue(session.id, NOW_MS, _TTL_MS)
        return frame(key.kid, key.secret)

    def bytes_of(self, one: int, other: int) -> Pair:
        good = self.signed(self._session)
        return wrong_at(good, one), wrong_at(good, other)

    def bad(self) -> bytes:
        """A wrong signature under a live key of the session."""
        return wrong_at(self.signed(self._session), FIRST)

    def unknown(self) -> bytes:
        """A kid of the right form that the hub never made."""
        return frame(new_kid(_EPHEMERAL_KID_BYTES), os.urandom(_SECRET_BYTES))

    def foreign(self) -> bytes:
        """Well signed, with another session's live key."""
        return self.signed(self._stranger)


def hub_batch(make: Callable[[HubSide], Pair], count: int) -> tuple[Call, list[Pair]]:
    """How a hub judges what clients send, with the keys of a session."""
    side = HubSide()
    return side.call, [make(side) for _ in range(count)]


def comparisons() -> list[Comparison]:
    """What must be alike."""
    first, bad = "first byte wrong", "bad signature"
    of_verifier, of_publisher = partial(partial, verifier_batch), partial(partial, publisher_batch)
    of_hub = partial(partial, hub_batch)
    return [
        Comparison(name="verify: first, last", one=first, other="last byte wrong",
                   batch=of_verifier(bytes_of(FIRST, LAST))),
        Comparison(name="verify: first, middle", one=first, other="middle byte wrong",
                   batch=of_verifier(bytes_of(FIRST, MIDDLE))),
        Comparison(name="verify: known, unknown", one=bad, other="unknown kid", batch=of_verifier(known_or_not)),
        Comparison(name="hub: first, last", one=first, other="last byte wrong",
                   batch=of_hub(lambda side: side.bytes_of(FIRST, LAST))),
        Comparison(name="hub: first, middle", one=first, other="middle byte wrong",
                   batch=of_hub(lambda side: side.bytes_of(FIRST, MIDDLE))),
        Comparison(name="hub: known, unknown", one=bad, other="unknown kid",
                   batch=of_hub(lambda side: (side.bad(), side.unknown()))),
        Comparison(name="hub: own, foreign", one=bad, other="another session's key",
                   batch=of_hub(lambda side: (side.bad(), side.foreign()))),
        Comparison(name="publish: first, last", one=first, other="last byte wrong",
                   batch=of_publisher(bytes_of(FIRST, LAST))),
        Comparison(name="publish: known, unknown", one=bad, other="unknown kid", batch=of_publisher(known_or_not)),
    ]  # fmt: skip
