"""Token buckets on a monotonic clock, in whole nanoseconds (R51-R54).

A bucket is one number: when it will be full again. Asking changes nothing and nothing is rounded, so at 20 ticks a
second it gives exactly one token a second.
"""

from functools import lru_cache
from typing import Final

_NS_PER_S: Final = 1_000_000_000
_BACKOFF_START_NS: Final = _NS_PER_S
_BACKOFF_MAX_NS: Final = 30 * _NS_PER_S
_MAX_STRIKES: Final = 10


@lru_cache(maxsize=64)
def _spans(capacity: int, refill_per_s: float) -> tuple[int, int]:
    """How long one token takes, and a full bucket. The same two numbers for all buckets alike, not two for each."""
    token_ns = max(1, round(_NS_PER_S / refill_per_s))
    return token_ns, capacity * token_ns


class TokenBucket:
    """Holds ``capacity`` tokens at most, refilled without pause."""

    __slots__ = ("_full_at_ns", "_span_ns", "_token_ns", "capacity")

    def __init__(self, capacity: int, refill_per_s: float) -> None:
        """Start full. Args: capacity: tokens, at least 1. refill_per_s: tokens a second, above 0."""
        self.capacity = capacity
        self._token_ns, self._span_ns = _spans(capacity, refill_per_s)
        self._full_at_ns = 0

    def available(self, now_ns: int) -> int:
        """Whole tokens there are now."""
        missing_ns = self._full_at_ns - now_ns
        if missing_ns <= 0:
            return self.capacity
        return (self._span_ns - missing_ns) // self._token_ns

    def spend(self, tokens: int, now_ns: int) -> None:
        """Take tokens that :meth:`available` has just promised."""
        self._full_at_ns = max(self._full_at_ns, now_ns) + tokens * self._token_ns

    def take(self, now_ns: int, tokens: int = 1) -> bool:
        """Take so many tokens if they are there."""
        full_at_ns = self._full_at_ns
        if full_at_ns < now_ns:  # noqa: PLR1730 - max() is a call, and this is the hot path
            full_at_ns = now_ns
        full_at_ns += tokens * self._token_ns
        if full_at_ns - now_ns > self._span_ns:
            return False
        self._full_at_ns = full_at_ns
        return True

    def next_at_ns(self) -> int:
        """When at least one token will be there."""
        return self._full_at_ns - self._span_ns + self._token_ns

    def is_full(self, now_ns: int) -> bool:
        """Whether nothing is missing."""
        return self._full_at_ns <= now_ns


class InboundLimiter:
    """A bucket for what a peer sends, with a back-off that doubles while the peer goes on (R54).

    Attributes:
        strikes: Refusals since the peer last behaved: the bucket had been full again.
    """

    __slots__ = ("_blocked_until_ns", "_bucket", "strikes")

    def __init__(self, capacity: int, refill_per_s: float) -> None:
        self._bucket = TokenBucket(capacity, refill_per_s)
        self._blocked_until_ns = 0
        self.strikes = 0

    def admit(self, now_ns: int) -> bool:
        """Take a token for one frame; False when there is none or the back-off has not passed."""
        if self._bucket.is_full(now_ns) and now_ns >= self._blocked_until_ns:
            self.strikes = 0
        if now_ns >= self._blocked_until_ns and self._bucket.take(now_ns):
            return True
        self.strikes += 1
        delay_ns = min(_BACKOFF_MAX_NS, _BACKOFF_START_NS << min(self.strikes - 1, 5))
        self._blocked_until_ns = now_ns + delay_ns
        return False

    def retry_after_s(self, now_ns: int) -> int:
        """Whole seconds, at least 1, after which the peer may try again."""
        return max(1, -(-(self._blocked_until_ns - now_ns) // _NS_PER_S))

    def is_hopeless(self) -> bool:
        """Whether the peer went on through the whole back-off: time for ``bye`` ``rate``."""
        return self.strikes > _MAX_STRIKES
