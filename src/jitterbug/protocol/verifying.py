"""Verifying a frame. The order is the security model; it stands here and nowhere else (PROTOCOL §1).

1. size, then grammar: nothing is allocated beyond the bound, nothing is looked up for malformed text
   (then the rate limit, where there is one: before any cryptography)
2. key by ``kid``: an unknown one costs what a known one costs and ends the same way
3. time: ``|now - ts| <= skew``, and ``ts <= expiresAt`` of the key
4. signature, in constant time; computed for a stale frame and an unknown key as well, so that neither answers sooner
5. replay: the nonce is claimed only now, so a forged frame can burn nothing and fill nothing
6. direction and type: the caller's business, with the payload that was verified

Every failure is one :class:`SecurityError`. The cause is for the local log alone.
"""

import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from hmac import compare_digest
from typing import Any, Final, Protocol, TypeVar

from jitterbug.errors import SecurityError
from jitterbug.protocol import frames
from jitterbug.protocol.codes import Refusal
from jitterbug.protocol.replay import ReplayWindow
from jitterbug.protocol.signing import MacKey

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class VerifyKey:
    """A key a verifier may accept.

    Attributes:
        mac: The key.
        expires_at_ms: Last ``ts`` it may sign, Unix milliseconds; None = no end.
        is_decoy: It stands in for one that is not there. Nobody knows it, and its frames are refused as unknown.
    """

    mac: MacKey
    expires_at_ms: int | None = None
    is_decoy: bool = False


def decoy() -> VerifyKey:
    """Make a key that stands in for an unknown one, so that its frames take the same path and the same time."""
    return VerifyKey(MacKey(os.urandom(32)), is_decoy=True)


class KeyLookup(Protocol):
    """Finds the key a frame claims."""

    def find(self, kid: str) -> VerifyKey | None:
        """Return the key; None, or a decoy that was as much work, when unknown, revoked or not for this peer."""
        ...


class StaticKeys:
    """A fixed set of a few keys: each look-up compares all of them, so that its time does not say which are there.

    Attributes:
        by_kid: All of them, each after its kid.
        decoy: Stands in for any other.
    """

    __slots__ = ("by_kid", "decoy")

    def __init__(self, keys: Mapping[str, bytes | VerifyKey]) -> None:
        """Args: keys: by kid. Raises ValueError for a malformed kid or a key under 32 bytes."""
        for kid in keys:
            if not frames.is_kid(kid):
                raise ValueError("A key id has 4 to 96 of A-Z a-z 0-9 _ -")
        found = [key if isinstance(key, VerifyKey) else VerifyKey(MacKey(key)) for key in keys.values()]
        self.by_kid: Final = tuple(zip((kid.encode() for kid in keys), found, strict=True))
        self.decoy: Final = decoy()

    def find(self, kid: str) -> VerifyKey:
        """Look the key up; a decoy when it is not there."""
        return one_of(self.by_kid, kid, self.decoy)


@dataclass(frozen=True, slots=True)
class Refused:
    """The frame failed. ``reason`` is for logs, metrics and audit; ``kid`` is claimed, None if unreadable."""

    reason: Refusal
    kid: str | None


@dataclass(frozen=True, slots=True)
class Authentic:
    """The signature held and the frame is fresh. Whether it is a replay is not known yet.

    Attributes:
        kid, ts, nonce: Of the frame; ``ts`` in Unix milliseconds.
        payload: The object whose canonical form the signature covers.
        key: The key it was signed with.
    """

    kid: str
    ts: int
    nonce: str
    payload: dict[str, Any]
    key: VerifyKey


_DECOY: Final = decoy()
"""For look-ups that have none of their own."""
_UNKNOWN, _STALE = 4, 2
_REASONS: Final = (None, Refusal.SIGNATURE, *[Refusal.STALE] * 2, *[Refusal.KEY] * 4)
"""Why a frame is refused, by the sum of what is wrong with it; 1 = the signature. The first cause counts."""


class FrameVerifier:
    """Checks frames against a set of keys and remembers their nonces."""

    __slots__ = ("_keys", "_replay", "max_frame_bytes", "skew_ms")

    def __init__(
        self,
        keys: Mapping[str, bytes] | KeyLookup,
        *,
        skew_ms: int = 5_000,
        replay_window_ms: int = 10_000,
        max_frame_bytes: int = 1_024,
        replay: ReplayWindow | None = None,
    ) -> None:
        """Create a verifier.

        Args:
            keys: Secrets of at least 32 bytes by kid, or a lookup.
            skew_ms: Accepted difference between ``ts`` and now, in milliseconds, the limit itself included.
            replay_window_ms: How long nonces are remembered, at least ``2 * skew_ms``.
            max_frame_bytes: Largest frame, in UTF-8 bytes; exactly this many pass.
            replay: A window shared with other verifiers, whose length then holds; None = one of its own.

        Raises:
            ValueError: A key is too short, a kid malformed, or the window under twice the skew (R76).
        """
        window_ms = replay.window_ms if replay is not None else replay_window_ms
        if skew_ms < 0 or window_ms < 2 * skew_ms or window_ms <= 0:
            raise ValueError("The replay window must be at least twice the clock skew.")
        self._keys: KeyLookup = StaticKeys(keys) if isinstance(keys, Mapping) else keys
        self._replay = replay if replay is not None else ReplayWindow(window_ms)
        self.skew_ms = skew_ms
        self.max_frame_bytes = max_frame_bytes

    def verify(self, frame: bytes, now_ms: int) -> dict[str, Any]:
        """Return the payload of a frame that passes every check.

        Args:
            frame: UTF-8 JSON text as received.
            now_ms: Unix milliseconds.

        Raises:
            SecurityError: Any check failed. No cause is attached (R59).
        """
        verdict = self.check(frame, now_ms)
        if isinstance(verdict, Refused):
            raise SecurityError
        return verdict.payload

    def check(self, frame: bytes, now_ms: int) -> Authentic | Refused:
        """Like :meth:`verify`, with the reason of a refusal as a value, for logs and metrics."""
        verdict = authenticate(frame, now_ms, self._keys, skew_ms=self.skew_ms, max_frame_bytes=self.max_frame_bytes)
        if isinstance(verdict, Refused):
            return verdict
        claim = self._replay.claim(verdict.kid, verdict.nonce, verdict.ts, now_ms)
        if not claim:
            return Refused(claim.refusal, verdict.kid)
        return verdict


def authenticate(
    data: object,
    now_ms: int,
    keys: KeyLookup,
    *,
    skew_ms: int,
    max_frame_bytes: int,
    canonical_only: bool = False,
    admit: Callable[[frames.UnverifiedFrame], bool] | None = None,
) -> Authentic | Refused:
    """Do steps 1 to 4. The caller must claim the nonce before it acts on the payload (step 5).

    Args:
        data: Bytes as received; anything at all.
        now_ms: Unix milliseconds.
        keys: Keys usable by this peer on this connection.
        skew_ms: Accepted clock difference in milliseconds.
        max_frame_bytes: Largest frame in bytes.
        canonical_only: Refuse text that is not in canonical form, as clients do with what a hub sends.
        admit: Rate limit, asked once the form is right and before any cryptography; None = no limit.
    """
    if not isinstance(data, bytes) or len(data) > max_frame_bytes:
        return Refused(Refusal.SIZE, None)
    frame = frames.parse_unverified(data)
    if frame is None or (canonical_only and frame.canonical_text() != data):
        return Refused(Refusal.GRAMMAR, None)
    if admit is not None and not admit(frame):
        return Refused(Refusal.RATE, frame.kid)
    # From here on every frame takes the same steps, whatever is wrong with it: which it was shows in no time taken
    # (R19, R69; `make timing`). So nothing is skipped, and what depends on it is chosen by `either`.
    found = keys.find(frame.kid)
    key: VerifyKey = either(found, _DECOY, found is None)  # type: ignore[assignment]  # never None
    # What has no end, or none that means anything, ends with the skew, which refuses no more than the clock does. As
    # floats, which hold 2^53 ms exactly: whole numbers so large are compared the longer the closer they are.
    latest_ms = now_ms + skew_ms
    end_ms = float(either(key.expires_at_ms, latest_ms, key.is_decoy | (key.expires_at_ms is None)))  # type: ignore[arg-type]  # never None
    is_stale = (abs(now_ms - frame.ts) > skew_ms) | (float(frame.ts) > end_ms)
    is_wrong = not key.mac.matches(frame.message, frame.tag)
    reason = _REASONS[_UNKNOWN * key.is_decoy + _STALE * is_stale + is_wrong]
    if reason is not None:
        return Refused(reason, frame.kid)
    return Authentic(frame.kid, frame.ts, frame.nonce, frame.payload, key)


def either(no: T, yes: T, flag: bool) -> T:
    """``yes`` where the flag is set, else ``no``, in a time that does not say which.

    To branch says it, and to take one of two by the flag itself says a little: CPython reads a 0 by another path than
    a 1. A 1 and a 2 it reads alike.
    """
    return (no, no, yes)[1 + flag]


def one_of(keys: Iterable[tuple[bytes, VerifyKey]], kid: str, other: VerifyKey) -> VerifyKey:
    """The key of a kid among different ones; ``other`` where it is not there. Each is compared in constant time."""
    found, claimed = other, kid.encode("ascii", "replace")  # a kid has no question mark
    for known, key in keys:
        found = either(found, key, compare_digest(known, claimed))
    return found
