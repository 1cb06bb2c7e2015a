"""Keys change under an open stream and nothing is lost, repeated or left unsigned (R2, R7, R50, REQUIREMENTS §2.17)."""

from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from jitterbug.protocol.keys import EphemeralKey
from jitterbug.protocol.position import Position, decode_cursor
from jitterbug.telemetry.events import FactCode
from tests.hub.house import ALICE, BOB, REALTIME, Client, House
from tests.looped import in_loop

SHORT = REALTIME.with_changes(key_ttl_s=5)


def check_keys(client: Client) -> None:
    """Each frame within the life of the key that signed it; the key changes after a ``rekey`` that names the next."""
    for seen in client.seen:
        assert seen.frame["ts"] <= client.keys.keys[seen.kid].expires_at_ms
    for before, after in pairwise(client.seen):
        if before.kid != after.kid:
            assert (before.kind, before.payload["kid"]) == ("rekey", after.kid)


async def confirm(client: Client, key: EphemeralKey) -> None:
    """Show the hub that the client holds a key."""
    client.keys.add(key)
    outcome = await client.send({"t": "confirm"}, key=key)
    assert outcome.code is None


@in_loop
async def test_r50_r2_a_thousand_publications_across_five_rotations_arrive_once_in_order() -> None:
    house = House(SHORT)
    client = await house.reader("a")
    newest, renew_at_ms = client.key, house.clock.now_ms() + 4_000
    sent = 0
    while sent < 1_000:
        await house.publish("a", 2, start=sent)
        sent += 2
        await house.tick()
        if house.clock.now_ms() >= renew_at_ms:
            newest = house.hub.issue_key(ALICE)
            renew_at_ms = house.clock.now_ms() + 4_000
            await confirm(client, newest)
    await house.run_for(1)

    client.check_wire()
    check_keys(client)
    assert client.data() == list(range(1_000))
    assert len({seen.kid for seen in client.seen}) >= 6, "five rotations"
    assert "bye" not in client.kinds()
    assert len(house.told(FactCode.KEY_CONFIRMED)) >= 5


@in_loop
async def test_r50_a_client_that_never_confirms_is_sent_away_in_time_and_resumes_without_loss() -> None:
    house = House(SHORT)
    client = await house.reader("a")
    clients, delivered, sent = [client], list[object](), 0
    while sent < 1_000:
        await house.publish("a", 2, start=sent)
        sent += 2
        await house.tick()
        if client.connection.is_closed:
            client.take()
            since = client.reader.receiver.positions["a"]
            client = house.connect(positions={"a": since})
            clients.append(client)
            await house.hub.subscribe(client.connection, "a", since)
    await house.run_for(2)

    for one in clients:
        one.check_wire()
        check_keys(one)
        delivered += one.data()
        assert one.gaps() == []
    assert [one.of("bye")[0]["reason"] for one in clients[:-1]] == ["key_expired"] * (len(clients) - 1)
    assert len(clients) >= 6
    assert delivered == list(range(1_000))


@given(
    waits_ms=st.lists(st.integers(min_value=0, max_value=4_500), min_size=1, max_size=6),
    stalled=st.booleans(),
)
@settings(max_examples=30)
@in_loop
async def test_r2_whenever_a_key_is_confirmed_the_switch_is_announced_and_clean(
    waits_ms: list[int], stalled: bool
) -> None:
    house = House(SHORT)
    client = await house.reader("a")
    for number, wait_ms in enumerate(waits_ms):
        await house.run_for(wait_ms / 1_000)
        if client.connection.is_ending:
            break
        client.sink.filled_bytes = 70_000 if stalled else 0
        await house.publish("a", 1, start=number)
        await confirm(client, house.hub.issue_key(ALICE))
        await house.tick(2)
        client.sink.release()
        await house.tick()
        assert [said["kid"] for said in client.of("rekey") if "kid" in said][-1] == client.connection.kid
    await house.tick()

    client.check_wire()
    check_keys(client)


@in_loop
async def test_a_hint_comes_once_for_each_key() -> None:
    house = House(SHORT)
    client = await house.reader("a")
    await house.run_for(4.6)
    assert [("by" in hint, "kid" in hint) for hint in client.of("rekey")] == [(True, False)]
    await confirm(client, house.hub.issue_key(ALICE))
    await house.run_for(4.6)

    assert [("by" in hint, "kid" in hint) for hint in client.of("rekey")] == [
        (True, False), (False, True), (True, False),
    ]  # fmt: skip


@in_loop
async def test_confirming_the_key_in_use_changes_nothing() -> None:
    house = House()
    client = await house.reader("a")
    assert (await client.send({"t": "confirm"})).code is None
    await house.settle()

    assert client.kinds() == ["hello", "subscribed"]


@in_loop
async def test_confirming_an_older_key_does_not_switch_back() -> None:
    house = House()
    client = await house.reader("a")
    old = client.key
    house.clock.advance(s=400)
    await confirm(client, house.hub.issue_key(ALICE))
    await house.settle()
    newest = client.connection.kid
    await confirm(client, old)
    await house.settle()

    assert client.connection.kid == newest != old.kid
    assert client.kinds().count("rekey") == 1


@in_loop
async def test_r31_another_sessions_key_confirms_nothing() -> None:
    house = House()
    client = await house.reader("a")
    foreign = house.hub.issue_key(BOB)
    outcome = await client.send({"t": "confirm"}, key=foreign)
    await house.settle()

    assert outcome.code == "unauthorized"
    assert client.kinds() == ["hello", "subscribed"]


@in_loop
async def test_a_confirm_that_comes_after_the_farewell_does_not_bring_the_wire_back() -> None:
    house = House(SHORT)
    client = await house.reader("a")
    client.sink.hold()
    await house.run_for(4.9)
    assert client.connection.is_ending
    await confirm(client, house.hub.issue_key(ALICE))
    await house.tick(2)
    client.sink.release()

    assert client.kinds()[-1] == "bye"


@in_loop
async def test_positions_resume_under_the_next_key_from_a_cursor_as_well() -> None:
    """``Last-Event-ID`` of the last event before the end is enough (PROTOCOL §5)."""
    house = House(SHORT)
    client = await house.reader("a", "b")
    await house.publish("a", 3)
    await house.publish("b", 2)
    await house.run_for(5)
    assert client.connection.is_closed
    await house.publish("a", 4, start=3)
    places = decode_cursor(client.seen[-1].cursor, ["a", "b"])
    again = house.connect(positions=dict[str, Position | None](places))
    for channel, since in places.items():
        await house.hub.subscribe(again.connection, channel, since)
    await house.run_for(1)

    again.check_wire()
    assert again.data("a") == [3, 4, 5, 6]
    assert again.data("b") == []
