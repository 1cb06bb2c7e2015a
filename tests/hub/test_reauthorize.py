"""Rights that change while a stream is open: revoked readers are cut, the others notice nothing (R17, §2.30)."""

import asyncio

from jitterbug.hub.sessions import Session
from jitterbug.telemetry.events import FactCode
from tests.hub.house import ALICE, BOB, House
from tests.looped import in_loop


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
