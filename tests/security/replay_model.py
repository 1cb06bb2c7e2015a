"""Verifiers that share one memory of nonces, driven step by step: the real objects, copied at every fork.

The memory is :class:`ReplayWindow`, the verifiers are :class:`FrameVerifier`, the frames are really signed. Beside them
stands a history that forgets nothing, by which each verdict is judged.
"""

import base64
import copy
from dataclasses import dataclass, replace
from typing import Any, Final

from jitterbug.protocol import canonical
from jitterbug.protocol.codes import Refusal
from jitterbug.protocol.replay import ReplayWindow
from jitterbug.protocol.signing import MacKey
from jitterbug.protocol.verifying import Authentic, FrameVerifier, StaticKeys

SKEW_MS: Final = 5_000
WINDOW_MS: Final = 10_000
GRAIN_MS: Final = 1_000
"""How much later than promised an entry may be forgotten."""
START_MS: Final = 1_784_636_400_000
KIDS: Final = {"key-a": bytes(range(32)), "key-b": bytes(range(32, 64))}
_KEYS: Final = StaticKeys(KIDS)


@dataclass(frozen=True)
class SignedFrame:
    """One frame that somebody captured.

    Attributes:
        kid, nonce: Its pair.
        ts_ms: Its time, from the start.
        is_forged: Its signature is another one's.
        text: As it goes over the wire.
    """

    kid: str
    nonce: str
    ts_ms: int
    is_forged: bool
    text: bytes

    def __repr__(self) -> str:
        return f"{'forged ' if self.is_forged else ''}{self.kid}/{self.nonce[0]}@{self.ts_ms}"


def frame(kid: str, letter: str, ts_ms: int, *, is_forged: bool = False) -> SignedFrame:
    """Sign a frame with a nonce of one's own choice, which the signer of the library does not let one do."""
    nonce = letter * 42 + "A="
    message = b"%b:%d:%b:{}" % (kid.encode(), START_MS + ts_ms, nonce.encode())
    tag = bytearray(MacKey(KIDS[kid]).mac(message))
    tag[-1] ^= is_forged
    text = canonical.encode({
        "kid": kid, "nonce": nonce, "payload": {}, "sig": base64.b64encode(tag).decode(), "ts": START_MS + ts_ms
    })  # fmt: skip
    return SignedFrame(kid, nonce, ts_ms, is_forged, text)


@dataclass(frozen=True)
class Accepted:
    """What the history knows of a frame that was accepted.

    Attributes:
        must_until_ms: Up to then it must be remembered.
        claimed_at_ms: The latest time, by any verifier's clock, at which anything was claimed since.
    """

    must_until_ms: int
    claimed_at_ms: int

    @property
    def is_held(self) -> bool:
        """It must still be there."""
        return self.claimed_at_ms < self.must_until_ms

    @property
    def may_be_held(self) -> bool:
        """It may still be there: entries go together, a second at a time."""
        return self.claimed_at_ms < self.must_until_ms + GRAIN_MS


@dataclass(frozen=True)
class World:
    """A state. Not changed by :meth:`act`, which returns the next one.

    Attributes:
        window: What the verifiers share.
        clocks_ms: Each verifier's wall clock, from the start.
        history: Every frame accepted since the shared memory was made.
    """

    window: ReplayWindow
    clocks_ms: tuple[int, ...]
    history: dict[SignedFrame, Accepted]

    def key(self) -> Any:
        """What tells it apart from others: all there is."""
        window = self.window
        slots = tuple(sorted((slot, tuple(entries)) for slot, entries in window._slots.items()))
        return self.clocks_ms, window._floor_ms, window._swept, slots, frozenset(self.history.items())

    def set_clock(self, verifier: int, at_ms: int) -> "World":
        """Somebody sets a clock, forward or back."""
        clocks = list(self.clocks_ms)
        clocks[verifier] = at_ms
        return replace(self, clocks_ms=tuple(clocks))

    def present(self, verifier: int, presented: SignedFrame) -> "World":
        """Show a verifier a frame; it is a new one each time, as if it had just been started."""
        window, now_ms = copy.deepcopy(self.window), self.clocks_ms[verifier]
        before = held(window)
        verdict = FrameVerifier(_KEYS, skew_ms=SKEW_MS, replay=window).check(presented.text, START_MS + now_ms)
        after = held(window)

        fresh = abs(now_ms - presented.ts_ms) <= SKEW_MS
        if presented.is_forged or not fresh:
            assert not isinstance(verdict, Authentic)
            assert verdict.reason is (Refusal.STALE if not fresh else Refusal.SIGNATURE)
            assert as_text(window) == as_text(self.window), "a refused frame left a trace"
            return self
        history = {
            known: replace(told, claimed_at_ms=max(told.claimed_at_ms, now_ms)) for known, told in self.history.items()
        }
        accepted = isinstance(verdict, Authentic)
        if accepted:
            assert presented not in history, f"{presented} accepted twice"
            history[presented] = Accepted(max(presented.ts_ms, now_ms) + WINDOW_MS, now_ms)
        else:
            assert may_refuse(window, history, presented), f"{presented} refused without a reason"
        pair = (presented.kid, presented.nonce)
        assert after <= before | ({pair} if accepted else set()), "a refused frame left a trace"
        must = {(known.kid, known.nonce) for known, told in history.items() if told.is_held}
        may = {(known.kid, known.nonce) for known, told in history.items() if told.may_be_held}
        assert must <= after <= may, "forgotten early, or kept for ever"
        assert len(after) <= window.max_entries
        return World(window, self.clocks_ms, history)


def held(window: ReplayWindow) -> set[tuple[str, str]]:
    """Pairs that are remembered; the three books of the window agree on them."""
    in_slots = [(kid, nonce) for entries in window._slots.values() for _, kid, nonce, _ in entries]
    assert sorted(in_slots) == sorted(window._seen)
    by_kid = {kid: sum(pair[0] == kid for pair in window._seen) for kid in {pair[0] for pair in window._seen}}
    assert by_kid == window._by_share
    assert all(count <= window.max_entries_per_kid for count in by_kid.values())
    return set(window._seen)


def as_text(window: ReplayWindow) -> str:
    """Everything in it."""
    return repr([sorted(window._seen), window._by_share, window._slots, window._floor_ms, window._swept])


def may_refuse(window: ReplayWindow, history: dict[SignedFrame, Accepted], presented: SignedFrame) -> bool:
    """Reasons there are: its nonce is remembered, it may be one that was forgotten, or there is no room."""
    remembered = [known for known, told in history.items() if told.may_be_held]
    return (
        any((known.kid, known.nonce) == (presented.kid, presented.nonce) for known in remembered)
        or any(presented.ts_ms <= known.ts_ms for known, told in history.items() if not told.is_held)
        or len(remembered) >= window.max_entries
        or sum(known.kid == presented.kid for known in remembered) >= window.max_entries_per_kid
    )
