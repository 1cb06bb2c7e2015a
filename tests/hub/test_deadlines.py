"""What comes due on an open wire: heartbeat, the end of its key, a reader that takes nothing (PROTOCOL §2, §4, §5)."""

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jitterbug.config import Config
from jitterbug.hub.sessions import Session
from jitterbug.protocol.codes import ByeReason
from jitterbug.telemetry.events import FactCode
from tests.hub.house import FULL_WIRE_BYTES, House
from tests.looped import in_loop


def times_of(kind: str, house: House) -> list[int]:
    """When the first client took frames of a type, in milliseconds since the start."""
    seen = house.clients[0].seen
    return [one.at_ms - seen[0].at_ms for one in seen if one.kind == kind]


@given(heartbeat_s=st.one_of(st.just(15.0), st.floats(min_value=0.1, max_value=60)))
@settings(max_examples=15)
@in_loop
async def test_a_heartbeat_comes_every_interval_within_a_tick(heartbeat_s: float) -> None:
    house = House(Config(heartbeat_s=heartbeat_s))
    client = await house.reader()
    await house.tick(round(5 * heartbeat_s / 0.05) + 10)

    client.check_wire()
    came = [0, *times_of("hb", house)]
    assert len(came) >= 4
    pauses_ms = [later - earlier for earlier, later in pairwise(came)]
    assert all(heartbeat_s * 1_000 - 50 <= pause <= heartbeat_s * 1_000 + 100 for pause in pauses_ms), pauses_ms
    assert all(one.payload["serverTime"] == one.at_ms for one in client.seen if one.kind == "hb")


@in_loop
async def test_traffic_does_not_push_the_heartbeat_away() -> None:
    house = House()
    client = await house.reader("a")
    for second in range(60):
        await house.publish("a", 1, start=second)
        await house.run_for(1)

    client.check_wire()
    assert len(times_of("hb", house)) == 3


@given(
    heartbeat_s=st.sampled_from([0.1, 1.0, 15.0, 30.0, 60.0]),
    read_for_s=st.integers(min_value=0, max_value=40),
)
@settings(max_examples=15)
@in_loop
async def test_r57_a_reader_that_takes_nothing_for_thirty_seconds_is_cut_as_slow(
    heartbeat_s: float, read_for_s: int
) -> None:
    house = House(Config(heartbeat_s=heartbeat_s))
    slow, other = await house.reader("a"), await house.reader("a")
    await house.run_for(read_for_s)
    slow.sink.filled_bytes = FULL_WIRE_BYTES
    await house.publish("a", 200)
    await house.run_for(29)
    assert (slow.sink.is_aborted, slow.connection.is_closed) == (False, False)

    await house.run_for(17)
    assert (slow.sink.is_aborted, slow.connection.is_closed) == (True, True)
    assert [fact.reason for fact in house.told(FactCode.CONNECTION_CLOSED)] == [ByeReason.SLOW]
    assert not other.connection.is_closed
    other.check_wire()


@in_loop
async def test_a_reader_that_keeps_taking_is_not_cut() -> None:
    house = House()
    client = await house.reader("a")
    client.sink.filled_bytes = FULL_WIRE_BYTES
    for _ in range(300):
        client.sink.filled_bytes -= 1
        await house.run_for(1)

    assert not client.connection.is_closed


@given(
    key_ttl_s=st.one_of(st.floats(min_value=1, max_value=3), st.floats(min_value=1, max_value=700)),
    tick_ms=st.sampled_from([1, 50, 300, 1_000]),
    opened_after_ms=st.integers(min_value=0, max_value=1_000),
)
@settings(max_examples=50)
@in_loop
async def test_r38_r50_without_a_new_key_the_wire_ends_with_bye_before_the_old_one_does(
    key_ttl_s: float, tick_ms: int, opened_after_ms: int
) -> None:
    house = House(Config(key_ttl_s=key_ttl_s, tick_ms=max(tick_ms, min(1_000, int(key_ttl_s * 3)))))
    house.clock.advance(ms=opened_after_ms)
    client = await house.reader("a")
    expires_at_ms = client.key.expires_at_ms
    await house.run_for(key_ttl_s + 10)

    client.check_wire()
    last = client.seen[-1]
    assert (last.kind, last.payload["reason"]) == ("bye", "key_expired")
    assert last.at_ms <= expires_at_ms
    assert last.at_ms >= expires_at_ms - max(5_000, 2 * house.config.tick_ms) - 2, "and not much earlier"
    assert 250 <= last.payload["retry"] <= 2_000
    assert client.sink.is_ended
    assert client.connection.is_closed
    assert len(house.told(FactCode.KEY_EXPIRED)) == 1


@in_loop
async def test_a_key_near_its_end_is_hinted_at_once_with_the_time_to_renew_by() -> None:
    house = House()
    client = await house.reader()
    opened_ms = house.clock.now_ms()
    await house.run_for(539)
    assert client.of("rekey") == []
    await house.run_for(55)

    (hint,) = client.of("rekey")
    assert "kid" not in hint
    assert hint["by"] == client.key.expires_at_ms - 5_000
    (came_ms,) = times_of("rekey", house)
    assert came_ms == pytest.approx(540_000, abs=100), f"90 % of the life after {opened_ms}"


@in_loop
async def test_a_wire_opened_with_little_left_of_its_key_is_told_at_once() -> None:
    house = House()
    key = house.hub.issue_key(house.connect().session)
    await house.run_for(550)
    client = house.connect(key=key)
    await house.tick(2)

    assert client.kinds() == ["hello", "rekey"]


@in_loop
async def test_a_key_does_not_outlive_its_session_and_neither_does_the_wire() -> None:
    house = House()
    ends_s = house.clock.now_ms() / 1_000 + 20
    client = house.connect(Session("a session that ends", expires_at=ends_s))
    assert client.key.expires_at_ms == int(ends_s * 1_000)
    await house.run_for(21)

    client.check_wire()
    assert client.of("bye")[0]["reason"] == "lifetime"
    assert client.seen[-1].at_ms <= ends_s * 1_000


@in_loop
async def test_a_process_that_slept_past_the_keys_end_ends_the_wire_and_signs_nothing() -> None:
    house = House()
    client = await house.reader("a")
    house.clock.advance(s=3_600)
    await house.publish("a", 1)
    await house.tick(2)

    assert client.kinds() == ["hello", "subscribed"]
    assert client.sink.is_ended
    assert client.connection.is_closed


@in_loop
async def test_a_wall_clock_set_forward_past_the_keys_end_ends_the_wire_by_the_next_heartbeat() -> None:
    house = House()
    client = await house.reader("a")
    await house.run_for(1)
    house.clock.step_wall(700_000)
    await house.run_for(15)

    assert client.sink.is_ended
    assert set(client.kinds()) == {"hello", "subscribed"}


@in_loop
async def test_a_wall_clock_set_back_neither_ends_nor_silences_a_wire() -> None:
    house = House()
    client = await house.reader("a")
    house.clock.step_wall(-3_600_000)
    await house.publish("a", 1)
    await house.run_for(31)

    client.check_wire()
    assert client.kinds() == ["hello", "subscribed", "msg", "hb", "hb"]


@in_loop
async def test_a_farewell_nobody_takes_is_followed_by_the_cut() -> None:
    house = House()
    client = await house.reader("a")
    client.sink.filled_bytes = FULL_WIRE_BYTES
    house.hub.bye(client.connection, ByeReason.SHUTDOWN)
    await house.run_for(46)

    assert client.sink.is_aborted
    assert client.connection.is_closed


@in_loop
async def test_a_wire_that_ended_and_is_slow_to_close_gets_nothing_more() -> None:
    house = House()
    client = await house.reader("a")
    client.sink.hold()
    house.hub.bye(client.connection, ByeReason.SHUTDOWN)
    await house.run_for(16)
    await house.publish("a", 5)
    await house.run_for(5)
    client.sink.release()

    assert client.kinds() == ["hello", "subscribed", "bye"]
