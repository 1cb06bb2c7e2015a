"""Rights that change while a stream is open: revoked readers are cut, the others notice nothing (R17, §2.30)."""

import asyncio

from jitterbug.hub.sessions import Session
from jitterbug.telemetry.events import FactCode
from tests.hub.house import ALICE, BOB, Client, House
from tests.looped import in_loop

MEMBER = Session(ALICE.id, subject="alice", data="member")
FORMER = Session(ALICE.id, subject="alice", data="former member")


def members_only(session: Session, _action: str, _channel: str) -> bool:
    return bool(session.data == "member")


@in_loop
async def test_what_may_not_be_read_any_more_ends_and_the_rest_goes_on() -> None:
    allowed = {"a", "b"}
    house = House(rule=lambda _session, _action, channel: channel in allowed)
    client, second, other = [await house.reader("a", "b", session=who) for who in (ALICE, ALICE, BOB)]
    allowed.discard("a")
    await house.hub.reauthorize(ALICE.id)
    await house.settle()
    await house.publish("a", 1)
    await house.publish("b", 1)
    await house.settle()

    for one in (client, second):
        (ended,) = one.of("unsubscribed")
        assert (ended["ch"], ended["reason"]) == ("a", "unauthorized")
        assert [(item.channel, item.data) for item in one.publications()] == [("b", 0)]
        one.check_wire()
    assert other.of("unsubscribed") == []
    assert {fact.channel for fact in house.told(FactCode.SUBSCRIBE_REFUSED)} == {"a"}


@in_loop
async def test_the_rule_sees_what_the_login_has_become() -> None:
    house = House(rule=lambda session, _action, _channel: session.data == "member")
    member = Session(ALICE.id, subject="alice", data="member")
    client = await house.reader("a", session=member)
    await house.hub.reauthorize(ALICE.id, Session(ALICE.id, subject="alice", data="former member"))
    await house.settle()

    assert [payload["ch"] for payload in client.of("unsubscribed")] == ["a"]
    assert not await house.hub.subscribe(client.connection, "a")


@in_loop
async def test_a_rule_that_is_being_asked_while_the_login_changes_is_asked_again() -> None:
    """The old verdict must not let in whom the new one keeps out."""
    asked = asyncio.Event()
    go_on = asyncio.Event()
    rights = [True]

    async def rule(_session: Session, _action: str, _channel: str) -> bool:
        verdict = rights[0]
        asked.set()
        await go_on.wait()
        return verdict

    house = House(rule=rule)
    client = house.connect()
    subscribing = asyncio.ensure_future(house.hub.subscribe(client.connection, "a"))
    await asked.wait()
    rights[0] = False
    await house.hub.reauthorize(ALICE.id)
    go_on.set()

    assert not await subscribing
    assert len(house.hub.channels) == 0


@in_loop
async def test_nobody_is_asked_about_who_is_not_there() -> None:
    house = House(rule=lambda *_: False)
    await house.hub.reauthorize("nobody-0123456789abcdef")
    assert house.facts == []


@in_loop
async def test_a_request_that_was_under_way_opens_with_what_the_login_has_become() -> None:
    """Its body may come ten seconds after its session was resolved; the change found no wire to tell."""
    house = House(rule=members_only)
    await house.hub.reauthorize(MEMBER.id, FORMER)
    client = house.connect(MEMBER)

    assert client.connection.session is FORMER
    assert not await house.hub.subscribe(client.connection, "a")


@in_loop
async def test_the_last_change_counts() -> None:
    house = House(rule=members_only)
    await house.hub.reauthorize(MEMBER.id, FORMER)
    await house.hub.reauthorize(MEMBER.id, MEMBER)

    assert await house.hub.subscribe(house.connect(FORMER).connection, "a")


@in_loop
async def test_a_change_is_kept_as_long_as_a_key_from_before_it_could_live_and_no_longer() -> None:
    house = House(rule=members_only)
    await house.hub.reauthorize(MEMBER.id, FORMER)
    house.clock.advance(ms=round(house.config.key_ttl_s * 1_000) + house.config.skew_ms)
    assert house.connect(MEMBER).connection.session is FORMER
    house.clock.advance(ms=1)
    assert house.connect(MEMBER).connection.session is MEMBER
    assert len(house.hub._changes) == 0


@in_loop
async def test_every_wire_has_changed_before_the_first_rule_is_asked() -> None:
    """Else the second one could subscribe under the old rights while the first one's rule takes its time."""
    second_wire: list[Client] = []
    found: list[bool] = []

    async def rule(session: Session, _action: str, channel: str) -> bool:
        if session is FORMER and channel == "a" and not found:
            found.append(True)
            found.append(await house.hub.subscribe(second_wire[0].connection, "b"))
        return session.data == "member"

    house = House(rule=rule)
    await house.reader("a", session=MEMBER)
    second_wire.append(house.connect(MEMBER))
    await house.hub.reauthorize(MEMBER.id, FORMER)

    assert found == [True, False]


@in_loop
async def test_a_confirmed_key_brings_the_login_up_to_date() -> None:
    """An application that never calls reauthorize: no wire keeps old rights longer than a key lives."""
    house = House(rule=members_only)
    client = await house.reader("a", session=MEMBER)
    client.session = FORMER
    outcome = await client.send({"t": "confirm"}, key=house.hub.issue_key(FORMER))
    await house.settle()

    assert outcome.code is None
    assert [payload["ch"] for payload in client.of("unsubscribed")] == ["a"]


@in_loop
async def test_a_confirmed_key_does_not_bring_back_what_a_change_took() -> None:
    house = House(rule=members_only)
    client = house.connect(MEMBER)
    await house.hub.reauthorize(MEMBER.id, FORMER)
    client.session = MEMBER
    await client.send({"t": "confirm"}, key=house.hub.issue_key(MEMBER))

    assert client.connection.session is FORMER
