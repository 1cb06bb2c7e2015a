"""Joining a channel: history, then what is live, nothing lost or twice, whatever comes between (PROTOCOL §4, §5)."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jitterbug.errors import StoreError
from jitterbug.hub.channels import MAX_CHANNELS_PER_CONNECTION
from jitterbug.hub.policy import Action
from jitterbug.hub.sessions import Session
from jitterbug.protocol.position import Position, decode_cursor
from jitterbug.telemetry.events import FactCode
from jitterbug.testing import ManualClock
from tests.hub.house import REALTIME, STRICT, House
from tests.hub.slow_store import SlowStore
from tests.looped import in_loop

few = st.integers(min_value=0, max_value=12)


async def slow_house(history_size: int = 100, **changes: int) -> tuple[House, SlowStore]:
    """A hub whose store's reads can be held up."""
    clock = ManualClock()
    store = SlowStore(clock, history_size=history_size)
    return House(REALTIME.with_changes(**changes), store=store, clock=clock), store


@in_loop
async def test_a_channel_starts_with_subscribed_and_where_it_stands() -> None:
    house = House()
    await house.publish("a", 5)
    client = await house.reader("a")
    await house.publish("a", 2, start=5)
    await house.settle()

    client.check_wire()
    (told,) = client.of("subscribed")
    epoch = told["pos"][0]
    assert told["pos"] == [epoch, 5]
    assert "recovered" not in told
    assert [(p.data, p.position, p.recovered) for p in client.publications()] == [
        (5, Position(epoch, 6), False), (6, Position(epoch, 7), False),
    ]  # fmt: skip
    assert decode_cursor(client.seen[-1].cursor, ["a"]) == {"a": Position(epoch, 7)}


@given(published=st.integers(min_value=0, max_value=40), back=few, kept=st.integers(min_value=0, max_value=20))
@in_loop
async def test_recovered_says_whether_everything_since_follows_and_a_gap_follows_where_it_cannot(
    published: int, back: int, kept: int
) -> None:
    house = House(REALTIME.with_changes(history_size=kept))
    await house.publish("a", published)
    stand = (await house.store.read("a", None)).position
    since = Position(stand.epoch, max(0, published - back))
    missed = published - since.offset
    client = house.connect(positions={"a": since})
    await house.hub.subscribe(client.connection, "a", since)
    await house.publish("a", 3, start=published)
    await house.run_for(0.5)

    client.check_wire()
    (told,) = client.of("subscribed")
    assert told["pos"] == [stand.epoch, published]
    assert told["recovered"] is (missed <= kept)
    if missed <= kept:
        assert client.gaps() == []
        assert client.data() == list(range(since.offset, published + 3))
        assert [p.recovered for p in client.publications()] == [True] * missed + [False] * 3
    else:
        (gap,) = client.gaps()
        assert (gap.position, gap.reason) == (stand, "expired")
        assert client.kinds()[1:3] == ["subscribed", "gap"], "never a partial catch-up shown as complete"
        assert client.data() == list(range(published, published + 3))


@pytest.mark.parametrize(("epoch", "offset"), [("another1", 2), (None, 99)])
@in_loop
async def test_a_position_that_never_was_is_told_as_a_gap_of_epoch(epoch: str | None, offset: int) -> None:
    house = House()
    await house.publish("a", 5)
    stand = (await house.store.read("a", None)).position
    since = Position(epoch or stand.epoch, offset)
    client = house.connect(positions={"a": since})
    await house.hub.subscribe(client.connection, "a", since)
    await house.publish("a", 1, start=5)
    await house.settle()

    client.check_wire()
    assert client.of("subscribed")[0]["recovered"] is False
    assert [(gap.position, gap.reason) for gap in client.gaps()] == [(stand, "epoch")]
    assert client.data() == [5]


@in_loop
async def test_live_publications_wait_until_history_is_out() -> None:
    house = House(STRICT)
    await house.publish("a", 25)
    since = Position((await house.store.read("a", None)).position.epoch, 0)
    client = house.connect(positions={"a": since})
    await house.hub.subscribe(client.connection, "a", since)
    await house.settle()
    await house.publish("a", 5, start=25)
    await house.run_for(20)

    client.check_wire()
    assert client.data() == list(range(30))
    assert [p.recovered for p in client.publications()] == [True] * 25 + [False] * 5


@given(
    before=few, while_asked=few, while_answered=few, after=few, since=st.none() | few, has_history=st.booleans()
)  # fmt: skip
@in_loop
async def test_publishing_while_somebody_joins_loses_and_repeats_nothing(
    before: int, while_asked: int, while_answered: int, after: int, since: int | None, has_history: bool
) -> None:
    house, store = await slow_house(100 if has_history else 0)
    await house.publish("a", before)
    epoch = (await store.read("a", None)).position.epoch
    asked = Position(epoch, min(since, before)) if since is not None else None
    client = house.connect(positions={"a": asked})

    store.may_read.clear()
    store.may_answer.clear()
    joining = asyncio.create_task(house.hub.subscribe(client.connection, "a", asked))
    await house.settle()
    await house.publish("a", while_asked, start=before)
    await house.settle()
    store.may_read.set()
    await house.settle()
    await house.publish("a", while_answered, start=before + while_asked)
    await house.settle()
    assert client.data() == []
    store.may_answer.set()
    assert await joining
    await house.publish("a", after, start=before + while_asked + while_answered)
    await house.run_for(1)

    client.check_wire()
    total, stood = before + while_asked + while_answered + after, before + while_asked
    is_lost = asked is not None and not has_history and asked.offset < stood
    first = stood if asked is None or is_lost else asked.offset
    assert client.data() == list(range(first, total))
    assert client.reader.receiver.duplicates == 0
    assert len(client.gaps()) == is_lost


@given(while_answered=st.integers(min_value=0, max_value=40))
@in_loop
async def test_more_than_can_wait_while_somebody_joins_is_told_as_overflow(while_answered: int) -> None:
    house, store = await slow_house(buffer_frames=10)
    await house.publish("a", 3)
    client = house.connect(positions={"a": None})
    store.may_answer.clear()
    joining = asyncio.create_task(house.hub.subscribe(client.connection, "a"))
    await house.settle()
    await house.publish("a", while_answered, start=3)
    store.may_answer.set()
    await joining
    await house.run_for(1)

    client.check_wire()
    lost = max(0, while_answered - 10)
    assert client.data() == list(range(3 + lost, 3 + while_answered))
    assert [(gap.position.offset, gap.reason) for gap in client.gaps()] == [(3 + lost, "overflow")] * bool(lost)


@in_loop
async def test_a_hundred_channels_and_not_one_more() -> None:
    house = House(REALTIME)
    client = house.connect()
    connection = client.connection
    answers = [await house.hub.subscribe(connection, f"channel-{number}") for number in range(101)]

    assert answers == [True] * 100 + [False]
    assert await house.hub.subscribe(connection, "channel-7"), "one it has is no further one"
    house.hub.unsubscribe(connection, "channel-7", "asked")
    assert await house.hub.subscribe(connection, "channel-100")
    refused = house.told(FactCode.SUBSCRIBE_REFUSED)
    assert [(fact.reason, fact.channel) for fact in refused] == [("full", "channel-100")]
    await house.run_for(10)
    client.check_wire()


@pytest.mark.parametrize("is_rule_slow", [False, True])
@in_loop
async def test_a_hundred_channels_hold_for_those_that_are_still_being_joined(is_rule_slow: bool) -> None:
    async def rule(_session: Session, _action: Action, _channel: str) -> bool:
        if is_rule_slow:
            await asyncio.sleep(0)
        return True

    clock = ManualClock()
    store = SlowStore(clock)
    house = House(REALTIME, store=store, clock=clock, rule=rule)
    client = house.connect()
    store.may_read.clear()
    joining = [
        asyncio.create_task(house.hub.subscribe(client.connection, f"channel-{number}")) for number in range(150)
    ]
    await house.settle()
    store.may_read.set()
    answers = await asyncio.gather(*joining)

    assert sum(answers) == len(client.connection.places) == MAX_CHANNELS_PER_CONNECTION
    for channel in list(client.connection.places):
        house.hub.unsubscribe(client.connection, channel, "asked")
    assert await house.hub.subscribe(client.connection, "room-again")


@in_loop
async def test_subscribing_twice_is_one_subscription_even_while_joining() -> None:
    house, store = await slow_house()
    client = house.connect(positions={"a": None})
    store.may_read.clear()
    first = asyncio.create_task(house.hub.subscribe(client.connection, "a"))
    await house.settle()
    assert await house.hub.subscribe(client.connection, "a")
    store.may_read.set()
    assert await first
    assert await house.hub.subscribe(client.connection, "a")
    await house.publish("a", 1)
    await house.settle()

    client.check_wire()
    assert client.kinds() == ["hello", "subscribed", "msg"]


@in_loop
async def test_a_rule_that_says_no_and_a_channel_that_cannot_be_answer_alike() -> None:
    house = House(rule=lambda _session, _action, channel: channel == "mine")
    client = house.connect()

    assert await house.hub.subscribe(client.connection, "mine")
    assert not await house.hub.subscribe(client.connection, "yours")
    assert not await house.hub.subscribe(client.connection, "no such name")
    assert [fact.reason for fact in house.told(FactCode.SUBSCRIBE_REFUSED)] == ["policy", "policy"]
    await house.publish("yours", 1)
    await house.settle()
    assert client.data() == []
    assert set(house.hub.channels) == {"mine"}


@in_loop
async def test_after_unsubscribing_nothing_more_comes_and_nothing_is_left_waiting() -> None:
    house = House()
    client = await house.reader("a", "b")
    await house.publish("a", 15)
    await house.settle()
    await house.publish("b", 1)
    house.hub.unsubscribe(client.connection, "a", "asked")
    await house.publish("a", 5, start=15)
    await house.run_for(20)

    client.check_wire()
    assert client.of("unsubscribed")[0]["ch"] == "a"
    assert client.of("unsubscribed")[0]["reason"] == "asked"
    after = client.kinds().index("unsubscribed")
    assert client.kinds()[after + 1 :] == ["msg", "hb"]
    assert client.data("a") == list(range(10))
    assert client.data("b") == [0]
    assert client.connection.backlog == 0


@in_loop
async def test_unsubscribing_while_joining_ends_the_subscription() -> None:
    house, store = await slow_house()
    client = house.connect(positions={"a": None})
    store.may_answer.clear()
    joining = asyncio.create_task(house.hub.subscribe(client.connection, "a"))
    await house.settle()
    house.hub.unsubscribe(client.connection, "a", "asked")
    store.may_answer.set()
    await joining
    await house.publish("a", 3)
    await house.settle()

    client.check_wire()
    assert client.kinds()[-1] == "unsubscribed"
    assert client.data() == []
    assert list(house.hub.channels) == []
    assert client.connection.places == {}


@in_loop
async def test_a_wire_that_closes_while_it_joins_leaves_nothing_behind() -> None:
    house, store = await slow_house()
    client = house.connect()
    store.may_read.clear()
    joining = asyncio.create_task(house.hub.subscribe(client.connection, "a"))
    await house.settle()
    house.hub.close(client.connection, "gone")
    store.may_read.set()
    await joining

    assert len(house.hub.channels) == 0
    assert client.connection.joining == {}
    await house.publish("a", 3)
    await house.settle()
    assert client.kinds() == ["hello"]


@in_loop
async def test_a_wire_that_closes_while_the_rule_is_asked_joins_nothing() -> None:
    answer = asyncio.Event()

    async def rule(_session: Session, _action: Action, _channel: str) -> bool:
        await answer.wait()
        return True

    house = House(rule=rule)
    client = house.connect()
    joining = asyncio.create_task(house.hub.subscribe(client.connection, "a"))
    await house.settle()
    house.hub.close(client.connection, "gone")
    answer.set()
    await joining

    assert list(house.hub.channels) == []
    assert (client.connection.joining, client.connection.places) == ({}, {})


@in_loop
async def test_leaving_and_joining_again_while_the_first_answer_is_on_its_way_is_one_subscription() -> None:
    """The late answer belongs to nobody: what it says is older than what the second one says."""
    house, store = await slow_house()
    client = house.connect(positions={"a": None})
    store.may_answer.clear()
    first = asyncio.create_task(house.hub.subscribe(client.connection, "a"))
    await house.settle()
    house.hub.unsubscribe(client.connection, "a", "asked")
    await house.publish("a", 3)
    second = asyncio.create_task(house.hub.subscribe(client.connection, "a"))
    await house.settle()
    await house.publish("a", 2, start=3)
    store.may_answer.set()
    await asyncio.gather(first, second)
    await house.publish("a", 1, start=5)
    await house.settle()

    client.check_wire()
    assert client.kinds() == ["hello", "unsubscribed", "subscribed", "msg", "msg", "msg"]
    assert client.data() == [3, 4, 5]


@in_loop
async def test_a_late_failure_of_a_join_that_was_left_does_not_end_the_next_one() -> None:
    house, store = await slow_house()
    client = house.connect(positions={"a": None})
    store.may_read.clear()
    first = asyncio.create_task(house.hub.subscribe(client.connection, "a"))
    await house.settle()
    house.hub.unsubscribe(client.connection, "a", "asked")
    second = asyncio.create_task(house.hub.subscribe(client.connection, "a"))
    await house.settle()
    first.cancel()
    await house.settle()
    store.may_read.set()
    assert await second
    await house.publish("a", 1)
    await house.settle()

    assert first.cancelled()
    assert client.data() == [0]


@in_loop
async def test_r12_a_store_that_is_away_fails_the_join_and_the_next_try_starts_afresh() -> None:
    house, store = await slow_house()
    client = house.connect(positions={"a": None})
    store.is_away = True
    with pytest.raises(StoreError):
        await house.hub.subscribe(client.connection, "a")
    assert client.connection.joining == {}
    assert not house.hub.channels._joining
    assert client.connection.places == {}

    store.is_away = False
    assert await house.hub.subscribe(client.connection, "a")
    await house.publish("a", 1)
    await house.settle()
    assert client.data() == [0]


@in_loop
async def test_a_join_that_is_cancelled_leaves_nothing_behind() -> None:
    house, store = await slow_house()
    client = house.connect()
    store.may_read.clear()
    joining = asyncio.create_task(house.hub.subscribe(client.connection, "a"))
    await house.settle()
    joining.cancel()
    with pytest.raises(asyncio.CancelledError):
        await joining

    assert client.connection.joining == {}
    assert not house.hub.channels._joining


@in_loop
async def test_an_epoch_that_changes_while_somebody_joins_is_told_as_a_gap() -> None:
    """The store forgot the channel between the answer and the publication: offsets start again."""
    house, store = await slow_house()
    await house.publish("a", 3)
    client = house.connect(positions={"a": None})
    store.may_answer.clear()
    joining = asyncio.create_task(house.hub.subscribe(client.connection, "a"))
    await house.settle()
    store._max_channels = 1
    await house.publish("other", 1)
    await house.publish("a", 2, start=3)
    store.may_answer.set()
    await joining
    await house.settle()

    client.check_wire()
    assert client.data() == [3, 4]
    (gap,) = client.gaps()
    assert gap.position.offset == 0
