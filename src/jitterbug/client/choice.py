"""Which transport to open next: the preferred one, until a proxy that holds it back gives reason to try another."""

from collections.abc import Sequence
from typing import Final

from jitterbug.client.wire import TransportName

FIRST_PATIENCE_MS: Final = 3_000
"""How long the first try may take to its ``hello``; each in vain doubles it, for slow networks are no proxies."""
LONGEST_PATIENCE_MS: Final = 30_000
AWAY_MS: Final = 3_600_000
"""After this long away from the preferred transport it is tried again, at the next connection."""

_ENOUGH: Final = 2
_EVIDENCE: Final = {
    "JB_HELD": 2,
    "JB_SILENT": 2,
    "JB_UNOPENED": 2,
    "JB_UNREADABLE": 2,
    "JB_CUT": 1,  # any network may cut once
    "JB_INTERNAL": 1,  # also how a proxy says that it lost patience
}
"""What an end before ``hello`` says against the transport. What the hub itself says is nothing against it."""


class TransportChoice:
    """Remembers, for one client, what worked. Times are monotonic milliseconds."""

    __slots__ = ("_at", "_away_since_ms", "_evidence", "_given_up", "_patience_ms", "_transports")

    def __init__(self, transports: Sequence[TransportName]) -> None:
        """Args: transports: at least one, the preferred first."""
        self._transports = tuple(transports)
        self._at = 0
        self._patience_ms = FIRST_PATIENCE_MS
        self._away_since_ms = 0.0
        self._given_up = 0
        self._evidence = 0

    def next(self, now_ms: float) -> tuple[TransportName, int | None]:
        """The next try: what to open, and the milliseconds it has to its ``hello`` (None = as long as silence may)."""
        if self._at and now_ms - self._away_since_ms >= AWAY_MS:
            self._take(0)
            self._patience_ms = FIRST_PATIENCE_MS
        return self._transports[self._at], self._patience_ms if len(self._transports) > 1 else None

    def ended(self, code: str, *, live: bool, fresh_key: bool, now_ms: float) -> bool:
        """Take note of how a try ended.

        Args:
            code: Of the step or the error that followed.
            live: Its ``hello`` had come.
            fresh_key: Its key came over the same network just before, so a hub is there.
            now_ms: When.

        Returns:
            Whether a transport comes next that was not yet given up since the last ``hello``.
        """
        if live:
            self._given_up = self._evidence = 0
            return False
        self._evidence += _ENOUGH if code == "JB_NETWORK" and fresh_key else _EVIDENCE.get(code, 0)
        if len(self._transports) == 1 or self._evidence < _ENOUGH:
            return False
        if self._at == 0:
            self._away_since_ms = now_ms
        self._take((self._at + 1) % len(self._transports))
        self._patience_ms = min(2 * self._patience_ms, LONGEST_PATIENCE_MS)
        self._given_up += 1
        return self._given_up < len(self._transports)

    def _take(self, at: int) -> None:
        self._at = at
        self._evidence = 0
