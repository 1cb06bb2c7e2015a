"""A session that ends takes its wires with it, and says that it was the session (PROTOCOL §4, ``lifetime``)."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jitterbug.config import Config
from jitterbug.hub.sessions import Session
from tests.hub.house import ALICE, House
from tests.looped import in_loop


def ending_in(house: House, seconds: float) -> Session:
    return Session(ALICE.id, subject="alice", expires_at=house.clock.now_ms() / 1_000 + seconds)


@pytest.mark.parametrize(("session_s", "reason"), [(30.0, "lifetime"), (60.0, "lifetime"), (60.5, "key_expired")])
@in_loop
async def test_the_last_key_of_a_session_ends_with_lifetime_and_any_other_with_key_expired(
    session_s: float, reason: str
) -> None:
    """Signed by the key it ends with, and before that key is over."""
    house = House(Config(key_ttl_s=60))
    client = await house.reader("a", session=ending_in(house, session_s))
    await house.run_for(61)

    assert [payload["reason"] for payload in client.of("bye")] == [reason]
    assert any("by" in payload for payload in client.of("rekey")) == (reason == "key_expired")
    client.check_wire()


@in_loop
async def test_a_session_that_was_prolonged_goes_on_under_its_next_key() -> None:
    house = House(Config(key_ttl_s=60))
    client = await house.reader("a", session=ending_in(house, 60))
    await house.run_for(48)
    client.session = ending_in(house, 600)
    key = house.hub.issue_key(client.session)
    client.keys.add(key)
    await client.send({"t": "confirm"}, key=key)
    await house.run_for(50)

    assert client.of("bye") == []
    await house.run_for(11)
    assert [payload["reason"] for payload in client.of("bye")] == ["key_expired"]


@in_loop
async def test_a_session_whose_end_comes_nearer_is_sent_nothing_past_it() -> None:
    house = House(Config(key_ttl_s=600))
    client = await house.reader("a", session=ending_in(house, 600))
    end = ending_in(house, 40)
    await house.hub.reauthorize(end.id, end)
    await house.run_for(30)
    assert client.of("bye") == []
    await house.run_for(15)

    assert [payload["reason"] for payload in client.of("bye")] == ["lifetime"]
    assert all(seen.at_ms <= (end.expires_at or 0) * 1_000 for seen in client.seen)


@given(
    first_s=st.floats(min_value=0, max_value=31),
    left_s=st.lists(st.floats(min_value=0.2, max_value=20), min_size=1, max_size=4),
)
@settings(max_examples=40)
@in_loop
async def test_however_near_the_end_of_a_session_moves_bye_leaves_before_it(
    first_s: float, left_s: list[float]
) -> None:
    """And not much earlier, though nobody would have looked at the wire before its next heartbeat."""
    house = House(Config(key_ttl_s=600))
    client = await house.reader("a", session=ending_in(house, 600))
    await house.run_for(first_s)
    end = ending_in(house, 600)
    for seconds in sorted(left_s, reverse=True):
        end = ending_in(house, seconds)
        await house.hub.reauthorize(end.id, end)
    await house.run_for(21)

    assert [payload["reason"] for payload in client.of("bye")] == ["lifetime"]
    early_ms = (end.expires_at or 0) * 1_000 - client.seen[-1].at_ms
    assert 0 <= early_ms <= 5_100
    client.check_wire()


@in_loop
async def test_a_session_whose_end_moves_all_the_time_is_looked_at_no_more_often() -> None:
    """Heartbeats keep their interval, and the wheel holds one entry a wire once the old ones are through."""
    house = House(Config(key_ttl_s=600))
    client = await house.reader("a", session=ending_in(house, 600))
    for moves in range(100):
        end = ending_in(house, 500 - moves)
        await house.hub.reauthorize(end.id, end)
        await house.tick(3)
    await house.run_for(46)

    assert len(house.hub._tick._deadlines) == 1
    assert len(client.of("hb")) == 4
    client.check_wire()


@in_loop
async def test_a_key_made_before_its_session_was_shortened_signs_nothing_past_the_new_end() -> None:
    """Neither on a wire that is opened with it, nor on one that switches to it."""
    house = House(Config(key_ttl_s=600))
    old = ending_in(house, 600)
    client = await house.reader("a", session=old)
    later = house.hub.issue_key(old)
    end = ending_in(house, 40)
    await house.hub.reauthorize(end.id, end)
    client.keys.add(later)
    await client.send({"t": "confirm"}, key=later)
    opened = house.connect(old, key=later)
    await house.run_for(45)

    for each in (client, opened):
        assert [payload["reason"] for payload in each.of("bye")] == ["lifetime"]
        assert all(seen.at_ms <= (end.expires_at or 0) * 1_000 for seen in each.seen)
        each.check_wire()
