"""A frame that confirms a key: which key takes over, and whose login is looked at again (PROTOCOL §5, R2, R50)."""

import operator
from collections.abc import Callable

import pytest

from jitterbug.hub.sessions import Session
from jitterbug.hub.upstream import Outcome
from jitterbug.protocol.keys import EphemeralKey
from jitterbug.telemetry.events import FactCode
from tests.hub.house import ALICE, Client, House
from tests.looped import in_loop

FORMER = Session(ALICE.id, subject="alice", data="former")
ORDERS = [operator.lt, operator.gt]


def key_whose_name(compares: Callable[[str, str], bool], client: Client) -> EphemeralKey:
    """A new key whose id stands before or after that of the key in use: what decides is that it is another."""
    return next(
        key for key in (client.house.hub.issue_key(ALICE) for _ in range(1_000)) if compares(key.kid, client.key.kid)
    )


async def confirm(client: Client, key: EphemeralKey) -> None:
    """Show the hub that the client holds a key."""
    client.keys.add(key)
    assert await client.send({"t": "confirm", "id": "i"}, key=key) == Outcome(id="i")
    await client.house.settle()


@pytest.mark.parametrize("compares", ORDERS)
@pytest.mark.parametrize("later_ms", [0, 1, 60_000])
@in_loop
async def test_r50_another_key_that_ends_no_sooner_takes_over(
    compares: Callable[[str, str], bool], later_ms: int
) -> None:
    """R2: ``rekey`` names it, it signs what follows, and the fact is told once."""
    house = House()
    client = await house.reader("a")
    house.clock.advance(ms=later_ms)
    key = key_whose_name(compares, client)
    assert key.expires_at_ms == client.key.expires_at_ms + later_ms
    await confirm(client, key)
    await house.publish("a", 1)
    await house.settle()

    client.check_wire()
    assert [seen.kid for seen in client.seen] == [client.key.kid] * 3 + [key.kid]
    assert (client.of("rekey")[0]["kid"], client.connection.kid) == (key.kid, key.kid)
    assert client.connection.key_expires_at_ms == key.expires_at_ms
    (fact,) = house.told(FactCode.KEY_CONFIRMED)
    assert fact.conn == client.connection.conn


@pytest.mark.parametrize("compares", ORDERS)
@in_loop
async def test_a_key_that_ends_sooner_does_not_take_over(compares: Callable[[str, str], bool]) -> None:
    """Be it by a millisecond: confirmations may overtake each other, and the newest key stays."""
    house = House()
    now_ms = house.clock.now_ms()
    client = house.connect(ALICE, house.hub.issue_key(ALICE, now_ms + 1))
    await house.settle()
    await confirm(client, key_whose_name(compares, client))

    assert client.connection.kid == client.key.kid
    assert client.connection.key_expires_at_ms == client.key.expires_at_ms
    assert client.kinds() == ["hello"]
    assert house.told(FactCode.KEY_CONFIRMED) == []


@in_loop
async def test_the_key_in_use_is_confirmed_without_any_change() -> None:
    house = House()
    client = await house.reader()
    await confirm(client, client.key)

    assert client.kinds() == ["hello"]
    assert house.told(FactCode.KEY_CONFIRMED) == []


@pytest.mark.parametrize("kind", ["sub", "unsub", "pub", "confirm", "report", "ping"])
@in_loop
async def test_of_all_frames_confirm_alone_looks_at_the_login_again(kind: str) -> None:
    """It comes as often as keys change; to look at every frame would cost every frame, and to look at none nothing."""
    house = House()
    client = await house.reader()
    client.session = FORMER
    assert (await client.send({"t": kind, "ch": "b", "data": 1, "kind": "gap"})).code is None

    assert client.connection.session is (FORMER if kind == "confirm" else ALICE)
