"""Publishing over a stream: paced, in order, nothing lost and nothing twice (R33, R54, R58, PROTOCOL §5)."""

import asyncio
import json
import time
from typing import Any

import httpx2
import pytest

from jitterbug.client import (
    InvalidRequestError,
    Notice,
    Paced,
    Position,
    TooLargeError,
    UnauthorizedError,
    UnconfirmedError,
    UnreadableError,
)
from jitterbug.client.upstream import UNCONFIRMED_MS
from jitterbug.client.wire import TransportName
from jitterbug.clock import SystemClock
from jitterbug.errors import CanonicalError, FrameTooLargeError
from tests.client.scripted_hub import EPOCH, ScriptedHub, refuse
from tests.looped import in_loop


class SteppingClock(SystemClock):
    """Time that jumps ahead when it is told to."""

    def __init__(self) -> None:
        self._awake_ms = self._asleep_ms = 0

    def step(self, ms: int, *, is_asleep: bool) -> None:
        self._asleep_ms += ms
        self._awake_ms += 0 if is_asleep else ms

    def now_ms(self) -> int:
        return super().now_ms() + self._asleep_ms

    def monotonic_ns(self) -> int:
        return super().monotonic_ns() + self._awake_ms * 1_000_000


def published(hub: ScriptedHub) -> list[Any]:
    return [up["data"] for up in hub.up if up["t"] == "pub"]


@in_loop
async def test_a_publication_waits_for_a_subscription_of_its_channel_that_is_under_way(
    transport: TransportName,
) -> None:
    """However late the hub answers that: who reads the channel does not miss its own."""
    hub = ScriptedHub(transport)
    async with hub.connect() as stream:
        await hub.wire()
        hub.plan["/frames"].append(refuse(429, retry_after="0"))
        asking = asyncio.create_task(stream.subscribe("a"))
        await hub.until(lambda: not hub.plan["/frames"])
        assert await stream.publish("a", 1) == Position(EPOCH, 1)
        await asking
        assert [up["t"] for up in hub.up] == ["sub", "pub"]


@in_loop
async def test_a_publication_is_a_signed_frame_that_names_the_connection(transport: TransportName) -> None:
    hub = ScriptedHub(transport)
    async with hub.connect() as stream:
        wire = await hub.wire()
        assert await stream.publish("a", {"n": 1}) == Position(EPOCH, 1)
        [frame] = hub.frames
        assert frame["kid"] == wire.asked["kid"]
        assert {name: frame["payload"][name] for name in ("t", "conn", "ch", "data")} == {
            "t": "pub", "conn": wire.conn, "ch": "a", "data": {"n": 1},
        }  # fmt: skip


@in_loop
async def test_a_rate_limit_makes_it_wait_and_loses_nothing(transport: TransportName) -> None:
    """R54: each try is signed anew, or the hub would take it for a replay (R33)."""
    hub, notices = ScriptedHub(transport), list[Notice]()
    async with hub.connect(on_notice=notices.append) as stream:
        await hub.wire()
        hub.plan["/frames"].extend([refuse(429, retry_after="1"), refuse(503, retry_after="0")])
        began = time.monotonic()
        results = await asyncio.gather(*(stream.publish("a", number) for number in range(20)))
        assert time.monotonic() - began >= 1
        assert [place.offset for place in results] == list(range(1, 21))
        assert published(hub) == list(range(20))
        assert Paced(1) in notices
        assert len({frame["nonce"] for frame in hub.frames}) == len(hub.frames)


@in_loop
async def test_what_was_never_sent_is_sent_again(transport: TransportName) -> None:
    hub = ScriptedHub(transport)
    async with hub.connect() as stream:
        await hub.wire()
        hub.plan["/frames"].extend([httpx2.ConnectError("x"), httpx2.ConnectTimeout("x")])
        assert (await stream.publish("a", 1)).offset == 1


@in_loop
async def test_a_lost_answer_is_asked_for_again_under_the_same_id(transport: TransportName) -> None:
    """The hub does once what a session asks for twice under one id."""
    hub = ScriptedHub(transport)
    async with hub.connect() as stream:
        await hub.wire()
        hub.loses_answers = 1
        await stream.publish("a", 1)
        first, second = hub.frames
        assert first["payload"]["id"] == second["payload"]["id"]
        assert first["nonce"] != second["nonce"]


@in_loop
async def test_a_lost_answer_in_a_lost_session_is_told(transport: TransportName) -> None:
    """In another session the id means nothing: to send again could be to publish twice."""
    hub = ScriptedHub(transport)
    async with hub.connect(random=lambda: 0.9) as stream:
        wire = await hub.wire()
        hub.plan["/frames"].append(httpx2.ReadError("x"))
        hub.plan[hub.path].append(refuse(401))
        hub.plan["/keys"].append(refuse(401))
        publishing = asyncio.create_task(stream.publish("a", 1))
        await hub.until(lambda: hub.count("/frames") == 1)
        wire.cut()
        with pytest.raises(UnconfirmedError):
            await publishing
        assert hub.count("/session") == 1


@pytest.mark.parametrize("is_asleep", [False, True])
@in_loop
async def test_a_lost_answer_that_cannot_be_had_within_a_minute_is_told(
    transport: TransportName, *, is_asleep: bool
) -> None:
    """By then the hub may have forgotten the id. Not every monotonic clock counts the sleep of the device."""
    hub, clock = ScriptedHub(transport), SteppingClock()
    async with hub.connect(clock=clock) as stream:
        await hub.wire()
        hub.loses_answers = 1

        def step(_payload: dict[str, Any]) -> None:
            hub.on_up = None
            clock.step(UNCONFIRMED_MS, is_asleep=is_asleep)

        hub.on_up = step
        with pytest.raises(UnconfirmedError) as caught:
            await stream.publish("a", 1)
        assert (caught.value.code, caught.value.sent) == ("JB_UNCONFIRMED", True)
        assert published(hub) == [1]


@in_loop
async def test_offline_it_is_told_when_the_minute_is_over(
    transport: TransportName, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not only when the hub is there again, which may be never."""
    monkeypatch.setattr("jitterbug.client.upstream.UNCONFIRMED_MS", 100)
    hub = ScriptedHub(transport)
    async with hub.connect(random=lambda: 0.9) as stream:
        wire = await hub.wire()
        hub.loses_answers = 1
        hub.on_up = lambda _payload: wire.cut()
        hub.plan[hub.path].append(refuse(503, retry_after="60"))
        async with asyncio.timeout(10):
            with pytest.raises(UnconfirmedError):
                await stream.publish("a", 1)
        assert published(hub) == [1]


@in_loop
async def test_it_waits_for_a_connection_and_then_goes_over_the_new_one(transport: TransportName) -> None:
    hub = ScriptedHub(transport)
    async with hub.connect() as stream:
        wire = await hub.wire()
        wire.send("bye", reason="shutdown", retry=200)
        await hub.until(lambda: stream.status.state == "waiting")
        publishing = asyncio.create_task(stream.publish("a", 1))
        again = await hub.wire()
        await publishing
        assert hub.up[0]["conn"] == again.conn


@in_loop
async def test_a_connection_that_ended_under_way_is_no_refusal() -> None:
    """Over a WebSocket it cannot happen: the frame goes where the connection goes."""
    hub = ScriptedHub()
    async with hub.connect() as stream:
        wire = await hub.wire()
        original = hub._frames

        async def ended(body: bytes) -> httpx2.Response:
            hub._frames = original  # type: ignore[method-assign]
            wire.cut()
            await hub.wire()
            await hub.until(lambda: stream.stats.connections == 2)
            return refuse(401)

        hub._frames = ended  # type: ignore[method-assign]
        assert (await stream.publish("a", 1)).offset == 1


async def offset_after_refusal(hub: ScriptedHub, status: int, error: type[Exception]) -> int:
    async with hub.connect() as stream:
        await hub.wire()
        hub.plan["/frames"].append(refuse(status))
        with pytest.raises(error):
            await stream.publish("a", 1)
        return (await stream.publish("a", 2)).offset


@pytest.mark.parametrize(("status", "error"), [(401, UnauthorizedError), (400, InvalidRequestError)])
@in_loop
async def test_a_refusal_is_raised_and_the_next_one_goes_on(
    status: int, error: type[Exception], transport: TransportName
) -> None:
    assert await offset_after_refusal(ScriptedHub(transport), status, error) == 1


@in_loop
async def test_http_has_a_status_for_what_is_too_large() -> None:
    """An ``err`` has no word for it (PROTOCOL §7)."""
    assert await offset_after_refusal(ScriptedHub(), 413, TooLargeError) == 1


@in_loop
async def test_a_frame_over_the_hubs_limit_is_not_sent(transport: TransportName) -> None:
    """R58: counted in UTF-8 bytes of the signed frame, by what ``hello`` said."""
    hub = ScriptedHub(transport)
    hub.limits = {"burst": 10, "frame": 600, "rate": 1}
    async with hub.connect() as stream:
        await hub.wire()
        await stream.publish("a", "")
        room = 600 - len(json.dumps(hub.frames[0], separators=(",", ":")))
        await stream.publish("a", "ü" * (room // 2) + "x" * (room % 2))
        with pytest.raises(FrameTooLargeError) as caught:
            await stream.publish("a", "x" * (room + 1))
        assert (caught.value.frame_bytes, caught.value.limit_bytes) == (601, 600)
        assert hub.count("/frames") == 2


@pytest.mark.parametrize("data", [float("nan"), 2**53, "\ud800", {1: 2}, object()])
@in_loop
async def test_what_is_not_json_is_refused_before_anything_is_sent(data: Any, transport: TransportName) -> None:
    hub = ScriptedHub(transport)
    async with hub.connect() as stream:
        with pytest.raises(CanonicalError):
            await stream.publish("a", data)
        assert hub.count("/frames") == 0


@in_loop
async def test_an_answer_without_a_place_is_not_taken_for_one(transport: TransportName) -> None:
    hub = ScriptedHub(transport)
    async with hub.connect() as stream:
        await hub.wire()
        answer: dict[str, Any] = {"pos": ["e", -1]}
        hub.plan["/frames"].append(answer)
        with pytest.raises(UnreadableError):
            await stream.publish("a", 1)
