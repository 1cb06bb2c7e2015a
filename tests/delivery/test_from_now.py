"""From when on nothing is missed, where a reader starts "from now" (PROTOCOL §5, Delivery)."""

import asyncio
import json
from collections.abc import Iterable
from pathlib import Path

import httpx2
import pytest

from jitterbug.client import Gap, Notice, Publisher, connect
from tests.client.hub_process import HubProcess
from tests.client.meddler import Meddler
from tests.delivery.feed import KID, ROOT, SECRET
from tests.looped import in_loop


def without_the_first_subscribed() -> Meddler:
    """A network that loses one frame: the first ``subscribed``."""
    lost: list[int] = []

    def meddle(number: int, text: bytes) -> Iterable[bytes]:
        if not lost and json.loads(text)["payload"]["t"] == "subscribed":
            lost.append(number)
            return []
        return [text]

    return Meddler(meddle)


@pytest.mark.xfail(
    strict=True,
    raises=AssertionError,
    reason="async with returns at hello: where subscribed is lost after it, the channel starts again, from a later now",
)
@in_loop
async def test_nothing_published_after_opening_is_missed_in_silence(tmp_path: Path) -> None:
    """Number 1 is published after ``async with`` has returned: it is delivered, or a gap tells of it."""
    hub = await asyncio.to_thread(HubProcess, tmp_path, environ=ROOT, profile="realtime", heartbeat_s=0.5)
    told: list[Notice] = []
    try:
        async with (
            httpx2.AsyncClient(transport=without_the_first_subscribed()) as http,
            Publisher(hub.url, KID, SECRET) as publisher,
            connect(hub.url, channels=["numbers"], http=http, on_notice=told.append, random=lambda: 0.01) as stream,
        ):
            await publisher.publish("numbers", 1)
            async with asyncio.timeout(10):
                while stream.positions["numbers"] is None:  # noqa: ASYNC110 - nothing tells of it
                    await asyncio.sleep(0.01)
            await publisher.publish("numbers", 2)

            publication = await asyncio.wait_for(anext(stream), 10)

            assert publication.data == 1 or any(isinstance(notice, Gap) for notice in told)
    finally:
        hub.__exit__()
