"""What the bad network found in the client's reports."""

import asyncio
from typing import Any

from jitterbug.client.link import Link
from jitterbug.client.reports import Reports
from jitterbug.protocol.codes import Refusal
from tests.looped import in_loop


class SlowUpstream:
    """Sends as slowly as the test wants: the race needs both senders at once, which no real hub gives on demand."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, int]] = []
        self.answered = asyncio.Event()

    async def send(self, payload: dict[str, Any]) -> dict[str, Any]:
        self.sent.append((payload["kind"], payload["count"]))
        await self.answered.wait()
        return {}


@in_loop
async def test_a_hole_while_reports_are_under_way_does_not_end_the_client() -> None:
    """The round of reports and the report of a hole may send at the same time; each count is sent once."""
    upstream, link = SlowUpstream(), Link()
    link.open("conn", "kid", set(), 1_024)
    reports = Reports(upstream, link)  # type: ignore[arg-type]
    reports.refused(Refusal.STALE)
    reports.refused(Refusal.REPLAY)
    round_of_reports = asyncio.create_task(reports.flush())  # holds a list of both kinds
    await asyncio.sleep(0)
    hole = asyncio.create_task(reports.gap())  # takes the second one meanwhile
    await asyncio.sleep(0)

    upstream.answered.set()
    await asyncio.gather(round_of_reports, hole)

    assert sorted(upstream.sent) == [("gap", 1), ("replay", 1), ("stale", 1)]
