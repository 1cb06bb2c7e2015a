"""The client against the real hub (R2, R14, R32, R33, R50, R53, R54)."""

import asyncio
import itertools
import time
import zlib
from collections.abc import Iterable
from typing import Any

import httpx2
import pytest

from jitterbug.client import Gap, Notice, Paced, Publisher, Refused, Status, Stream, UnauthorizedError, connect
from jitterbug.client.wire import TransportName
from jitterbug.clock import SystemClock
from jitterbug.errors import FrameTooLargeError
from tests.client.conftest import StartHub
from tests.client.meddler import Meddle, meddled
from tests.looped import in_loop

_serial = itertools.count()
PATIENCE_S = 30


def channel() -> str:
    """A channel nobody else uses."""
    return f"test/{next(_serial)}"


async def take(stream: Stream, count: int) -> list[Any]:
    async with asyncio.timeout(PATIENCE_S):
        return [(await anext(stream)).data for _ in range(count)]


@in_loop
async def test_what_is_published_arrives_verified_in_order_at_everybody(hub_url: str, transport: TransportName) -> None:
    name = channel()
    values: list[Any] = [{"n": 1.5, "ü": [None, True]}, "text", 3, [], {"__proto__": {"constructor": 1}}]
    async with (
        connect(hub_url, transport=transport, channels=[name]) as first,
        connect(hub_url, transport=transport, channels=[name]) as second,
    ):
        places = [await first.publish(name, value) for value in values]
        assert [place.offset for place in places] == [1, 2, 3, 4, 5]
        assert await take(first, 5) == await take(second, 5) == values
        assert first.positions == second.positions == {name: places[-1]}
        assert not first.stats.refused


@in_loop
async def test_a_reader_who_comes_back_gets_what_it_missed(hub_url: str, transport: TransportName) -> None:
    name = channel()
    async with connect(hub_url, transport=transport) as writer:
        place = await writer.publish(name, 1)
        for number in (2, 3):
            await writer.publish(name, number)
        async with connect(hub_url, transport=transport, channels={name: place}) as reader:
            publications = [await anext(reader) for _ in range(2)]
            assert [(p.data, p.recovered) for p in publications] == [(2, True), (3, True)]
            await writer.publish(name, 4)
            assert await take(reader, 1) == [4]


@in_loop
async def test_channels_come_and_go_while_the_stream_is_open(hub_url: str, transport: TransportName) -> None:
    first, second = channel(), channel()
    async with connect(hub_url, transport=transport, channels=[first]) as stream:
        place = await stream.publish(second, "early")
        await stream.publish(second, "missed")
        await stream.subscribe(second, place)
        assert await take(stream, 1) == ["missed"]
        await stream.unsubscribe(first)
        await stream.publish(first, "unread")
        await stream.publish(second, "read")
        assert await take(stream, 1) == ["read"]


@in_loop
async def test_a_channel_given_up_and_wanted_again_is_read(hub_url: str, transport: TransportName) -> None:
    """However the hub's answers and its frames, which travel apart over the stream, come one after the other."""
    name = channel()
    async with connect(hub_url, transport=transport, channels=[name]) as stream:
        for number in range(20):
            await stream.unsubscribe(name)
            await stream.subscribe(name)
            await stream.publish(name, number)
            assert await take(stream, 1) == [number]
        assert stream.stats.connections == 1


@in_loop
async def test_a_wrong_device_clock_locks_nobody_out(hub_url: str, transport: TransportName) -> None:
    """R32: an hour wrong, either way; both directions verify."""

    class Wrong(SystemClock):
        __slots__ = ("wrong_ms",)

        def __init__(self, wrong_ms: int) -> None:
            self.wrong_ms = wrong_ms

        def now_ms(self) -> int:
            return super().now_ms() + self.wrong_ms

    for wrong_ms in (-3_600_000, 3_600_000):
        name = channel()
        async with connect(hub_url, transport=transport, channels=[name], clock=Wrong(wrong_ms)) as stream:
            await stream.publish(name, wrong_ms)
            assert await take(stream, 1) == [wrong_ms]
            assert not stream.stats.refused


def struck(number: int) -> bool:
    """Each seventh frame or so, without a rhythm: connections of one length must not all lose the same frame."""
    return zlib.crc32(b"%d" % number) % 7 == 6


def passed(_: int, text: bytes) -> Iterable[bytes]:
    yield text


def edited(number: int, text: bytes) -> Iterable[bytes]:
    yield text.replace(b'"data":', b'"data":1', 1) if struck(number) else text


def lost(number: int, text: bytes) -> Iterable[bytes]:
    return () if struck(number) else (text,)


def repeated(number: int, text: bytes) -> Iterable[bytes]:
    return (text, text) if number % 3 == 0 else (text,)


def reordering() -> Meddle:
    held: list[bytes] = []

    def meddle(number: int, text: bytes) -> Iterable[bytes]:
        if struck(number):
            held.append(text)
            return ()
        late, held[:] = [*held], []
        return (text, *late)

    return meddle


def cutting(number: int, text: bytes) -> Iterable[bytes]:
    if struck(number):
        raise httpx2.ReadError("cut")
    yield text


@pytest.mark.parametrize("meddle", [passed, edited, lost, repeated, reordering(), cutting])
@in_loop
async def test_whatever_the_network_does_each_one_arrives_once_and_in_order(
    hub_url: str, meddle: Meddle, transport: TransportName
) -> None:
    """R14, R33: edits and repeats are refused; losses, cuts and reorders are noticed and made good from history."""
    name, count = channel(), 40
    async with meddled(hub_url, meddle, transport) as network, connect(hub_url) as writer:
        await writer.publish(name, 0)
        async with connect(channels=[name], random=lambda: 0.01, **network) as reader:
            sending = [asyncio.create_task(writer.publish(name, number)) for number in range(1, count + 1)]
            assert await take(reader, count) == list(range(1, count + 1))
            await asyncio.gather(*sending)


@pytest.mark.slow
@in_loop
async def test_keys_change_while_publications_flow_and_none_is_lost(
    start_hub: StartHub, transport: TransportName
) -> None:
    """R2, R50: numbered publications across several rotations arrive once, in order, each verifying."""
    hub = start_hub(key_ttl_s=3, profile="realtime", keys_per_minute=1_000)
    name, count = channel(), 180
    async with (
        connect(hub.url, transport=transport, channels=[name]) as reader,
        connect(hub.url, transport=transport) as writer,
    ):

        async def write() -> None:
            for number in range(count):
                await writer.publish(name, number)
                await asyncio.sleep(0.055)

        writing = asyncio.create_task(write())
        assert await take(reader, count) == list(range(count))
        await writing
        assert reader.stats.rotations >= 3
        assert reader.stats.connections == 1
        assert not reader.stats.refused
        assert not reader.stats.gaps


@pytest.mark.slow
@in_loop
async def test_a_rate_limited_publisher_waits_and_loses_nothing(start_hub: StartHub, transport: TransportName) -> None:
    """R53, R54: ten at once, then one a second."""
    hub = start_hub()
    name, paced = channel(), list[Notice]()
    async with connect(hub.url, transport=transport, on_notice=paced.append) as writer:
        began = time.monotonic()
        places = await asyncio.gather(*(writer.publish(name, number) for number in range(12)))
        assert time.monotonic() - began > 1
    assert [place.offset for place in places] == list(range(1, 13))
    assert any(isinstance(notice, Paced) for notice in paced)


@pytest.mark.slow
@in_loop
async def test_a_hub_that_was_killed_and_started_again_is_found_again(
    start_hub: StartHub, transport: TransportName
) -> None:
    """Its memory is gone: the client says so by a gap, in another session, and goes on."""
    first = start_hub(profile="realtime")
    name, notices = channel(), list[Notice]()
    async with connect(
        first.url, transport=transport, channels=[name], on_notice=notices.append, random=lambda: 0.2
    ) as stream:
        await stream.publish(name, "before")
        assert await take(stream, 1) == ["before"]
        await asyncio.to_thread(first.kill)
        publishing = asyncio.create_task(stream.publish(name, "after"))
        await asyncio.to_thread(start_hub, profile="realtime", bind=first.bind)
        await publishing
        assert await take(stream, 1) == ["after"]
    assert [notice.reason for notice in notices if isinstance(notice, Gap)] == ["epoch"]
    assert not [notice for notice in notices if isinstance(notice, Refused)]


@in_loop
async def test_a_hub_that_shuts_down_in_order_says_so(start_hub: StartHub, transport: TransportName) -> None:
    hub = start_hub()
    told = asyncio.Event()

    def notice(what: Notice) -> None:
        if isinstance(what, Status) and what.code == "JB_SHUTDOWN":
            told.set()

    async with connect(hub.url, transport=transport, on_notice=notice):
        assert await asyncio.to_thread(hub.stop) == 0
        await asyncio.wait_for(told.wait(), PATIENCE_S)


ROOT = {"HMAC_KEY_ID": "root_test", "HMAC_SECRET": "jzocXpeyDURm4foLc8iVLR5At6lc02+Cqxd0kD7lyGs="}
SECRET = bytes.fromhex("8f3a1c5e97b20d4466e1fa0b73c8952d1e40b7a95cd36f82ab1774903ee5c86b")


@in_loop
async def test_a_back_end_publishes_with_the_root_key_and_no_other(start_hub: StartHub) -> None:
    """PROTOCOL §6: and one id counts once."""
    hub = start_hub(environ=ROOT)
    name = channel()
    async with (
        connect(hub.url, channels=[name]) as reader,
        Publisher(hub.url, "root_test", SECRET) as back_end,
        Publisher(hub.url, "root_test", SECRET[::-1]) as stranger,
    ):
        place = await back_end.publish(name, "signed", publication_id="once")
        assert await back_end.publish(name, "signed", publication_id="once") == place
        with pytest.raises(UnauthorizedError):
            await stranger.publish(name, "forged")
        await back_end.publish(name, "last")
        assert await take(reader, 2) == ["signed", "last"]


@in_loop
async def test_more_than_a_frame_holds_is_refused_and_nothing_is_cut(
    start_hub: StartHub, transport: TransportName
) -> None:
    """R58."""
    hub = start_hub()
    name = channel()
    async with connect(hub.url, transport=transport, channels=[name]) as stream:
        with pytest.raises(FrameTooLargeError):
            await stream.publish(name, "x" * 1_024)
        await stream.publish(name, "small")
        assert await take(stream, 1) == ["small"]
