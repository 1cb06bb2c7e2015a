"""Who is here: told to each reader once, never lost, never more than there is room for (PROTOCOL §4)."""

import random
from collections.abc import Iterable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jitterbug.config import Config
from jitterbug.errors import SettingError
from jitterbug.hub.presence import GRACE_S, MAX_MEMBERS, Presence, is_subject
from jitterbug.hub.sessions import Session
from tests.hub.house import ALICE, BOB, REALTIME, Client, House
from tests.looped import in_loop

ROOMS = REALTIME.with_changes(presence=("room/*",))
NS_PER_S = 1_000_000_000


def seen_by(client: Client, channel: str = "room/1") -> set[str]:
    """Whom a client takes for present, by the frames it got; each join and leave must change something."""
    here: set[str] = set()
    for seen in client.seen:
        payload = seen.payload
        if payload.get("ch") == channel and seen.kind in {"join", "leave"}:
            assert (payload["subject"] in here) is (seen.kind == "leave")
            (here.add if seen.kind == "join" else here.discard)(payload["subject"])
        if payload.get("ch") == channel and seen.kind == "subscribed":
            here.clear()
    return here


@in_loop
async def test_a_new_reader_is_told_who_is_there_and_the_others_of_the_new_one() -> None:
    house = House(ROOMS)
    alice = await house.reader("room/1", session=ALICE)
    assert seen_by(alice) == {"alice"}
    bob = await house.reader("room/1", session=BOB)

    assert seen_by(bob) == {"alice", "bob"}
    assert seen_by(alice) == {"alice", "bob"}
    assert house.hub.presence.members("room/1") == ["alice", "bob"]
    assert house.hub.activity()["users"] == 2
    alice.check_wire()
    bob.check_wire()


@in_loop
async def test_one_that_goes_is_told_after_a_while_and_one_that_comes_back_is_not() -> None:
    house = House(ROOMS)
    alice = await house.reader("room/1", session=ALICE)
    bob = await house.reader("room/1", session=BOB)
    house.hub.close(bob.connection, "gone")
    await house.run_for(GRACE_S - 0.1)
    again = await house.reader("room/1", session=BOB)
    await house.run_for(GRACE_S + 1)
    assert [payload["subject"] for payload in alice.of("leave")] == []

    house.hub.unsubscribe(again.connection, "room/1", "asked")
    await house.run_for(GRACE_S - 0.1)
    assert alice.of("leave") == []
    await house.run_for(0.2)
    assert [payload["subject"] for payload in alice.of("leave")] == ["bob"]
    assert seen_by(alice) == {"alice"}
    assert again.of("leave") == []


@in_loop
async def test_several_tabs_are_one_member() -> None:
    house = House(ROOMS)
    alice = await house.reader("room/1", session=ALICE)
    tabs = [await house.reader("room/1", session=BOB) for _ in range(3)]
    for tab in tabs[:2]:
        house.hub.close(tab.connection, "gone")
    await house.run_for(GRACE_S + 1)

    assert [payload["subject"] for payload in alice.of("join")] == ["alice", "bob"]
    assert alice.of("leave") == []


@in_loop
async def test_other_channels_and_nameless_readers_tell_nobody() -> None:
    house = House(ROOMS)
    nameless = Session("nameless-0123456789abcdef0123456789")
    alice = await house.reader("room/1", "hall", session=ALICE)
    other = await house.reader("room/1", "hall", session=nameless)

    assert [payload["ch"] for payload in alice.of("join")] == ["room/1"]
    assert seen_by(other) == {"alice"}
    assert house.hub.presence.members("hall") == []


@in_loop
async def test_a_room_that_is_full_tells_no_more_and_counts_nobody_out_wrongly() -> None:
    house = House(ROOMS)
    readers = [
        await house.reader("room/1", session=Session(f"session-{n:03}-0123456789abcdef", subject=f"user-{n:03}"))
        for n in range(MAX_MEMBERS + 3)
    ]
    assert len(house.hub.presence.members("room/1")) == MAX_MEMBERS
    for client in readers[-3:]:
        house.hub.close(client.connection, "gone")
    await house.run_for(GRACE_S + 1)
    assert len(house.hub.presence.members("room/1")) == MAX_MEMBERS
    for client in readers:
        house.hub.close(client.connection, "gone")
    await house.run_for(GRACE_S + 1)
    assert house.hub.presence.members("room/1") == []
    assert house.hub.presence._members == {}


@in_loop
async def test_one_that_came_and_went_before_it_could_be_told_is_not_told() -> None:
    """Bounded: what waits is at most one change a member."""
    house = House(ROOMS)
    alice = await house.reader("room/1", session=ALICE)
    alice.connection._bucket.spend(200, house.clock.monotonic_ns())  # no token left
    bob = await house.reader("room/1", session=BOB)
    assert alice.connection.unannounced == 1
    house.hub.close(bob.connection, "gone")
    house.clock.advance(s=GRACE_S)
    house.hub._step(house.clock.monotonic_ns())
    assert alice.connection.unannounced == 0


@in_loop
async def test_what_is_said_goes_before_who_is_there() -> None:
    """join and leave take tokens like msg, and wait for it."""
    house = House(Config(presence=("room/*",)))
    alice = await house.reader("room/1", session=ALICE)
    await house.publish("room/1", 30)
    bob = await house.reader("room/1", session=BOB)
    await house.run_for(60)

    kinds = [kind for kind in alice.kinds() if kind in {"msg", "join"}]
    assert kinds == ["join", *["msg"] * 30, "join"]
    assert seen_by(alice) == {"alice", "bob"}
    bob.check_wire()


@given(
    moves=st.lists(
        st.tuples(st.sampled_from(["open", "close", "unsubscribe", "wait"]), st.integers(0, 3), st.integers(1, 8)),
        max_size=25,
    )
)
@settings(max_examples=60)
@in_loop
async def test_what_every_reader_takes_for_present_is_who_is_there(moves: list[tuple[str, int, int]]) -> None:
    """Whatever comes and goes, once all has been told each reader knows the members, and nothing is left at the end."""
    house = House(ROOMS)
    people = [Session(f"session-{n}-0123456789abcdef", subject=f"user-{n}") for n in range(4)]
    clients: list[Client] = []

    def reading() -> Iterable[Client]:
        return [client for client in clients if "room/1" in client.connection.places]

    for move, who, wait_s in moves:
        mine = [client for client in reading() if client.session is people[who]]
        if move == "open":
            clients.append(await house.reader("room/1", session=people[who]))
        elif move == "close" and mine:
            house.hub.close(random.choice(mine).connection, "gone")
        elif move == "unsubscribe" and mine:
            house.hub.unsubscribe(mine[0].connection, "room/1", "asked")
        else:
            await house.run_for(wait_s)
    await house.run_for(GRACE_S + 2)
    there = {client.session.subject for client in reading()}
    assert set(house.hub.presence.members("room/1")) == there
    for client in reading():
        assert seen_by(client) == there
        client.check_wire()
    for client in clients:
        house.hub.close(client.connection, "gone")
    await house.run_for(GRACE_S + 1)
    assert (house.hub.presence._members, dict(house.hub.presence._leaving)) == ({}, {})


@pytest.mark.parametrize("subject", [None, "", "x" * 129, "😀" * 65, "a\nb", "\ud800"])
def test_what_cannot_be_shown_is_no_subject(subject: str | None) -> None:
    """A join must fit the smallest frame limit, whatever an application calls its users."""
    assert not is_subject(subject)


def test_subjects_are_names() -> None:
    assert is_subject("ann@example.com")
    assert is_subject("Zoë Müller")


def test_a_bad_pattern_is_named_before_the_hub_starts() -> None:
    with pytest.raises(SettingError, match="PRESENCE"):
        Config(presence=("room/ *",))
    with pytest.raises(ValueError, match="pattern"):
        Presence(["a b"])
