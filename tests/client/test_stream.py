"""One stream over what can happen to its connections (R14, R31, R33, R37, O1, O19-O21)."""

import asyncio
import os
import time
from typing import Any

import httpx2
import pytest

from jitterbug.client import (
    ForbiddenError,
    Gap,
    Joined,
    Left,
    LifetimeError,
    NetworkError,
    Notice,
    Position,
    Refused,
    RevokedError,
    Status,
    Stream,
    UnauthorizedError,
    UnreadableError,
    Unsubscribed,
)
from jitterbug.client.wire import TransportName
from jitterbug.protocol.codes import Refusal
from jitterbug.protocol.signing import FrameSigner
from tests.client.scripted_hub import EPOCH, Answer, ScriptedHub, Wire, refuse, respond
from tests.looped import in_loop


async def take(stream: Stream, count: int) -> list[tuple[str, int, Any]]:
    return [(p.channel, p.position.offset, p.data) for p in [await anext(stream) for _ in range(count)]]


@in_loop
async def test_publications_come_in_order_with_their_data_and_place(transport: TransportName) -> None:
    """R35: what the application gets is the payload that was verified."""
    hub = ScriptedHub(transport)
    async with hub.connect(channels=["a", "b"]) as stream:
        wire = await hub.wire()
        wire.msg("a", 1, {"n": 1})
        wire.msg("b", 1, "ü")
        wire.msg("a", 2, None, re=True)
        assert await take(stream, 3) == [("a", 1, {"n": 1}), ("b", 1, "ü"), ("a", 2, None)]
        assert stream.positions == {"a": Position(EPOCH, 2), "b": Position(EPOCH, 1)}
        assert stream.status == Status("live")
    assert hub.asked[:2] == ["/keys", hub.path]
    assert stream.status == Status("closed")
    with pytest.raises(StopAsyncIteration):
        await anext(stream)


@in_loop
async def test_a_401_for_the_key_is_answered_by_asking_for_a_session_once(transport: TransportName) -> None:
    """R37."""
    hub = ScriptedHub(transport)
    hub.plan["/keys"].append(refuse(401))
    async with hub.connect():
        assert hub.asked == ["/keys", "/session", "/keys", hub.path]


@in_loop
async def test_with_a_cookie_of_ones_own_no_session_is_asked_for(transport: TransportName) -> None:
    hub = ScriptedHub(transport)
    hub.plan["/keys"].append(refuse(401))
    with pytest.raises(UnauthorizedError):
        async with hub.connect(cookies={"session": "ended"}):
            pass
    assert hub.asked == ["/keys"]


@in_loop
async def test_a_hub_without_anonymous_sessions_is_told_as_unauthorized(transport: TransportName) -> None:
    hub = ScriptedHub(transport)
    hub.plan["/keys"].append(refuse(401))
    hub.plan["/session"].append(refuse(400))
    with pytest.raises(UnauthorizedError):
        async with hub.connect():
            pass


@pytest.mark.parametrize(("status", "error"), [(403, ForbiddenError), (204, RevokedError), (404, Exception)])
@in_loop
async def test_what_can_never_work_is_raised_on_entry(
    status: int, error: type[Exception], transport: TransportName
) -> None:
    hub = ScriptedHub(transport)
    hub.plan[hub.path].append(refuse(status))
    with pytest.raises(error):
        async with hub.connect():
            pass
    assert hub.count(hub.path) == 1


@in_loop
async def test_a_key_the_hub_turns_down_is_replaced_at_once(transport: TransportName) -> None:
    """A stream's 401 may be the key's, after a restart of the hub for one."""
    hub = ScriptedHub(transport)
    async with hub.connect():
        wire = await hub.wire()
        hub.plan[hub.path].append(refuse(401))
        wire.cut()
        assert (await hub.wire()).asked["kid"] == hub.keys[-1].kid
        assert hub.count("/keys") == 2


@in_loop
async def test_a_401_in_spite_of_a_fresh_key_is_the_users_own(transport: TransportName) -> None:
    hub = ScriptedHub(transport)
    hub.plan[hub.path].append(refuse(401))
    with pytest.raises(UnauthorizedError):
        async with hub.connect():
            pass


@in_loop
async def test_a_network_that_is_away_is_tried_until_it_is_there(transport: TransportName) -> None:
    hub = ScriptedHub(transport)
    hub.plan["/keys"].extend([httpx2.ConnectError("x"), refuse(503), httpx2.ReadTimeout("x"), refuse(500)])
    hub.plan[hub.path].extend([httpx2.ReadError("x"), refuse(429, retry_after="0")])
    async with hub.connect(channels=["a"]) as stream:
        (await hub.wire()).msg("a", 1, 1)
        assert await take(stream, 1) == [("a", 1, 1)]


@in_loop
async def test_one_try_is_enough_where_no_more_are_wanted(transport: TransportName) -> None:
    hub = ScriptedHub(transport)
    hub.plan["/keys"].append(httpx2.ConnectError("x"))
    with pytest.raises(NetworkError):
        async with hub.connect(open_timeout_s=0):
            pass
    assert hub.asked == ["/keys"]


@in_loop
async def test_an_opening_that_takes_too_long_is_given_up(transport: TransportName) -> None:
    hub = ScriptedHub(transport)
    hub.plan["/keys"].extend([refuse(503, retry_after="60")])
    began = time.monotonic()
    with pytest.raises(NetworkError):
        async with hub.connect(open_timeout_s=0.05):
            pass
    assert time.monotonic() - began < 5


@in_loop
async def test_a_cut_connection_is_resumed_from_where_each_channel_stands(transport: TransportName) -> None:
    """PROTOCOL §5: nothing twice, nothing missing."""
    hub = ScriptedHub(transport)
    hub.offsets["b"] = 7
    async with hub.connect(channels={"a": None, "b": Position(EPOCH, 7)}) as stream:
        wire = await hub.wire()
        assert wire.asked["channels"] == {"a": None, "b": [EPOCH, 7]}
        wire.msg("a", 1, 1)
        wire.msg("b", 8, 8)
        wire.cut()
        wire = await hub.wire()
        assert wire.asked["channels"] == {"a": [EPOCH, 1], "b": [EPOCH, 8]}
        wire.msg("a", 1, 1, re=True)
        wire.msg("a", 2, 2, re=True)
        assert await take(stream, 3) == [("a", 1, 1), ("b", 8, 8), ("a", 2, 2)]
        wire.cut()
        await hub.wire()
        assert stream.stats.duplicates == 1


def flip(frame: bytes) -> bytes:
    return frame.replace(b'"data":1', b'"data":2')


@in_loop
async def test_a_changed_frame_is_refused_reported_and_fetched_again(transport: TransportName) -> None:
    """R14, R15, O1: nothing is delivered before the verdict; the loss is told to the hub, and the stream resumed."""
    hub, notices = ScriptedHub(transport), list[Notice]()
    async with hub.connect(channels=["a"], on_notice=notices.append) as stream:
        wire = await hub.wire()
        wire.raw(flip(wire.frame("msg", ch="a", pos=[EPOCH, 1], data=1)))
        await hub.until(lambda: any(up["t"] == "report" for up in hub.up))
        wire.msg("a", 2, 2)
        again = await hub.wire()
        assert again.asked["channels"] == {"a": [EPOCH, 0]}
        again.msg("a", 1, 1, re=True)
        again.msg("a", 2, 2, re=True)
        assert await take(stream, 2) == [("a", 1, 1), ("a", 2, 2)]
    reports = [(up["kind"], up["count"], up["conn"]) for up in hub.up if up["t"] == "report"]
    assert reports == [("signature", 1, wire.conn), ("gap", 1, wire.conn)]
    assert [n.reason for n in notices if isinstance(n, Refused)] == [Refusal.SIGNATURE]
    assert stream.stats.refused == {Refusal.SIGNATURE: 1}


@in_loop
async def test_a_repeated_frame_is_refused_on_this_connection_and_on_the_next(transport: TransportName) -> None:
    """R16, R33: the memory of nonces outlives the connection."""
    hub = ScriptedHub(transport)
    async with hub.connect(channels=["a"]) as stream:
        wire = await hub.wire()
        frame = wire.msg("a", 1, 1)
        wire.raw(frame)
        wire.cut()
        again = await hub.wire()
        again.raw(frame)
        again.msg("a", 2, 2)
        assert await take(stream, 2) == [("a", 1, 1), ("a", 2, 2)]
        assert stream.stats.refused == {Refusal.REPLAY: 2}


def swapped(wire: Wire) -> None:
    first, second = (wire.frame("msg", ch="a", pos=[EPOCH, n], data=n) for n in (1, 2))
    wire.raw(second)
    wire.raw(first)


def dropped(wire: Wire) -> None:
    wire.frame("msg", ch="a", pos=[EPOCH, 1], data=1)
    wire.msg("a", 2, 2)


def skipped(wire: Wire) -> None:
    wire.msg("a", 2, 2)


@pytest.mark.parametrize("attack", [swapped, dropped, skipped])
@in_loop
async def test_frames_cut_out_or_put_in_another_order_lead_to_a_resume(attack: Any, transport: TransportName) -> None:
    """R14: a hole in ``seq`` or in a channel is never passed over, and nothing behind it is delivered."""
    hub = ScriptedHub(transport)
    async with hub.connect(channels=["a"]) as stream:
        attack(await hub.wire())
        wire = await hub.wire()
        assert wire.asked["channels"] == {"a": [EPOCH, 0]}
        for offset in (1, 2):
            wire.msg("a", offset, offset, re=True)
        assert await take(stream, 2) == [("a", 1, 1), ("a", 2, 2)]
        assert [up["kind"] for up in hub.up if up["t"] == "report"] == ["gap"]


@in_loop
async def test_frames_of_an_unknown_key_cause_no_request(transport: TransportName) -> None:
    """O20: five forged frames cost the session nothing of its allowance."""
    hub = ScriptedHub(transport)
    async with hub.connect(channels=["a"]) as stream:
        wire = await hub.wire()
        forger = FrameSigner("forged-key-000000", os.urandom(32))
        bye = {"t": "bye", "conn": wire.conn, "seq": 9, "reason": "revoked"}
        for _ in range(5):
            wire.raw(forger.sign(bye, time.time_ns() // 1_000_000))
        wire.msg("a", 1, 1)
        assert await take(stream, 1) == [("a", 1, 1)]
        assert stream.stats.refused == {Refusal.KEY: 5}
        assert hub.count("/keys") == 1


@in_loop
async def test_forged_frames_do_not_keep_a_dead_connection_alive(transport: TransportName) -> None:
    """Heartbeats count only when they verify."""
    hub = ScriptedHub(transport)
    async with hub.connect(channels=["a"], heartbeat_s=0.1) as stream:
        wire = await hub.wire()
        for _ in range(4):
            wire.raw(b"{}")
        began = time.monotonic()
        await hub.wire()
        assert 0.15 < time.monotonic() - began < 5
        assert stream.stats.connections == 2


@in_loop
async def test_a_heartbeat_keeps_a_quiet_connection_open(transport: TransportName) -> None:
    hub = ScriptedHub(transport)
    async with hub.connect(heartbeat_s=0.5) as stream:
        wire = await hub.wire()
        for _ in range(8):
            wire.send("hb", serverTime=time.time_ns() // 1_000_000)
            await asyncio.sleep(0.15)
        assert stream.stats.connections == 1


@in_loop
async def test_a_gap_is_told_in_its_place_between_publications(transport: TransportName) -> None:
    """PROTOCOL §4: never silence."""
    hub, seen = ScriptedHub(transport), list[Any]()

    def notice(what: Notice) -> None:
        if isinstance(what, Gap):
            seen.append(what)

    async with hub.connect(channels=["a"], on_notice=notice) as stream:
        wire = await hub.wire()
        wire.msg("a", 1, 1)
        wire.send("gap", ch="a", pos=[EPOCH, 5], reason="overflow")
        wire.msg("a", 6, 6)
        for _ in range(2):
            seen.append(await anext(stream))
        assert [item.position.offset for item in seen] == [1, 5, 6]
        assert seen[1] == Gap("a", Position(EPOCH, 5), "overflow")


@pytest.mark.parametrize("reason", ["shutdown", "slow", "rate"])
@in_loop
async def test_a_bye_is_followed_by_a_resume_after_the_time_it_names(reason: str, transport: TransportName) -> None:
    hub = ScriptedHub(transport)
    async with hub.connect(channels=["a"]):
        wire = await hub.wire()
        began = time.monotonic()
        wire.send("bye", reason=reason, retry=120)
        await hub.wire()
        assert time.monotonic() - began >= 0.12


@in_loop
async def test_key_expired_is_followed_by_a_resume_under_another_key(transport: TransportName) -> None:
    """R2, R38."""
    hub = ScriptedHub(transport)
    async with hub.connect(channels=["a"]):
        wire = await hub.wire()
        wire.send("bye", reason="key_expired", retry=0)
        again = await hub.wire()
        assert again.asked["kid"] != wire.asked["kid"]


@in_loop
async def test_a_revoked_session_ends_the_stream_after_everything_was_taken(transport: TransportName) -> None:
    hub = ScriptedHub(transport)
    async with hub.connect(channels=["a"]) as stream:
        wire = await hub.wire()
        wire.msg("a", 1, 1)
        wire.send("bye", reason="revoked", retry=0)
        assert await take(stream, 1) == [("a", 1, 1)]
        with pytest.raises(RevokedError):
            await anext(stream)
        with pytest.raises(RevokedError):
            await stream.publish("a", 1)
        assert stream.status.state == "refused"
        assert hub.count(hub.path) == 1


@in_loop
async def test_a_hub_of_another_version_is_not_listened_to(transport: TransportName) -> None:
    """R20: no path to something older."""
    hub = ScriptedHub(transport)
    hub.version = 0
    with pytest.raises(UnreadableError):
        async with hub.connect():
            pass


@in_loop
async def test_an_application_that_lags_behind_loses_nothing(transport: TransportName) -> None:
    """The wire is read at once, so that no frame goes stale unread; what does not fit is fetched from history."""
    hub = ScriptedHub(transport)
    hub.limits = {"burst": 10_000, "frame": 1_024, "rate": 1_000}
    async with hub.connect(channels=["a"]) as stream:
        wire = await hub.wire()
        for offset in range(1, 1_301):
            wire.msg("a", offset, offset)
        await hub.until(lambda: stream.stats.verified >= 1_000)
        first = await take(stream, 1_000)
        again = await hub.wire()
        _, done = again.asked["channels"]["a"]
        assert done == 1_000
        for offset in range(done + 1, 1_301):
            again.msg("a", offset, offset, re=True)
        assert first + await take(stream, 300) == [("a", offset, offset) for offset in range(1, 1_301)]
        assert not stream.stats.refused


@in_loop
async def test_a_failed_request_for_a_key_locks_nobody_out(transport: TransportName) -> None:
    """O19, O20: it is asked for again, and the keys that are still good stay good."""
    hub = ScriptedHub(transport, key_ttl_ms=800)
    async with hub.connect(channels=["a"]) as stream:
        wire = await hub.wire()
        failures: list[Answer] = [
            refuse(500),
            httpx2.ReadTimeout("x"),
            respond(b"<html>"),
            refuse(429, retry_after="0"),
        ]
        hub.plan["/keys"].extend(failures)
        await hub.until(lambda: hub.count("/keys") >= 2)
        wire.msg("a", 1, 1)
        assert await take(stream, 1) == [("a", 1, 1)]
        await hub.until(lambda: len(hub.keys) >= 2)
        assert not stream.stats.refused


@in_loop
async def test_channels_come_and_go_while_the_stream_is_open(transport: TransportName) -> None:
    hub = ScriptedHub(transport)
    async with hub.connect(channels=["a"]) as stream:
        wire = await hub.wire()
        hub.offsets["b"] = 4
        await stream.subscribe("b", Position(EPOCH, 3))
        assert {k: hub.up[-1][k] for k in ("t", "ch", "since", "conn")} == {
            "t": "sub", "ch": "b", "since": [EPOCH, 3], "conn": wire.conn,
        }  # fmt: skip
        wire.msg("b", 4, 4, re=True)
        assert await take(stream, 1) == [("b", 4, 4)]
        await stream.unsubscribe("a")
        assert hub.up[-1]["t"] == "unsub"
        wire.msg("a", 1, "too late")
        wire.send("unsubscribed", ch="a", reason="asked")
        wire.msg("b", 5, 5)
        assert await take(stream, 1) == [("b", 5, 5)]
        wire.cut()
        assert set((await hub.wire()).asked["channels"]) == {"b"}


@in_loop
async def test_a_channel_wanted_again_at_once_is_read_from_its_new_place_on(transport: TransportName) -> None:
    """The hub's ``unsubscribed`` may come after its answer to ``unsub``, and after that to the new ``sub``."""
    hub, notices = ScriptedHub(transport), list[Notice]()
    late: list[tuple[str, Any]] = []
    async with hub.connect(channels=["a"], on_notice=notices.append) as stream:
        wire = await hub.wire()
        subscribe = wire.subscribe
        wire.subscribe = lambda *asked: late.append(asked)  # type: ignore[method-assign]
        await stream.unsubscribe("a")
        again = asyncio.create_task(stream.subscribe("a"))
        await hub.until(lambda: bool(late))
        wire.msg("a", 1, "of the old one")
        wire.send("unsubscribed", ch="a", reason="asked")
        subscribe(*late[0])
        wire.msg("a", 2, "of the new one")
        async with asyncio.timeout(10):
            await again
            assert await take(stream, 1) == [("a", 2, "of the new one")]
        assert stream.stats.connections == 1
        assert not any(isinstance(notice, Unsubscribed) for notice in notices)
        wire.cut()
        assert set((await hub.wire()).asked["channels"]) == {"a"}


@in_loop
async def test_what_waits_of_a_channel_is_not_delivered_once_it_is_given_up(transport: TransportName) -> None:
    """Neither publications nor gaps, also where the hub has not answered yet; what waits of others stays."""
    hub, notices = ScriptedHub(transport), list[Notice]()
    async with hub.connect(channels=["a", "b"], on_notice=notices.append) as stream:
        wire = await hub.wire()
        wire.msg("a", 1, 1)
        wire.msg("b", 1, 1)
        wire.send("gap", ch="a", pos=[EPOCH, 3], reason="overflow")
        wire.msg("a", 4, 4)
        wire.msg("b", 2, 2)
        await hub.until(lambda: stream.positions["b"] == Position(EPOCH, 2))
        leaving = asyncio.create_task(stream.unsubscribe("a"))
        await asyncio.sleep(0)
        assert await take(stream, 2) == [("b", 1, 1), ("b", 2, 2)]
        await leaving
        wire.send("unsubscribed", ch="a", reason="asked")
        await stream.subscribe("a")
        wire.msg("a", 5, "of the new one")
        assert await take(stream, 1) == [("a", 5, "of the new one")]
        assert not any(isinstance(notice, Gap) for notice in notices)


@in_loop
async def test_a_channel_may_be_given_up_and_wanted_any_number_of_times(transport: TransportName) -> None:
    hub = ScriptedHub(transport)
    async with hub.connect(channels=["a"]) as stream:
        wire = await hub.wire()
        for _ in range(3):
            await stream.unsubscribe("a")
            assert "a" not in stream.positions
            wire.send("unsubscribed", ch="a", reason="asked")
            await stream.subscribe("a")
        wire.msg("a", 1, 1)
        assert await take(stream, 1) == [("a", 1, 1)]
        assert [up["t"] for up in hub.up if up.get("ch") == "a"][-6:] == ["unsub", "sub"] * 3


@in_loop
async def test_a_new_connection_owes_no_answers_of_the_old_one(transport: TransportName) -> None:
    """The `unsub` is not said again there: the channel was asked for anew, and is wanted."""
    hub = ScriptedHub(transport)
    async with hub.connect(channels=["a"]) as stream:
        wire = await hub.wire()
        hub.plan["/frames"].append(httpx2.ReadError("x"))
        leaving = asyncio.create_task(stream.unsubscribe("a"))
        await hub.until(lambda: "/frames" in hub.asked[-1:])
        again = asyncio.create_task(stream.subscribe("a"))
        await asyncio.sleep(0)
        if transport == "sse":
            wire.cut()
        second = await hub.wire()
        async with asyncio.timeout(10):
            await asyncio.gather(leaving, again)
        second.msg("a", 1, 1)
        assert await take(stream, 1) == [("a", 1, 1)]
        assert [up for up in hub.up if up["t"] == "unsub" and up["conn"] == second.conn] == []


@in_loop
async def test_a_channel_given_up_between_connections_is_not_asked_for_again(transport: TransportName) -> None:
    """And to want what is wanted, or give up what is not, sends nothing."""
    hub = ScriptedHub(transport)
    async with hub.connect(channels=["a", "b"]) as stream:
        wire = await hub.wire()
        del hub.up[:]
        await stream.subscribe("a")
        await stream.unsubscribe("c")
        wire.send("bye", reason="shutdown", retry=100)
        await hub.until(lambda: stream.status.state == "waiting")
        await stream.unsubscribe("b")
        await hub.until(lambda: stream.status.state == "live")
        assert set(stream.positions) == {"a"}
        await stream.publish("a", 1)
        assert {up.get("ch") for up in hub.up} == {"a"}
        assert "unsub" not in {up["t"] for up in hub.up}


@in_loop
async def test_a_channel_wanted_while_the_stream_opens_is_asked_for_on_it() -> None:
    """The request is under way and does not name it: neither forgotten, nor taken for asked."""
    hub, released = ScriptedHub(), asyncio.Event()
    original = hub._stream

    async def slow(body: bytes) -> httpx2.Response:
        answer = await original(body)
        await released.wait()
        return answer

    async with hub.connect(channels=["a"], random=lambda: 0.0) as stream:
        wire = await hub.wire()
        hub._stream = slow  # type: ignore[method-assign]
        wire.cut()
        again = await hub.wire()
        adding = asyncio.create_task(stream.subscribe("b"))
        await asyncio.sleep(0)
        released.set()
        async with asyncio.timeout(10):
            await adding
        assert set(again.asked["channels"]) == {"a"}
        assert [up["ch"] for up in hub.up if up["t"] == "sub"] == ["b"]


@in_loop
async def test_a_refused_channel_is_raised_and_not_asked_for_again(transport: TransportName) -> None:
    hub = ScriptedHub(transport)
    async with hub.connect(channels=["a"]) as stream:
        wire = await hub.wire()
        hub.plan["/frames"].append(refuse(401))
        with pytest.raises(UnauthorizedError):
            await stream.subscribe("secret")
        wire.cut()
        assert set((await hub.wire()).asked["channels"]) == {"a"}


@in_loop
async def test_a_right_that_ends_is_told_and_the_channel_not_asked_for_again(transport: TransportName) -> None:
    hub, notices = ScriptedHub(transport), list[Notice]()
    async with hub.connect(channels=["a", "b"], on_notice=notices.append):
        wire = await hub.wire()
        wire.send("unsubscribed", ch="b", reason="unauthorized")
        wire.cut()
        assert set((await hub.wire()).asked["channels"]) == {"a"}
        assert Unsubscribed("b", "unauthorized") in notices


@in_loop
async def test_a_login_that_ends_is_told_and_no_key_is_asked_for_any_more(transport: TransportName) -> None:
    """PROTOCOL §4, ``lifetime``: after everything the hub sent was taken."""
    hub, notices = ScriptedHub(transport), list[Notice]()
    async with hub.connect(channels=["a"], on_notice=notices.append) as stream:
        wire = await hub.wire()
        wire.msg("a", 1, 1)
        asked = list(hub.asked)
        wire.send("bye", reason="lifetime", retry=1)
        assert await take(stream, 1) == [("a", 1, 1)]
        with pytest.raises(LifetimeError) as caught:
            await anext(stream)
        assert (caught.value.code, caught.value.remedy) == ("JB_LIFETIME", "Log in again.")
        assert stream.status == Status("refused", "JB_LIFETIME", "Log in again.")
        with pytest.raises(LifetimeError):
            await stream.publish("a", 2)
        assert hub.asked == asked


def presence(notices: list[Notice]) -> list[tuple[str, str, str]]:
    return [(type(n).__name__, n.channel, n.subject) for n in notices if isinstance(n, Joined | Left)]


@in_loop
async def test_who_comes_and_goes_is_told_in_turn(transport: TransportName) -> None:
    """PROTOCOL §5: ``subscribed`` starts the list anew; what says nothing, or nothing new, is not told."""
    hub, notices = ScriptedHub(transport), list[Notice]()
    async with hub.connect(channels=["a"], on_notice=notices.append) as stream:
        wire = await hub.wire()
        for kind, who in (("join", "ada"), ("join", "bob"), ("join", "ada"), ("leave", "eve"), ("leave", "bob")):
            wire.send(kind, ch="a", subject=who)
        wire.send("join", ch="a")
        wire.msg("a", 1, 1)
        assert await take(stream, 1) == [("a", 1, 1)]
        assert presence(notices) == [("Joined", "a", "ada"), ("Joined", "a", "bob"), ("Left", "a", "bob")]
        del notices[:]
        wire.cut()
        again = await hub.wire()
        again.send("join", ch="a", subject="eve")
        again.msg("a", 2, 2)
        assert await take(stream, 1) == [("a", 2, 2)]
        assert presence(notices) == [("Left", "a", "ada"), ("Joined", "a", "eve")]
        del notices[:]
        again.send("unsubscribed", ch="a", reason="unauthorized")
        await hub.until(lambda: presence(notices) == [("Left", "a", "eve")])


@in_loop
async def test_an_observer_that_fails_stops_nothing(caplog: pytest.LogCaptureFixture, transport: TransportName) -> None:
    def broken(_: Notice) -> None:
        raise RuntimeError

    hub = ScriptedHub(transport)
    async with hub.connect(channels=["a"], on_notice=broken) as stream:
        (await hub.wire()).msg("a", 1, 1)
        assert await take(stream, 1) == [("a", 1, 1)]
    assert "on_notice failed" in caplog.text


@pytest.mark.parametrize(("skew_ms", "window_ms"), [(5_000, 9_999), (-1, 10_000), (0, 0)])
def test_a_window_under_twice_the_skew_is_refused(skew_ms: int, window_ms: int) -> None:
    """R76."""
    with pytest.raises(ValueError, match="twice"):
        ScriptedHub().connect(skew_ms=skew_ms, replay_window_ms=window_ms)
