"""A clock that stands still until a test turns it."""

from typing import Final

_NS_PER_MS: Final = 1_000_000
_NS_PER_S: Final = 1_000_000_000
START_MS: Final = 1_784_636_400_000
"""Where the wall clock stands by default, Unix milliseconds: the ``now`` of the vectors."""


class ManualClock:
    """Implements :class:`jitterbug.clock.Clock`: both readings move together, or the wall alone is stepped."""

    __slots__ = ("_monotonic_ns", "_wall_ns")

    def __init__(self, start_ms: int = START_MS) -> None:
        """Args: start_ms: first reading of the wall clock, Unix milliseconds. The monotonic clock starts at 0."""
        self._wall_ns = start_ms * _NS_PER_MS
        self._monotonic_ns = 0

    def now_ms(self) -> int:
        """Unix milliseconds, whole ones that have passed."""
        return self._wall_ns // _NS_PER_MS

    def monotonic_ns(self) -> int:
        """Nanoseconds since the clock was made, however the wall was stepped."""
        return self._monotonic_ns

    def advance(self, *, ms: float = 0, s: float = 0) -> None:
        """Let time pass, on both clocks.

        Args:
            ms: Milliseconds.
            s: Seconds, added to them.

        Raises:
            ValueError: The sum is negative: time passes one way; see :meth:`step_wall`.
        """
        passed_ns = round(ms * _NS_PER_MS) + round(s * _NS_PER_S)
        if passed_ns < 0:
            raise ValueError("Time does not run backwards; step_wall() sets the wall clock back.")
        self._wall_ns += passed_ns
        self._monotonic_ns += passed_ns

    def step_wall(self, ms: int) -> None:
        """Set the wall clock forward, or back where ``ms`` is negative, as an administrator or NTP would."""
        self._wall_ns += ms * _NS_PER_MS

    def __repr__(self) -> str:
        return f"ManualClock(now_ms={self.now_ms()})"
