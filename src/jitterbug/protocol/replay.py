"""Memory of the nonces that were accepted (PROTOCOL §1 step 5, R33; REQUIREMENTS §2.1-2.4).

Claimed only after the signature held, so strangers can neither fill it nor burn anybody's nonce. An entry is kept
until no verifier would accept its ``ts`` any more, and never given up earlier: at its bound the window refuses.
"""

from enum import Enum
from typing import Final

from jitterbug.protocol.codes import Refusal

_SLOT_MS: Final = 1_000
"""Entries that end within the same second are forgotten together."""


class Claim(Enum):
    """What became of a claim. Only ``NEW`` lets a frame pass, and is true; only ``REPLAY`` says it was repeated."""

    NEW = None
    REPLAY = Refusal.REPLAY
    """Its nonce is remembered under its kid."""
    CLOCK = Refusal.CLOCK
    """Its ``ts`` is so old that its nonce may have been forgotten: the clock stepped back."""
    FULL = Refusal.FULL
    """There is no room for its nonce."""

    def __bool__(self) -> bool:
        """Whether the frame may be acted on: who asks no more than that never takes a refusal for a yes."""
        return self is Claim.NEW

    @property
    def refusal(self) -> Refusal:
        """Why it may not. Raises ValueError for ``NEW``."""
        return Refusal(self.value)


class ReplayWindow:
    """A bounded set of (kid, nonce), forgotten by time alone.

    Memory: about 200 bytes an entry, at most ``max_entries`` of them. Each entry counts against a share: that of its
    kid, or the one its caller names, so that a login with many keys gets no more than one.
    """

    __slots__ = (
        "_by_share", "_floor_ms", "_seen", "_slots", "_swept", "max_entries", "max_entries_per_kid",
        "max_entries_per_share", "reserved_entries", "window_ms",
    )  # fmt: skip

    def __init__(
        self,
        window_ms: int,
        *,
        max_entries: int = 100_000,
        max_entries_per_kid: int = 10_000,
        max_entries_per_share: int = 10_000,
        reserved_entries: int = 0,
    ) -> None:
        """Create an empty window.

        Args:
            window_ms: How long a nonce is remembered at least. Must be at least twice the accepted clock skew.
            max_entries: Bound over all keys; beyond it every claim is refused.
            max_entries_per_kid: Bound for one key, so that no key can crowd out the others.
            max_entries_per_share: Bound for one named share.
            reserved_entries: Of ``max_entries``, those that no named share may use: kept free for keys on their own.
        """
        self.window_ms = window_ms
        self.max_entries = max_entries
        self.max_entries_per_kid = max_entries_per_kid
        self.max_entries_per_share = max_entries_per_share
        self.reserved_entries = reserved_entries
        self._seen: set[tuple[str, str]] = set()
        self._by_share: dict[str, int] = {}
        self._slots: dict[int, list[tuple[int, str, str, str]]] = {}
        self._floor_ms = -1
        self._swept = -1

    def claim(self, kid: str, nonce: str, ts: int, now_ms: int, share: str | None = None) -> Claim:
        """Remember a nonce if it is new.

        Args:
            kid: Key id of a frame whose signature held.
            nonce: Its nonce, canonical text.
            ts: Its signing time, within the skew of ``now_ms``.
            now_ms: The time by which freshness was judged.
            share: What it counts against, a name that is no kid; None = the kid.

        Returns:
            ``NEW`` at most once for each frame.
        """
        self._forget(now_ms)
        key = (kid, nonce)
        if key in self._seen:
            return Claim.REPLAY
        if ts <= self._floor_ms:
            return Claim.CLOCK
        counted = kid if share is None else share
        held = self._by_share.get(counted, 0)
        if not self._has_room(held, named=share is not None):
            return Claim.FULL
        self._seen.add(key)
        self._by_share[counted] = held + 1
        slot = (max(ts, now_ms) + self.window_ms) // _SLOT_MS
        self._slots.setdefault(slot, []).append((ts, kid, nonce, counted))
        return Claim.NEW

    def _has_room(self, held: int, *, named: bool) -> bool:
        if named:
            most, most_of_one = self.max_entries - self.reserved_entries, self.max_entries_per_share
        else:
            most, most_of_one = self.max_entries, self.max_entries_per_kid
        return len(self._seen) < most and held < most_of_one

    def distrust(self, ts: int) -> None:
        """Refuse what is not newer than this ``ts`` from now on: its nonce may have been forgotten elsewhere."""
        self._floor_ms = max(self._floor_ms, ts)

    def __len__(self) -> int:
        """Nonces held now."""
        return len(self._seen)

    def _forget(self, now_ms: int) -> None:
        current = now_ms // _SLOT_MS
        if current == self._swept:
            return  # what was added since ends later: a long window has too many slots to look at on each claim
        self._swept = current
        for slot in sorted(slot for slot in self._slots if slot < current):
            for ts, kid, nonce, counted in self._slots.pop(slot):
                self._seen.discard((kid, nonce))
                left = self._by_share[counted] - 1
                if left:
                    self._by_share[counted] = left
                else:
                    del self._by_share[counted]
                # Whatever is not newer than a forgotten frame could be that frame: if the clock steps back and
                # its ts becomes fresh again, it is refused rather than looked up in vain.
                self.distrust(ts)
