"""Failures of back ends that publish, by address: who goes on failing is answered before any of it is read (§2.27)."""

import math
from collections import OrderedDict
from typing import Final

from jitterbug.hub.limits import TokenBucket

FAILURES: Final = 60
"""At once from one address."""
FAILURES_PER_S: Final = 1.0
_MAX_ADDRESSES: Final = 10_000
_NS_PER_S: Final = 1_000_000_000


class Failures:
    """A bucket for each address that takes a token for what failed, and none for what succeeds.

    Bounded: beyond 10,000 addresses the one that has not failed for longest is forgotten.
    """

    __slots__ = ("_buckets",)

    def __init__(self) -> None:
        self._buckets: OrderedDict[str, TokenBucket] = OrderedDict()

    def wait_s(self, address: str | None, now_ns: int) -> int:
        """Whole seconds until the next try is read; 0 = now. Args: address: None = whoever has no cap."""
        bucket = self._buckets.get(address) if address is not None else None
        if bucket is None or bucket.available(now_ns):
            return 0
        return max(1, math.ceil((bucket.next_at_ns() - now_ns) / _NS_PER_S))

    def count(self, address: str | None, now_ns: int) -> None:
        """Count one that failed. Several that were under way together may fail beyond the bound; all are counted."""
        if address is None:
            return
        bucket = self._buckets.get(address)
        if bucket is None:
            bucket = self._buckets[address] = TokenBucket(FAILURES, FAILURES_PER_S)
            if len(self._buckets) > _MAX_ADDRESSES:
                self._buckets.popitem(last=False)
        self._buckets.move_to_end(address)
        bucket.take(now_ns)

    def __len__(self) -> int:
        return len(self._buckets)
