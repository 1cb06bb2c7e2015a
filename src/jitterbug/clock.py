"""Time as a dependency: everything below the edge is handed a number and never looks at a clock."""

import time
from typing import Protocol


class Clock(Protocol):
    """Two readings that must not be mixed up."""

    def now_ms(self) -> int:
        """Wall clock in integer Unix milliseconds: goes into ``ts`` and ``expiresAt``. May step."""
        ...

    def monotonic_ns(self) -> int:
        """Nanoseconds from an arbitrary start, never going back: buckets, ticks and deadlines."""
        ...


class SystemClock:
    """The clocks of the operating system."""

    __slots__ = ()

    def now_ms(self) -> int:
        """Unix milliseconds."""
        return time.time_ns() // 1_000_000

    def monotonic_ns(self) -> int:
        """Monotonic nanoseconds."""
        return time.monotonic_ns()
