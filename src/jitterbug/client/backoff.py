"""Waiting between tries: full jitter, so that clients cut off together do not come back together."""

from collections.abc import Callable
from typing import Final

BASE_MS: Final = 250
"""First ceiling."""
CAP_MS: Final = 10_000
"""Highest ceiling."""
_DOUBLINGS: Final = 16


class Backoff:
    """Counts failures in a row.

    Each wait is drawn evenly from nothing up to a ceiling that doubles. No try is the last.
    """

    __slots__ = ("_failures", "_random")

    def __init__(self, random: Callable[[], float]) -> None:
        """Args: random: gives numbers in [0, 1). For jitter only, never for nonces."""
        self._random = random
        self._failures = 0

    def next_ms(self) -> float:
        """Count a failure and return the wait, in milliseconds."""
        ceiling = min(CAP_MS, BASE_MS << self._failures)
        self._failures = min(self._failures + 1, _DOUBLINGS)  # the ceiling stands long before
        return self._random() * ceiling

    def at_least_ms(self, asked_ms: float) -> float:
        """Count a failure and return the wait the hub asked for, up to a quarter longer: all were told the same."""
        return max(asked_ms * (1 + self._random() / 4), self.next_ms())

    def reset(self) -> None:
        """Things went well for long enough."""
        self._failures = 0
