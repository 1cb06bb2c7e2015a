"""Frames that come up on a wire, and what each costs it: one token of its own bucket (R51, R54, PROTOCOL §4)."""

import asyncio
import os
from collections.abc import Callable
from dataclasses import FrozenInstanceError

import pytest

from jitterbug.hub.connection import Connection
from jitterbug.hub.limits import InboundLimiter
from jitterbug.hub.sessions import Session
from jitterbug.hub.upstream import Outcome
from jitterbug.protocol import canonical
from jitterbug.protocol.codes import ErrorCode, Refusal
from jitterbug.protocol.signing import FrameSigner
from jitterbug.telemetry.events import FactCode
from jitterbug.testing import ManualClock
from tests.hub.house import ALICE, BOB, Client, House
from tests.hub.slow_store import SlowStore
from tests.looped import in_loop

UNAUTHORIZED = Outcome(ErrorCode.UNAUTHORIZED)
LIMITED = ErrorCode.RATE_LIMITED


def ping(client: Client) -> bytes:
    """A frame that is right in every way."""
    return client.sign({"t": "ping", "conn": client.connection.conn})


def with_bad_signature(client: Client) -> bytes:
    return canonical.encode({**canonical.decode(ping(client)), "ts": client.house.clock.now_ms() + 1})


def under_no_key(client: Client) -> bytes:
    payload = {"t": "ping", "conn": client.connection.conn}
    return FrameSigner("A" * 52, os.urandom(32)).sign(payload, client.house.clock.now_ms())


def stale(client: Client) -> bytes:
    return client.sign({"t": "ping", "conn": client.connection.conn}, now_ms=client.house.clock.now_ms() - 6_000)


FRAMES: dict[Refusal, Callable[[Client], bytes]] = {
    Refusal.SIZE: lambda _: b"x" * 1_025,
    Refusal.GRAMMAR: lambda _: b"{}",
    Refusal.KEY: under_no_key,
    Refusal.STALE: stale,
    Refusal.SIGNATURE: with_bad_signature,
}
"""What is refused before anything is claimed, each in its own way."""


async def on_wire(client: Client, frame: bytes, wire: Connection | None = None) -> Outcome:
    """Send bytes up a WebSocket, the client's own unless another is named."""
    return await client.house.upstream.handle(client.session, frame, wire=wire or client.connection)


@pytest.mark.parametrize("reason", FRAMES)
@pytest.mark.parametrize("by_http", [False, True], ids=["wire", "HTTP"])
@in_loop
async def test_r51_a_refused_frame_costs_one_token_like_any_other(reason: Refusal, by_http: bool) -> None:
    """Ten of them, then a refusal that is told as such; and the next wait is twice as long."""
    house = House()
    client = await house.reader()
    house.facts.clear()
    wire = None if by_http else client.connection
    outcomes = [await house.upstream.handle(ALICE, FRAMES[reason](client), wire=wire) for _ in range(12)]

    assert LIMITED not in {outcome.code for outcome in outcomes[:10]}
    assert outcomes[10:] == [Outcome(LIMITED, retry_after_s=1), Outcome(LIMITED, retry_after_s=2)]
    assert [(fact.code, fact.reason) for fact in house.facts] == [
        *[(FactCode.FRAME_REFUSED, reason)] * 10, *[(FactCode.RATE_LIMITED, Refusal.RATE)] * 2,
    ]  # fmt: skip


@pytest.mark.parametrize("reason", [Refusal.SIZE, Refusal.GRAMMAR])
@in_loop
async def test_r54_nonsense_on_a_wire_counts_against_that_wire_until_it_is_sent_away(reason: Refusal) -> None:
    """And against no other wire of the login, nor against its frames by HTTP that name none."""
    house = House()
    client, sibling = await house.reader(), await house.reader()
    for _ in range(20):
        await on_wire(client, FRAMES[reason](client))
        await house.settle()
    assert client.kinds() == ["hello"]
    await on_wire(client, FRAMES[reason](client))
    await house.settle()

    assert client.kinds() == ["hello", "bye"]
    assert client.of("bye")[0]["reason"] == "rate"
    assert (await on_wire(sibling, ping(sibling))).code is None
    assert (await house.upstream.handle(ALICE, b"{}")).code == ErrorCode.INVALID


@in_loop
async def test_r54_a_wire_that_met_its_limit_is_marked_and_one_that_did_not_is_not() -> None:
    """What ``$sys/activity`` counts as limited."""
    house = House()
    client = await house.reader()
    for _ in range(10):
        await on_wire(client, ping(client))
    assert client.connection.limited_at_ns is None
    house.clock.advance(ms=1)
    await on_wire(client, ping(client))

    assert client.connection.limited_at_ns == house.clock.monotonic_ns()


@in_loop
async def test_a_frame_on_a_wire_must_name_that_wire() -> None:
    """By HTTP it may name any of the login's; on a wire, a sibling's name is as good as a stranger's."""
    house = House()
    client, sibling, stranger = await house.reader(), await house.reader(), await house.reader(session=BOB)
    for named in (sibling, stranger):
        frame = client.sign({"t": "ping", "id": "i", "conn": named.connection.conn})
        assert await on_wire(client, frame) == Outcome(ErrorCode.UNAUTHORIZED, "i")
        assert house.facts[-1].reason == Refusal.TYPE
    assert await on_wire(client, ping(client)) == Outcome()
    assert await house.upstream.handle(ALICE, ping(sibling)) == Outcome()


@in_loop
async def test_r51_a_wire_pays_for_what_comes_on_it_whatever_it_names() -> None:
    house = House()
    client, sibling = await house.reader(), await house.reader()
    codes = [(await on_wire(client, ping(sibling))).code for _ in range(11)]

    assert codes == [ErrorCode.UNAUTHORIZED] * 10 + [LIMITED]
    assert (await on_wire(client, ping(client))).code == LIMITED
    assert (await on_wire(sibling, ping(sibling))).code is None


@in_loop
async def test_r51_strays_of_ten_thousand_sessions_are_remembered() -> None:
    """The oldest of one more is forgotten, no other."""
    house = House()
    strays = house.upstream._strays
    strays.update((f"before-{number}", InboundLimiter(10, 1.0)) for number in range(9_999))
    await house.upstream.handle(Session("one"), b"{}")
    assert (len(strays), next(iter(strays))) == (10_000, "before-0")
    await house.upstream.handle(Session("two"), b"{}")

    assert (len(strays), next(iter(strays))) == (10_000, "before-1")
    assert list(strays)[-2:] == ["one", "two"]


@in_loop
async def test_unsub_ends_a_subscription_that_is_only_beginning() -> None:
    """The store has not answered yet; what it answers then is nobody's any more."""
    clock = ManualClock()
    store = SlowStore(clock)
    house = House(store=store, clock=clock)
    client = await house.reader()
    store.may_read.clear()
    joining = asyncio.create_task(client.send({"t": "sub", "ch": "a"}))
    await house.settle()
    assert "a" in client.connection.joining
    assert await client.send({"t": "unsub", "id": "i", "ch": "a"}) == Outcome(id="i")
    store.may_read.set()
    await joining
    await house.publish("a", 1)
    await house.settle()

    assert client.data() == []
    assert "a" not in client.connection.places


@in_loop
async def test_r12_a_hub_that_is_not_fit_gives_back_an_id_that_is_one_and_no_other(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """And says nothing in the log a second time: what is not fit is there already."""
    house = House()
    client = await house.reader()
    house.hub.require(lambda: False)

    assert await client.send({"t": "ping", "id": "i"}) == Outcome(ErrorCode.INTERNAL, "i")
    assert await client.send({"t": "ping", "id": "x" * 65}) == Outcome(ErrorCode.INTERNAL)
    assert "The store failed" not in caplog.text


@pytest.mark.parametrize(("count", "counts"), [(1, True), (1_000_000, True), (0, False), (1_000_001, False)])
@in_loop
async def test_r78_a_report_counts_from_one_to_a_million(count: int, counts: bool) -> None:
    house = House()
    client = await house.reader()
    outcome = await client.send({"t": "report", "kind": "gap", "count": count})

    assert outcome.code is (None if counts else ErrorCode.INVALID)
    assert [fact.count for fact in house.told(FactCode.CLIENT_REPORT)] == [count] * counts


def test_an_outcome_that_says_nothing_else_is_done_and_stays_so() -> None:
    """What is told to a peer is decided once."""
    outcome = Outcome()

    assert outcome == Outcome(None, None, None, None, too_large=False, malformed=False)
    with pytest.raises(FrozenInstanceError):
        outcome.code = ErrorCode.INTERNAL  # type: ignore[misc]
    assert not hasattr(outcome, "__dict__"), "one is made for every frame: it has no room for more"
