"""Tells the hub what was refused here (``report``, PROTOCOL §4), summed up: a flood of forgeries makes no flood."""

import asyncio
from collections import Counter
from collections.abc import Mapping
from typing import Final

from jitterbug.client.link import Link
from jitterbug.client.upstream import Upstream
from jitterbug.errors import JitterbugError
from jitterbug.protocol.codes import Refusal, ReportKind, Up

ROUND_S: Final = 5.0
"""Least time between two rounds of reports."""
_GAP_WITHIN_S: Final = 1.0
"""A resume does not wait longer than this for its report."""

KIND_OF: Final[Mapping[Refusal, ReportKind]] = {
    Refusal.SIZE: ReportKind.SIGNATURE,
    Refusal.GRAMMAR: ReportKind.SIGNATURE,
    Refusal.RATE: ReportKind.SIGNATURE,
    Refusal.KEY: ReportKind.SIGNATURE,
    Refusal.SIGNATURE: ReportKind.SIGNATURE,
    Refusal.STALE: ReportKind.STALE,
    Refusal.REPLAY: ReportKind.REPLAY,
    Refusal.CLOCK: ReportKind.STALE,
    Refusal.FULL: ReportKind.STALE,
    Refusal.TYPE: ReportKind.ORDER,
    Refusal.ORDER: ReportKind.ORDER,
}
"""Whatever kept a signature from being checked counts as one that did not hold."""


class Reports:
    """Gathers counts; sends them at most once in 5 s, and at once before a resume."""

    __slots__ = ("_counts", "_gathered", "_link", "_upstream")

    def __init__(self, upstream: Upstream, link: Link) -> None:
        self._upstream = upstream
        self._link = link
        self._counts: Counter[ReportKind] = Counter()
        self._gathered = asyncio.Event()

    def refused(self, reason: Refusal) -> None:
        """Count one refusal."""
        self._counts[KIND_OF[reason]] += 1
        self._gathered.set()

    async def gap(self) -> None:
        """Count a hole and try to tell at once, over the connection that is about to be given up."""
        self._counts[ReportKind.GAP] += 1
        try:
            async with asyncio.timeout(_GAP_WITHIN_S):
                await self.flush()
        except TimeoutError:
            return

    def connected(self) -> None:
        """A connection opened: what could not be sent before can go now."""
        if self._counts:
            self._gathered.set()

    async def run(self) -> None:
        """Send what gathers, until cancelled."""
        while True:
            await self._gathered.wait()
            await self.flush()
            await asyncio.sleep(ROUND_S)

    async def flush(self) -> None:
        """Send what has gathered. A lost report is lost: reporting must not become a load of its own."""
        self._gathered.clear()
        for kind in list(self._counts):
            if self._link.conn is None:
                return
            count = self._counts.pop(kind, 0)
            if not count:
                continue  # a hole was told of meanwhile, and took this one along
            try:
                await self._upstream.send({
                    "t": Up.REPORT.value, "conn": self._link.conn, "kind": kind.value, "count": count,
                })  # fmt: skip
            except JitterbugError:
                continue
