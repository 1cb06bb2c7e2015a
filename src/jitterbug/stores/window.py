"""Exact moving windows: at most n in any span of time (R41).

The ``limits`` package has this too, but its asyncio memory storage walks all its keys, a thread hop each, at every
single hit: ten thousand clients that come back at once would cost a hundred million of them.
"""

from bisect import bisect_right
from collections import OrderedDict
from typing import Final

_NS_PER_S: Final = 1_000_000_000


class MovingWindows:
    """Counts by key. What is over is forgotten, and beyond ``max_keys`` the one not used for longest."""

    __slots__ = ("_hits", "_longest_ns", "_max_keys")

    def __init__(self, max_keys: int = 100_000) -> None:
        self._hits: OrderedDict[str, list[int]] = OrderedDict()
        self._max_keys = max_keys
        self._longest_ns = 0

    def admit(self, key: str, limit: int, window_s: float, now_ns: int) -> float:
        """Count one, if the last ``window_s`` seconds hold fewer than ``limit``.

        Args:
            key: What is counted.
            limit: At most so many, at least 1.
            window_s: In any span of so many seconds.
            now_ns: Monotonic nanoseconds.

        Returns:
            0.0 when it was counted, else the seconds after which it would be.
        """
        window_ns = int(window_s * _NS_PER_S)
        self._longest_ns = max(self._longest_ns, window_ns)
        self._forget(now_ns - self._longest_ns)
        hits = self._hits.get(key)
        if hits is None:
            hits = self._hits[key] = []
            if len(self._hits) > self._max_keys:
                self._hits.popitem(last=False)
        self._hits.move_to_end(key)
        over = bisect_right(hits, now_ns - window_ns)
        del hits[:over]
        if len(hits) >= limit:
            return (hits[-limit] + window_ns - now_ns) / _NS_PER_S
        hits.append(now_ns)
        return 0.0

    def _forget(self, until_ns: int) -> None:
        """Drop the keys not used for longest, while nothing of them counts any more."""
        while self._hits:
            key, hits = next(iter(self._hits.items()))
            if hits and hits[-1] > until_ns:
                return
            del self._hits[key]

    def __len__(self) -> int:
        return len(self._hits)
