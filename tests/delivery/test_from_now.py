"""From when on nothing is missed, where a reader starts "from now" (PROTOCOL §5, Delivery)."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest

from jitterbug.client import Gap, Notice, Publisher, Stream, blocking, connect
from jitterbug.client.wire import TransportName
from tests.client.hub_process import HubProcess
from tests.client.meddler import Meddle, Meddler, meddled
from tests.delivery.feed import KID, ROOT, SECRET
from tests.looped import in_loop

TRANSPORTS: list[TransportName] = ["sse", "websocket"]
SETTINGS: dict[str, Any] = {"environ": ROOT, "profile": "realtime", "heartbeat_s": 0.5}


def without_the_first_subscribed() -> Meddle:
    """A network that loses one frame: the first ``subscribed``."""
    lost: list[int] = []

    def meddle(number: int, text: bytes) -> Iterable[bytes]:
        if not lost and json.loads(text)["payload"]["t"] == "subscribed":
            lost.append(number)
            return []
        return [text]

    return meddle


@pytest.fixture
def hub_url(tmp_path: Path) -> Iterator[str]:
    with HubProcess(tmp_path, **SETTINGS) as hub:
        yield hub.url


@asynccontextmanager
async def reading(
    hub_url: str, transport: TransportName, told: list[Notice], channels: list[str]
) -> AsyncIterator[tuple[Stream, Publisher]]:
    """A stream over the bad network, and a back end beside it."""
    async with (
        meddled(hub_url, without_the_first_subscribed(), transport) as network,
        Publisher(hub_url, KID, SECRET) as publisher,
        connect(channels=channels, on_notice=told.append, random=lambda: 0.01, **network) as stream,
    ):
        yield stream, publisher


async def first_two(stream: Stream, publisher: Publisher, told: list[Notice]) -> None:
    """Number 1 is delivered, or a gap tells of it; number 2 is published once the stream is whole again."""
    await publisher.publish("numbers", 1)
    async with asyncio.timeout(10):
        while stream.positions["numbers"] is None:  # noqa: ASYNC110 - nothing tells of it
            await asyncio.sleep(0.01)
    await publisher.publish("numbers", 2)

    publication = await asyncio.wait_for(anext(stream), 10)

    assert publication.data == 1 or any(isinstance(notice, Gap) for notice in told)


@pytest.mark.parametrize("transport", TRANSPORTS)
@in_loop
async def test_nothing_published_after_opening_is_missed_in_silence(hub_url: str, transport: TransportName) -> None:
    """Number 1 is published after ``async with`` has returned."""
    told: list[Notice] = []
    async with reading(hub_url, transport, told, ["numbers"]) as (stream, publisher):
        await first_two(stream, publisher, told)


@pytest.mark.parametrize("transport", TRANSPORTS)
@in_loop
async def test_nothing_published_after_subscribing_is_missed_in_silence(hub_url: str, transport: TransportName) -> None:
    """Number 1 is published after ``subscribe`` has returned, on a stream that was open before."""
    told: list[Notice] = []
    async with reading(hub_url, transport, told, []) as (stream, publisher):
        await stream.subscribe("numbers")
        await first_two(stream, publisher, told)


def test_nothing_is_missed_in_silence_without_an_event_loop(hub_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The blocking client opens the same way."""

    def through_the_network(url: str, **options: Any) -> Stream:
        http = httpx2.AsyncClient(transport=Meddler(without_the_first_subscribed()))
        stream = connect(url, http=http, random=lambda: 0.01, **options)
        stream._transport._owned = True  # closed in the stream's own loop
        return stream

    monkeypatch.setattr(blocking, "connect_async", through_the_network)
    with blocking.connect(hub_url, channels=["numbers"]) as stream:
        assert None not in stream.positions.values()
        for number in (1, 2):
            stream.publish("numbers", number)

        found = [stream.get(10), stream.get(10)]

        assert [item.data for item in found if item is not None] == [1, 2]
