"""The hub's time as seen from here (PROTOCOL §2, R32)."""

from dataclasses import dataclass
from typing import Final

from jitterbug.clock import Clock

POOR_ROUND_TRIP_MS: Final = 2_000
"""A slower answer says too little about the time to replace a better measurement."""
JUMP_MS: Final = 1_000
"""The device's two clocks drifting apart by more means that one was set, or that the device slept."""


@dataclass(frozen=True, slots=True)
class _Anchor:
    hub_minus_monotonic_ms: float
    device_minus_monotonic_ms: float


class HubClock:
    """Taken from a key answer at half its round trip, then counted on monotonically.

    So a wrong or stepping device clock neither locks the user out nor widens the tolerance.
    """

    __slots__ = ("_anchor", "_clock")

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._anchor: _Anchor | None = None

    def monotonic_ms(self) -> float:
        """Milliseconds since a fixed point."""
        return self._clock.monotonic_ns() / 1_000_000

    def stamp(self) -> tuple[float, int]:
        """This moment, for :meth:`since_ms`."""
        return self.monotonic_ms(), self._clock.now_ms()

    def since_ms(self, stamp: tuple[float, int]) -> float:
        """Milliseconds since then, a sleep of the device included: not every monotonic clock counts that."""
        monotonic_ms, device_ms = stamp
        return max(self.monotonic_ms() - monotonic_ms, self._clock.now_ms() - device_ms)

    def sync(self, server_time_ms: int, sent_ms: float) -> None:
        """Take a measurement.

        Args:
            server_time_ms: From an answer that came just now.
            sent_ms: When its request was sent, by :meth:`monotonic_ms`.
        """
        now_ms = self.monotonic_ms()
        round_trip_ms = now_ms - sent_ms
        if self._anchor is not None and round_trip_ms > POOR_ROUND_TRIP_MS and not self.jumped():
            return
        self._anchor = _Anchor(server_time_ms + round_trip_ms / 2 - now_ms, self._clock.now_ms() - now_ms)

    def now_ms(self) -> int:
        """Hub time in Unix milliseconds; device time before the first :meth:`sync`."""
        if self._anchor is None:
            return self._clock.now_ms()
        return round(self.monotonic_ms() + self._anchor.hub_minus_monotonic_ms)

    def jumped(self) -> bool:
        """Tell whether hub time must be asked for again. No frame can cause it, only the device."""
        if self._anchor is None:
            return False
        difference_ms = self._clock.now_ms() - self.monotonic_ms()
        return abs(difference_ms - self._anchor.device_minus_monotonic_ms) > JUMP_MS
