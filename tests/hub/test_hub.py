"""One node: keys, wires, publishing, revocation, its start and its end (R12, R17, R26, R31, R37-R46, R57)."""

import asyncio
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jitterbug.errors import FrameTooLargeError, PublishError, StoreError, UnfitError
from jitterbug.hub.hub import Hub
from jitterbug.hub.policy import allow_all
from jitterbug.hub.sessions import Session
from jitterbug.protocol.codes import ByeReason
from jitterbug.protocol.keys import RootKey, RootKeys
from jitterbug.stores.memory import MemoryStore
from jitterbug.telemetry.events import FactCode
from jitterbug.testing import ManualClock
from tests.hub.house import ALICE, BOB, FULL_WIRE_BYTES, REALTIME, STRICT, House
from tests.hub.slow_store import SlowStore
from tests.looped import in_loop

# Keys.


def test_r38_r45_a_key_lives_ten_minutes_in_whole_milliseconds() -> None:
    house = House()
    key = house.hub.issue_key(ALICE)

    assert key.expires_at_ms == house.clock.now_ms() + 600_000
    assert len(key.secret) == 32


@given(left_s=st.floats(min_value=-100, max_value=2_000))
def test_a_key_never_outlives_its_session(left_s: float) -> None:
    house = House()
    now_ms = house.clock.now_ms()
    key = house.hub.issue_key(Session("s", expires_at=now_ms / 1_000 + left_s))

    assert now_ms <= key.expires_at_ms <= now_ms + 600_000
    assert key.expires_at_ms <= max(now_ms, now_ms + left_s * 1_000 + 1)


def test_r31_a_key_is_found_for_its_own_session_alone() -> None:
    house = House()
    key = house.hub.issue_key(ALICE)
    found = house.hub.find_key(ALICE, key.kid)

    assert found is not None
    assert found.expires_at_ms == key.expires_at_ms
    assert house.hub.find_key(BOB, key.kid) is None
    assert house.hub.find_key(ALICE, "A" * 52) is None
    assert house.hub.find_key(ALICE, "root-1") is None, "a root key is nobody's session key"
    assert House().hub.find_key(ALICE, key.kid) is None, "nor another hub's"


# Wires.


@in_loop
async def test_r26_no_nonce_is_used_twice_on_any_wire() -> None:
    house = House(REALTIME)
    clients = [await house.reader("a", session=session) for session in (ALICE, ALICE, BOB, BOB)]
    await house.publish("a", 100)
    await house.run_for(2)

    nonces = [seen.frame["nonce"] for client in clients for seen in client.seen]
    assert len(nonces) == len(set(nonces)) == 4 * 102
    for client in clients:
        client.check_wire()


@in_loop
async def test_r29_each_wire_is_signed_with_the_key_of_its_own_session() -> None:
    house = House()
    alice, bob = await house.reader("a", session=ALICE), await house.reader("a", session=BOB)
    await house.publish("a", 1)
    await house.settle()

    assert {seen.kid for seen in alice.seen} == {alice.key.kid}
    assert {seen.kid for seen in bob.seen} == {bob.key.kid}
    assert alice.connection.conn != bob.connection.conn
    assert all(len(client.connection.conn) == 16 for client in (alice, bob))


@in_loop
async def test_wires_are_counted_found_and_forgotten() -> None:
    house = House()
    hub = house.hub
    one, two, other = house.connect(ALICE), house.connect(ALICE), house.connect(BOB)
    await hub.subscribe(one.connection, "a")
    await hub.subscribe(one.connection, "$sys/activity")

    assert hub.activity() == {"channels": 1, "connections": 3, "sessions": 2, "users": 0}
    assert list(hub) == hub.connections() == [one.connection, two.connection, other.connection]
    assert hub.connections_of(ALICE.id) == [one.connection, two.connection]
    assert hub.connections_of("nobody") == []
    assert hub.connection(ALICE, one.connection.conn) is one.connection
    assert hub.connection(BOB, one.connection.conn) is None, "another session's is as if it were not there"
    assert not any(hub.connection(ALICE, nothing) for nothing in (None, 7, "", "x", ["x"]))

    for client in (one, two, other, one):
        hub.close(client.connection, "gone")
    assert hub.activity() == {"channels": 0, "connections": 0, "sessions": 0, "users": 0}
    assert hub.connection(ALICE, one.connection.conn) is None
    assert [fact.conn for fact in house.told(FactCode.CONNECTION_OPENED)] == [
        client.connection.conn for client in (one, two, other)
    ]
    closed = house.told(FactCode.CONNECTION_CLOSED)
    assert [(fact.conn, fact.reason) for fact in closed] == [
        (client.connection.conn, "gone") for client in (one, two, other)
    ], "once each"
    assert {fact.address for fact in closed} == {"192.0.2.1"}
    assert all(ALICE.id not in repr(fact) and BOB.id not in repr(fact) for fact in house.facts)


@in_loop
async def test_r57_dropped_publications_are_counted_and_stay_counted_when_the_wire_is_gone() -> None:
    house = House()
    client = await house.reader("a")
    other = await house.reader("a")
    client.sink.filled_bytes = FULL_WIRE_BYTES
    await house.publish("a", 10_000)
    await house.settle()

    assert client.connection.dropped == other.connection.dropped == 9_900
    assert house.hub.dropped_frames() == 19_800
    house.hub.close(client.connection, "gone")
    assert house.hub.dropped_frames() == 19_800
    assert client.connection.backlog <= 100


# Publishing.


@in_loop
async def test_positions_grow_by_one_per_channel() -> None:
    house = House()
    first = [await house.hub.publish("a", n) for n in range(5)]
    second = [await house.hub.publish("b", n) for n in range(3)]

    assert [position.offset for position in first] == [1, 2, 3, 4, 5]
    assert [position.offset for position in second] == [1, 2, 3]
    assert house.hub.published == 8


@in_loop
async def test_the_hub_itself_publishes_on_its_own_channels_through_the_same_gate() -> None:
    house = House()
    client = await house.reader("$sys/alerts")
    await house.hub.publish_own("$sys/alerts", {"rule": "replay"})
    with pytest.raises(FrameTooLargeError):
        await house.hub.publish_own("$sys/alerts", "x" * 1_024)
    await house.settle()

    assert client.data() == [{"rule": "replay"}]


@pytest.mark.parametrize("channel", ["$sys/activity", "$", "", "a b", "a" * 129, None, 7])
@in_loop
async def test_nobody_publishes_on_the_hubs_own_channels_nor_on_what_is_none(channel: Any) -> None:
    house = House()
    client = await house.reader("$sys/activity")
    with pytest.raises(PublishError):
        await house.hub.publish(channel, 1)
    await house.settle()

    assert house.hub.published == 0
    assert client.data() == []


@in_loop
async def test_r58_what_is_too_large_is_refused_at_the_publisher_and_nothing_is_sent() -> None:
    house = House()
    client = await house.reader("a")
    with pytest.raises(FrameTooLargeError):
        await house.hub.publish("a", "x" * 1_024)
    with pytest.raises(PublishError):
        await house.hub.publish("a", float("nan"))
    assert (await house.hub.publish("a", "small")).offset == 1
    await house.settle()

    assert client.data() == ["small"]
    assert client.publications()[0].position.offset == 1


@in_loop
async def test_a_publication_id_makes_a_repetition_harmless() -> None:
    house = House()
    client = await house.reader("a")
    first = await house.hub.publish("a", 1, publication_id="order-1")
    again = await house.hub.publish("a", 1, publication_id="order-1")
    await house.settle()

    assert again == first
    assert client.data() == [1]


@in_loop
async def test_r12_a_store_that_is_away_refuses_and_nothing_is_passed_unchecked() -> None:
    clock = ManualClock()
    store = SlowStore(clock)
    house = House(store=store, clock=clock)
    client = await house.reader("a")
    store.is_away = True
    with pytest.raises(StoreError):
        await house.hub.publish("a", 1)
    await house.settle()
    assert client.data() == []
    assert house.hub.published == 0

    store.is_away = False
    await house.hub.publish("a", 2)
    await house.settle()
    client.check_wire()
    assert client.data() == [2]


# Revocation.


@in_loop
async def test_r17_revoking_ends_every_wire_and_key_of_the_session_at_once_and_no_other() -> None:
    house = House()
    one, two, other = await house.reader("a"), await house.reader("a"), await house.reader("a", session=BOB)
    house.hub.revoke(ALICE.id)
    await house.publish("a", 1)
    await house.settle()
    assert [house.hub.is_revoked(session) for session in (ALICE, BOB)] == [True, False]

    for client in (one, two):
        client.check_wire()
        assert client.of("bye")[0]["reason"] == "revoked"
        assert client.kinds()[-1] == "bye"
        assert client.data() == []
        assert client.sink.is_ended
        assert client.connection.is_closed
        assert house.hub.find_key(ALICE, client.key.kid) is None
    assert house.hub.find_key(ALICE, house.hub.issue_key(ALICE).kid) is None, "nor does a new key help"
    assert other.data() == [0]
    assert house.hub.find_key(BOB, other.key.kid) is not None


@in_loop
async def test_r17_revoked_holds_for_as_long_as_any_key_of_the_session_could_be_accepted() -> None:
    house = House()
    key = house.hub.issue_key(ALICE)
    house.hub.revoke(ALICE.id)
    for _ in range(11):
        house.clock.advance(s=60)
        house.hub.revoke("somebody else")
        accepted = house.clock.now_ms() <= key.expires_at_ms + STRICT.skew_ms
        assert house.hub.find_key(ALICE, key.kid) is None or not accepted


@in_loop
async def test_bye_says_when_to_come_back_with_jitter() -> None:
    house = House()
    clients = [await house.reader() for _ in range(20)]
    for client in clients:
        house.hub.bye(client.connection, ByeReason.SHUTDOWN)
    fixed = await house.reader()
    house.hub.bye(fixed.connection, ByeReason.SHUTDOWN, 7)
    await house.settle()

    delays = [client.of("bye")[0]["retry"] for client in clients]
    assert all(250 <= delay <= 2_000 for delay in delays)
    assert len(set(delays)) > 5
    assert fixed.of("bye")[0]["retry"] == 7


# Root keys.


@in_loop
async def test_a_root_key_that_is_taken_out_ends_the_streams_it_made_and_no_others() -> None:
    """R16, R37: while a root key is being rotated both are good; afterwards the old one signs nothing more."""
    house = House()
    old = house.roots.current
    before = await house.reader("a")
    new = RootKey("root-2", bytes(range(32)))
    house.hub.replace_roots(RootKeys(new, [old]))
    after = await house.reader("a")
    await house.publish("a", 1)
    await house.settle()
    assert before.data() == after.data() == [0], "both are known"

    house.hub.replace_roots(RootKeys(new))
    house.hub.replace_roots(RootKeys(new))
    await house.publish("a", 1, start=1)
    await house.settle()
    before.check_wire()
    assert before.kinds()[-1] == "bye"
    assert before.of("bye")[0]["reason"] == "key_expired"
    assert after.data() == [0, 1]
    assert house.hub.find_key(ALICE, before.key.kid) is None


# What it depends on, and what it tells of itself.


def test_r12_a_hub_is_fit_while_everything_it_depends_on_is_there() -> None:
    house = House()
    there = {"audit": True, "clock": True}
    assert house.hub.is_fit
    house.hub.require(lambda: there["audit"])
    house.hub.require(lambda: there["clock"])
    for name in there:
        assert house.hub.is_fit
        there[name] = False
        assert [house.hub.is_fit] == [False]
        there[name] = True


@in_loop
async def test_r12_a_hub_that_is_not_fit_takes_no_publication_but_its_own() -> None:
    """From an application neither: what could not be recorded does not happen. An alert of the hub's own goes out."""
    house = House()
    house.hub.require(lambda: False)

    with pytest.raises(UnfitError) as caught:
        await house.hub.publish("a", 1)

    assert caught.value.code == "JB_UNFIT"
    assert isinstance(caught.value, StoreError), "whoever is ready for a store that is away is ready for this"
    assert (await house.store.read("a", None)).position.offset == 0
    assert (await house.hub.publish_own("$sys/alerts", 1)).offset == 1


@in_loop
async def test_r80_connections_that_met_a_limit_lately_are_counted_either_way() -> None:
    house = House()
    minute_ns = 60_000_000_000
    behind, talker, quiet = await house.reader("a"), await house.reader(), await house.reader("b")
    await house.publish("a", 10)
    await house.publish("b", 10)
    for _ in range(10):
        await talker.send({"t": "ping"})
    await house.settle()
    assert house.hub.limited_connections(minute_ns) == (0, 3), "up to the limit is not over it"

    await house.publish("a", 1)
    await talker.send({"t": "ping"})
    await house.settle()
    assert house.hub.limited_connections(minute_ns) == (2, 3)
    house.clock.advance(s=60)
    assert house.hub.limited_connections(minute_ns) == (2, 3)
    house.clock.advance(ms=1)
    assert house.hub.limited_connections(minute_ns) == (0, 3)
    assert len(behind.seen) == len(quiet.seen) == 12


@in_loop
async def test_r87_performance_is_told_in_sums_from_the_start_and_the_worst_delay_since_the_last_time() -> None:
    house = House()
    client, other = await house.reader("a"), await house.reader("a")
    await house.publish("a", 111)
    await house.settle()
    house.hub.close(other.connection, "gone")
    house.hub._tick.worst_delay_ns = 7_900_000
    house.hub.tell_performance()
    house.hub.tell_performance()

    first, second = house.told(FactCode.PERFORMANCE)
    sent = len(client.seen) + len(other.seen)
    assert first.figures == {"connections": 1, "dropped_frames": 22, "sent_frames": sent, "tick_delay_ms": 7}
    assert second.figures == {**first.figures, "tick_delay_ms": 0}


# Life.


class CountingStore(MemoryStore):
    """A memory store that counts its starts and stops."""

    def __init__(self, clock: ManualClock) -> None:
        super().__init__(clock)
        self.started = self.stopped = 0

    async def start(self) -> None:
        await asyncio.sleep(0)  # a real one connects
        self.started += 1

    async def stop(self) -> None:
        self.stopped += 1


@in_loop
async def test_starting_twice_is_one_start_and_stopping_cuts_what_is_open() -> None:
    clock = ManualClock()
    store = CountingStore(clock)
    house = House(store=store, clock=clock)
    await house.hub.start()
    await house.hub.start()
    client = await house.reader("a")
    ticking = house.hub._ticking
    assert ticking is not None
    await house.hub.stop()
    await house.hub.stop()

    assert ticking.cancelled()
    assert (store.started, store.stopped) == (1, 2)
    assert client.sink.is_aborted
    assert client.connection.is_closed
    assert house.hub.connection_count == 0
    assert house.hub.is_draining
    assert [fact.reason for fact in house.told(FactCode.CONNECTION_CLOSED)] == ["stopped"]


@in_loop
async def test_the_running_tick_serves_what_waits() -> None:
    """The real loop, at a millisecond a tick: a token comes when the clock says so."""
    clock = ManualClock()
    house = House(STRICT.with_changes(tick_ms=1), clock=clock)
    await house.hub.start()
    client = await house.reader("a")
    await house.publish("a", 11)
    async with asyncio.timeout(20):
        while len(client.data()) < 11:
            clock.advance(ms=250)
            await asyncio.sleep(0.001)
    await house.hub.stop()

    client.check_wire()


@in_loop
async def test_a_hub_without_telemetry_tells_nobody_and_works() -> None:
    clock = ManualClock()
    roots = RootKeys(RootKey("root-1", bytes(range(32))))
    hub = Hub(STRICT, clock=clock, store=MemoryStore(clock), roots=roots, rule=allow_all)
    key = hub.issue_key(ALICE)

    assert hub.find_key(ALICE, key.kid) is not None
    assert (await hub.publish("a", 1)).offset == 1
