"""What a verified frame does, by its type (PROTOCOL §4)."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jitterbug.hub.policy import Action
from jitterbug.hub.sessions import Session
from jitterbug.hub.upstream import Outcome
from jitterbug.protocol.codes import ErrorCode, ReportKind
from jitterbug.protocol.position import Position
from jitterbug.protocol.publication import largest_frame_bytes
from jitterbug.telemetry.events import FactCode
from tests.hub.house import ALICE, BOB, REALTIME, STRICT, House
from tests.looped import in_loop

INVALID = ErrorCode.INVALID
UNAUTHORIZED = ErrorCode.UNAUTHORIZED
not_names: st.SearchStrategy[Any] = st.sampled_from([None, 7, True, [], {}, ["a"]])


@in_loop
async def test_a_verified_frame_is_told_once_with_its_type() -> None:
    house = House()
    client = await house.reader()
    await client.send({"t": "ping", "id": "i"})

    (fact,) = house.told(FactCode.FRAME_VERIFIED)
    assert (fact.reason, fact.kid, fact.session, fact.conn) == (
        "ping", client.key.kid, ALICE.hash, client.connection.conn,
    )  # fmt: skip
    assert (fact.address, fact.request_id) == ("192.0.2.1", "request-1")


# sub, unsub


@in_loop
async def test_sub_subscribes_and_unsub_ends_it() -> None:
    house = House()
    client = await house.reader()
    assert await client.send({"t": "sub", "id": "1", "ch": "a"}) == Outcome(id="1")
    await house.publish("a", 1)
    await house.settle()
    assert await client.send({"t": "unsub", "id": "2", "ch": "a"}) == Outcome(id="2")
    await house.publish("a", 1, start=1)
    await house.settle()

    client.check_wire()
    assert client.kinds() == ["hello", "subscribed", "msg", "unsubscribed"]
    assert client.of("unsubscribed")[0]["reason"] == "asked"
    assert client.data() == [0]


@in_loop
async def test_sub_recovers_from_a_position() -> None:
    house = House()
    await house.publish("a", 5)
    epoch = (await house.store.read("a", None)).position.epoch
    client = house.connect(positions={"a": Position(epoch, 2)})
    assert (await client.send({"t": "sub", "id": "1", "ch": "a", "since": [epoch, 2]})).code is None
    await house.settle()

    client.check_wire()
    assert client.of("subscribed")[0]["recovered"] is True
    assert client.data() == [2, 3, 4]


@pytest.mark.parametrize("since", [[], ["e"], ["e", -1], ["e", "1"], ["e", 1.5], ["", 1], "e", 5, {"e": 1}, False])
@in_loop
async def test_sub_with_a_position_that_is_none_is_invalid(since: Any) -> None:
    house = House()
    client = await house.reader()

    assert await client.send({"t": "sub", "id": "1", "ch": "a", "since": since}) == Outcome(INVALID, "1")
    assert client.connection.places == {}


@pytest.mark.parametrize("kind", ["sub", "unsub"])
@given(name=not_names)
@in_loop
async def test_a_channel_that_is_no_text_is_invalid(kind: str, name: Any) -> None:
    client = await House().reader()

    assert await client.send({"t": kind, "id": "1", "ch": name}) == Outcome(INVALID, "1")


@in_loop
async def test_a_channel_one_may_not_see_and_one_that_cannot_be_answer_alike() -> None:
    """PROTOCOL §7."""
    house = House(rule=lambda _session, action, channel: action == "subscribe" and channel == "mine")
    client = await house.reader()
    outcomes = [
        await client.send({"t": "sub", "id": "1", "ch": name}) for name in ("yours", "no such name", "", "x" * 200)
    ]

    assert outcomes == [Outcome(UNAUTHORIZED, "1")] * 4
    assert (await client.send({"t": "sub", "id": "1", "ch": "mine"})).code is None


@in_loop
async def test_unsub_of_what_was_never_subscribed_is_done_already() -> None:
    house = House()
    client = await house.reader("a")

    assert await client.send({"t": "unsub", "id": "1", "ch": "b"}) == Outcome(id="1")
    await house.settle()
    assert client.kinds() == ["hello", "subscribed"]


# pub


@in_loop
async def test_pub_publishes_and_answers_with_the_position() -> None:
    house = House()
    client = await house.reader("a")
    outcome = await client.send({"t": "pub", "id": "1", "ch": "a", "data": {"n": [1, None, "ü"]}})
    await house.settle()

    client.check_wire()
    assert client.data() == [{"n": [1, None, "ü"]}]
    assert outcome == Outcome(id="1", position=client.publications()[0].position)


@pytest.mark.parametrize("data", [None, 0, False, "", [], {}])
@in_loop
async def test_pub_carries_any_json_value_the_empty_ones_too(data: Any) -> None:
    house = House()
    client = await house.reader("a")
    assert (await client.send({"t": "pub", "ch": "a", "data": data})).code is None
    await house.settle()

    assert client.data() == [data]


@pytest.mark.parametrize("payload", [{"ch": "a"}, {"data": 1}, {"ch": 7, "data": 1}, {"ch": None, "data": 1}])
@in_loop
async def test_pub_without_channel_or_data_is_invalid(payload: dict[str, Any]) -> None:
    client = await House().reader()

    assert await client.send({"t": "pub", "id": "1", **payload}) == Outcome(INVALID, "1")


@in_loop
async def test_pub_needs_the_right_to_publish_and_nobody_has_it_for_the_hubs_own_channels() -> None:
    asked: list[tuple[Session, Action, str]] = []

    def rule(session: Session, action: Action, channel: str) -> bool:
        asked.append((session, action, channel))
        return action == "subscribe" or channel == "mine"

    house = House(rule=rule)
    client = await house.reader("a", "$sys/activity")
    asked.clear()
    for channel in ("a", "$sys/activity", "$x", "no name", ""):
        outcome = await client.send({"t": "pub", "id": "1", "ch": channel, "data": 1})
        assert outcome == Outcome(UNAUTHORIZED, "1")
    await house.settle()

    assert asked == [(ALICE, "publish", "a")]
    assert client.data() == []
    assert [fact.reason for fact in house.told(FactCode.PUBLISH_REFUSED)] == ["policy"] * 5
    assert (await client.send({"t": "pub", "ch": "mine", "data": 1})).code is None


@in_loop
async def test_r58_pub_over_the_limit_is_refused_not_cut() -> None:
    """Small enough to come up, too large to go down to others."""
    house = House()
    client = await house.reader("a")
    room = house.config.max_frame_bytes - largest_frame_bytes("a", b'""')
    assert (await client.send({"t": "pub", "ch": "a", "data": "y" * room})).code is None
    outcome = await client.send({"t": "pub", "id": "1", "ch": "a", "data": "x" * (room + 1)})
    await house.settle()

    assert outcome == Outcome(INVALID, "1", too_large=True)
    assert client.data() == ["y" * room]
    assert [fact.reason for fact in house.told(FactCode.PUBLISH_REFUSED)] == ["JB_FRAME_TOO_LARGE"]


@in_loop
async def test_a_payload_nested_too_deep_is_refused_before_it_gets_anywhere() -> None:
    house = House()
    client = await house.reader("a")
    data: Any = []
    for _ in range(29):
        data = [data]
    assert (await client.send({"t": "pub", "ch": "a", "data": data})).code is None
    with pytest.raises(ValueError, match="deeper"):
        await client.send({"t": "pub", "ch": "a", "data": [data]})


@in_loop
async def test_pub_with_the_same_id_is_published_once_per_session_and_channel() -> None:
    house = House(REALTIME)
    one, two = await house.reader("a", "b"), await house.reader("a", "b")
    first = await one.send({"t": "pub", "id": "order-1", "ch": "a", "data": "first"})
    again = await one.send({"t": "pub", "id": "order-1", "ch": "a", "data": "first"})
    elsewhere = await two.send({"t": "pub", "id": "order-1", "ch": "a", "data": "first"})
    other = await one.send({"t": "pub", "id": "order-1", "ch": "b", "data": "other channel"})
    await house.settle()

    assert first == again == elsewhere, "another wire of the same session is the same client"
    assert other.position is not None
    assert one.data("a") == ["first"]
    assert one.data("b") == ["other channel"]


@in_loop
async def test_ids_of_one_session_mean_nothing_in_another() -> None:
    """Nobody can use up the id of somebody else's publication, nor learn that it was used."""
    house = House()
    alice, bob = await house.reader("a"), await house.reader("a", session=BOB)
    first = await alice.send({"t": "pub", "id": "order-1", "ch": "a", "data": "alice"})
    second = await bob.send({"t": "pub", "id": "order-1", "ch": "a", "data": "bob"})
    third = await bob.send({"t": "pub", "id": f"{ALICE.hash}:order-1", "ch": "a", "data": "bob"})
    await house.settle()

    assert alice.data() == ["alice", "bob", "bob"]
    assert len({outcome.position for outcome in (first, second, third)}) == 3


@in_loop
async def test_pub_without_an_id_is_always_new() -> None:
    house = House()
    client = await house.reader("a")
    for _ in range(2):
        await client.send({"t": "pub", "ch": "a", "data": 1})
    await house.settle()

    assert client.data() == [1, 1]


# report


@pytest.mark.parametrize("kind", list(ReportKind))
@given(count=st.integers(min_value=1, max_value=1_000_000))
@in_loop
async def test_r78_a_report_counts_what_the_client_saw(kind: ReportKind, count: int) -> None:
    house = House()
    client = await house.reader()
    assert await client.send({"t": "report", "id": "1", "kind": kind.value, "count": count}) == Outcome(id="1")

    (fact,) = house.told(FactCode.CLIENT_REPORT)
    assert (fact.reason, fact.count) == (kind, count)
    assert (fact.session, fact.conn, fact.address) == (ALICE.hash, client.connection.conn, "192.0.2.1")


@in_loop
async def test_a_report_without_a_count_stands_for_one() -> None:
    house = House()
    client = await house.reader()
    await client.send({"t": "report", "kind": "gap"})

    assert house.told(FactCode.CLIENT_REPORT)[0].count == 1


@pytest.mark.parametrize("members", [
    {"kind": "other"}, {"kind": "type"}, {"kind": None}, {"kind": ["gap"]}, {}, {"kind": "gap", "count": 0},
    {"kind": "gap", "count": -5}, {"kind": "gap", "count": 1_000_001}, {"kind": "gap", "count": 1.5},
    {"kind": "gap", "count": True}, {"kind": "gap", "count": "1"}, {"kind": "gap", "count": None},
])  # fmt: skip
@in_loop
async def test_a_report_of_anything_else_is_invalid_and_counts_nothing(members: dict[str, Any]) -> None:
    house = House()
    client = await house.reader()

    assert await client.send({"t": "report", "id": "1", **members}) == Outcome(INVALID, "1")
    assert house.told(FactCode.CLIENT_REPORT) == []


# Limits.


@in_loop
async def test_r54_r63_over_the_limit_it_says_when_to_try_again_and_no_more() -> None:
    house = House()
    client = await house.reader()
    outcomes = [await client.send({"t": "ping", "id": "1"}) for _ in range(13)]

    assert [outcome.code for outcome in outcomes[:10]] == [None] * 10
    assert outcomes[10:] == [Outcome(ErrorCode.RATE_LIMITED, retry_after_s=wait_s) for wait_s in (1, 2, 4)]
    assert len(house.told(FactCode.RATE_LIMITED)) == 3
    house.clock.advance(s=4)
    assert (await client.send({"t": "ping", "id": "1"})).code is None


@in_loop
async def test_r54_a_peer_that_goes_on_and_on_is_sent_away_with_bye_rate() -> None:
    house = House()
    client, sibling = await house.reader(), await house.reader()
    for _ in range(20):
        await client.send({"t": "ping"})
    assert client.kinds() == ["hello"]
    for _ in range(5):
        await client.send({"t": "ping"})
    await house.settle()

    client.check_wire()
    assert client.kinds() == ["hello", "bye"]
    assert client.of("bye")[0]["reason"] == "rate"
    assert client.sink.is_ended
    assert (await sibling.send({"t": "ping"})).code is None, "each wire has a bucket of its own"


@in_loop
async def test_r51_frames_that_name_no_wire_share_one_bucket_per_session() -> None:
    house = House()
    alice, bob = await house.reader(), await house.reader(session=BOB)
    codes = [(await alice.send({"t": "ping", "conn": f"conn-{number}"})).code for number in range(12)]
    assert codes == [UNAUTHORIZED] * 10 + [ErrorCode.RATE_LIMITED] * 2

    assert (await alice.send({"t": "ping"})).code is None
    assert (await bob.send({"t": "ping", "conn": "another"})).code == UNAUTHORIZED


@pytest.mark.parametrize("data", [b"{}", b"x" * 2_000], ids=["grammar", "size"])
@in_loop
async def test_r51_what_is_no_frame_at_all_is_limited_as_well(data: bytes) -> None:
    house = House()
    client = await house.reader()
    outcomes = [await house.upstream.handle(ALICE, data) for _ in range(12)]

    too_large = len(data) > 1_024
    assert outcomes[0] == Outcome(INVALID, too_large=too_large, malformed=not too_large)
    assert [outcome.code for outcome in outcomes] == [INVALID] * 10 + [ErrorCode.RATE_LIMITED] * 2
    assert [outcome.retry_after_s for outcome in outcomes[10:]] == [1, 2]
    assert (await client.send({"t": "ping"})).code is None


@in_loop
async def test_strays_are_remembered_for_a_bounded_number_of_sessions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("jitterbug.hub.upstream._MAX_STRAYS", 3)
    house = House()
    for number in range(10):
        await house.upstream.handle(Session(f"session-{number}"), b"{}")

    assert list(house.upstream._strays) == ["session-7", "session-8", "session-9"]


@in_loop
async def test_r55_the_limits_follow_the_settings() -> None:
    house = House(STRICT.with_changes(rate_capacity=3, rate_refill_per_s=10.0))
    client = await house.reader()
    assert [(await client.send({"t": "ping"})).code for _ in range(4)] == [None] * 3 + [ErrorCode.RATE_LIMITED]
    house.clock.advance(s=1)

    assert [(await client.send({"t": "ping"})).code for _ in range(4)] == [None] * 3 + [ErrorCode.RATE_LIMITED]
