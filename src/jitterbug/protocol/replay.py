"""Memory of the nonces that were accepted (PROTOCOL §1 step 5, R33; REQUIREMENTS §2.1-2.4).

Claimed only after the signature held, so strangers can neither fill it nor burn anybody's nonce. An entry is kept
until no verifier would accept its ``ts`` any more, and never given up earlier: at its bound the window refuses.
"""

from typing import Final

_SLOT_MS: Final = 1_000
"""Entries that end within the same second are forgotten together."""


class ReplayWindow:
    """A bounded set of (kid, nonce), forgotten by time alone.

    Memory: about 200 bytes an entry, at most ``max_entries`` of them.
    """

    __slots__ = (
        "_by_kid", "_floor_ms", "_seen", "_slots", "_swept", "max_entries", "max_entries_per_kid", "window_ms",
    )  # fmt: skip

    def __init__(self, window_ms: int, *, max_entries: int = 100_000, max_entries_per_kid: int = 10_000) -> None:
        """Create an empty window.

        Args:
            window_ms: How long a nonce is remembered at least. Must be at least twice the accepted clock skew.
            max_entries: Bound over all keys; beyond it every claim is refused.
            max_entries_per_kid: Bound for one key, so that no key can crowd out the others.
        """
        self.window_ms = window_ms
        self.max_entries = max_entries
        self.max_entries_per_kid = max_entries_per_kid
        self._seen: set[tuple[str, str]] = set()
        self._by_kid: dict[str, int] = {}
        self._slots: dict[int, list[tuple[int, str, str]]] = {}
        self._floor_ms = -1
        self._swept = -1

    def claim(self, kid: str, nonce: str, ts: int, now_ms: int) -> bool:
        """Remember a nonce if it is new.

        Args:
            kid: Key id of a frame whose signature held.
            nonce: Its nonce, canonical text.
            ts: Its signing time, within the skew of ``now_ms``.
            now_ms: The time by which freshness was judged.

        Returns:
            True at most once for each frame. False for a nonce that is remembered under this kid, for a ``ts`` so old
            that its nonce may have been forgotten (the clock stepped back), and when the window is full.
        """
        self._forget(now_ms)
        key = (kid, nonce)
        held = self._by_kid.get(kid, 0)
        if ts <= self._floor_ms or key in self._seen:
            return False
        if len(self._seen) >= self.max_entries or held >= self.max_entries_per_kid:
            return False
        self._seen.add(key)
        self._by_kid[kid] = held + 1
        slot = (max(ts, now_ms) + self.window_ms) // _SLOT_MS
        self._slots.setdefault(slot, []).append((ts, kid, nonce))
        return True

    def __len__(self) -> int:
        """Nonces held now."""
        return len(self._seen)

    def _forget(self, now_ms: int) -> None:
        current = now_ms // _SLOT_MS
        if current == self._swept:
            return  # what was added since ends later: a long window has too many slots to look at on each claim
        self._swept = current
        for slot in sorted(slot for slot in self._slots if slot < current):
            for ts, kid, nonce in self._slots.pop(slot):
                self._seen.discard((kid, nonce))
                left = self._by_kid[kid] - 1
                if left:
                    self._by_kid[kid] = left
                else:
                    del self._by_kid[kid]
                # Whatever is not newer than a forgotten frame could be that frame: if the clock steps back and
                # its ts becomes fresh again, it is refused rather than looked up in vain.
                self._floor_ms = max(self._floor_ms, ts)
