"""A session that ends takes its wires with it, and says that it was the session (PROTOCOL §4, ``lifetime``)."""

import pytest

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
