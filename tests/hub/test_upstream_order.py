"""Frames sent up: the order of the checks, and nothing happens before the last one (R15, R31-R36, R60, R65-R68)."""

import os
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jitterbug.hub.sessions import Session
from jitterbug.hub.upstream import Outcome
from jitterbug.protocol import canonical
from jitterbug.protocol.codes import Down, ErrorCode, Refusal
from jitterbug.protocol.replay import Claim
from jitterbug.protocol.signing import FrameSigner
from jitterbug.protocol.verifying import VerifyKey
from jitterbug.stores.memory import MemoryStore
from jitterbug.telemetry.events import FactCode
from jitterbug.testing import ManualClock
from tests.hub.house import ALICE, BOB, REALTIME, Client, House
from tests.hub.slow_store import SlowStore
from tests.looped import in_loop
from tests.strategies import json_values

UNAUTHORIZED = Outcome(ErrorCode.UNAUTHORIZED)


async def up(client: Client, frame: bytes) -> Outcome:
    """Send bytes up under the client's session."""
    return await client.house.upstream.handle(client.session, frame, address="192.0.2.1", request_id="request-1")


def ping(client: Client, **members: Any) -> bytes:
    """A frame that is right in every way."""
    return client.sign({"t": "ping", "id": "p", "conn": client.connection.conn, **members})


def last_reason(house: House) -> str | None:
    """Why the last frame was refused."""
    return house.facts[-1].reason


def forged(frame: bytes, **changes: Any) -> bytes:
    """The same frame with members changed and the signature left."""
    return canonical.encode({**canonical.decode(frame), **changes})


@in_loop
async def test_r36_each_check_comes_in_its_place() -> None:
    """Frames with every fault from some check on: the first of them is what is seen."""
    house = House()
    client = await house.reader("a")
    other = House().connect()
    bad = {"t": "msg", "conn": "nobody's"}
    used = client.sign(bad)

    def stale(key_of: Client) -> bytes:
        signer = FrameSigner(key_of.key.kid, os.urandom(32))
        return signer.sign(bad, house.clock.now_ms() - 60_000)

    steps = [
        (b"x" * 1_025, Refusal.SIZE, ErrorCode.INVALID),
        (b'{"kid":1}', Refusal.GRAMMAR, ErrorCode.INVALID),
        (stale(other), Refusal.KEY, ErrorCode.UNAUTHORIZED),
        (stale(client), Refusal.STALE, ErrorCode.UNAUTHORIZED),
        (forged(used, payload={"t": "msg"}), Refusal.SIGNATURE, ErrorCode.UNAUTHORIZED),
        (used, Refusal.TYPE, ErrorCode.INVALID),
        (used, Refusal.REPLAY, ErrorCode.UNAUTHORIZED),
    ]
    for frame, reason, code in steps:
        outcome = await up(client, frame)
        assert (last_reason(house), outcome.code) == (reason, code)
        assert outcome == Outcome(code, too_large=reason is Refusal.SIZE, malformed=reason is Refusal.GRAMMAR)
        house.clock.advance(s=0.1)
    assert [fact.reason for fact in house.told(FactCode.FRAME_REFUSED)] == [reason for _, reason, _ in steps]


@in_loop
async def test_r12_a_hub_that_is_not_fit_acts_on_no_frame_and_burns_no_nonce() -> None:
    """PROTOCOL §4: `internal error`, once the signature held and before the nonce is claimed; then the frame passes."""
    house = House()
    client = await house.reader("a")
    fit = {"audit": True}
    house.hub.require(lambda: fit["audit"])
    frame = client.sign({"t": "pub", "id": "i", "conn": client.connection.conn, "ch": "a", "data": 1})
    fit["audit"] = False

    assert await up(client, forged(frame, payload={"t": "pub"})) == UNAUTHORIZED
    assert last_reason(house) == Refusal.SIGNATURE
    assert await up(client, frame) == Outcome(ErrorCode.INTERNAL, "i")
    assert last_reason(house) == "UnfitError"
    assert house.facts[-1].code is FactCode.INTERNAL_ERROR
    fit["audit"] = True
    assert (await up(client, frame)).code is None
    await house.settle()
    assert client.data() == [1]


@pytest.mark.parametrize("kind", ["sub", "unsub", "pub", "confirm", "report", "ping"])
@in_loop
async def test_r12_what_a_hub_that_is_not_fit_does_not_do_is_everything(kind: str) -> None:
    house = House()
    client = await house.reader("a")
    house.hub.require(lambda: False)
    before = client.kinds()

    outcome = await client.send({"t": kind, "id": "i", "ch": "a", "data": 1, "kind": "gap", "count": 1})
    await house.settle()

    assert outcome == Outcome(ErrorCode.INTERNAL, "i")
    assert client.kinds() == before
    assert "a" in client.connection.places
    assert house.told(FactCode.CLIENT_REPORT) == []


@in_loop
async def test_r33_only_a_true_replay_is_told_as_one_and_the_answer_is_the_same() -> None:
    """R60, R81: a full memory and a clock that stepped back are refused alike, under names of their own."""
    clock = ManualClock()
    store = MemoryStore(clock, nonces_per_session=2)
    house = House(REALTIME, store=store, clock=clock)
    client = await house.reader()
    used = ping(client)
    await up(client, used)
    await up(client, ping(client))
    answers = [await up(client, used)]
    assert last_reason(house) == Refusal.REPLAY
    answers.append(await up(client, ping(client)))
    assert last_reason(house) == Refusal.FULL
    clock.advance(s=20)
    assert (await up(client, ping(client))).code is None
    clock.step_wall(-20_000)
    answers.append(await up(client, used))
    assert last_reason(house) == Refusal.CLOCK

    assert answers == [UNAUTHORIZED] * 3


@in_loop
async def test_one_login_fills_no_memory_of_nonces_whatever_keys_it_has() -> None:
    """REQUIREMENTS §2.3: its frames are refused beyond its share; another login's pass."""
    clock = ManualClock()
    house = House(REALTIME, store=MemoryStore(clock, nonces_per_session=3), clock=clock)
    loud, quiet = await house.reader(), await house.reader(session=BOB)
    keys = [house.hub.issue_key(ALICE) for _ in range(5)]

    outcomes = [await up(loud, loud.sign({"t": "ping", "conn": loud.connection.conn}, key=key)) for key in keys]

    assert outcomes == [Outcome()] * 3 + [UNAUTHORIZED] * 2
    assert await up(quiet, ping(quiet)) == Outcome(id="p")


@in_loop
async def test_r61_r60_every_refused_credential_answers_with_the_very_same_outcome() -> None:
    house = House()
    client, stranger = await house.reader(), house.connect(BOB)
    frame = ping(client)
    await up(client, frame)
    expired = house.hub.issue_key(ALICE)
    outcomes = [
        await up(client, frame),
        await up(client, forged(ping(client), ts=house.clock.now_ms() + 1)),
        await up(client, client.sign({"t": "ping", "conn": client.connection.conn}, key=stranger.key)),
        await up(client, FrameSigner("A" * 52, os.urandom(32)).sign({"t": "ping"}, house.clock.now_ms())),
        await up(client, FrameSigner("root-1", os.urandom(32)).sign({"t": "ping"}, house.clock.now_ms())),
        await up(client, client.sign({"t": "ping"}, now_ms=house.clock.now_ms() - 5_001)),
        await up(client, client.sign({"t": "ping", "conn": "nobody's"})),
        await up(client, client.sign({"t": "ping", "conn": stranger.connection.conn})),
        await up(client, client.sign({"t": "ping"})),
    ]
    house.clock.advance(s=601)
    outcomes.append(await up(client, client.sign({"t": "ping", "conn": client.connection.conn}, key=expired)))
    house.hub.revoke(ALICE.id)
    outcomes.append(await up(client, ping(client)))

    assert outcomes == [UNAUTHORIZED] * len(outcomes)


@in_loop
async def test_another_sessions_connection_answers_like_one_that_is_not_there() -> None:
    house = House()
    alice, bob = await house.reader("a"), await house.reader("a", session=BOB)
    for target in (bob.connection.conn, "AAAAAAAAAAAAAAAA"):
        for payload in ({"t": "unsub", "ch": "a"}, {"t": "sub", "ch": "b"}, {"t": "pub", "ch": "a", "data": 1}):
            outcome = await up(alice, alice.sign({"id": "i", "conn": target, **payload}))
            assert outcome == Outcome(ErrorCode.UNAUTHORIZED, "i")
            assert last_reason(house) == Refusal.TYPE
            assert house.facts[-1].conn is None
    await house.settle()

    assert bob.kinds() == ["hello", "subscribed"]
    assert house.hub.published == 0


@in_loop
async def test_r31_each_session_has_its_own_keys_even_with_its_own_connection() -> None:
    """Bob's cookie with Alice's key, and the other way round: a key belongs to one session."""
    house = House()
    alice, bob = await house.reader(), await house.reader(session=BOB)

    frame = alice.sign({"t": "ping", "conn": bob.connection.conn})
    assert await up(bob, frame) == UNAUTHORIZED
    assert last_reason(house) == Refusal.KEY
    assert (await up(alice, ping(alice))).code is None


# Replay.


@pytest.mark.parametrize("after_s", [0, 1, 4.9, 5, 5.1, 9.9, 10, 60])
@in_loop
async def test_r33_r67_the_same_frame_is_refused_whenever_and_wherever_it_comes_again(after_s: float) -> None:
    house = House()
    client, second = await house.reader(), await house.reader()
    frame = ping(client)
    assert (await up(client, frame)).code is None
    house.clock.advance(s=after_s)

    for sender in (client, second):
        assert await up(sender, frame) == UNAUTHORIZED
        assert last_reason(house) == (Refusal.REPLAY if after_s <= 5 else Refusal.STALE)


@given(ahead_ms=st.integers(min_value=-5_000, max_value=5_000), waits_ms=st.lists(st.integers(0, 4_000), max_size=8))
@settings(max_examples=40)
@in_loop
async def test_r33_r67_a_frame_signed_ahead_of_the_hub_is_not_accepted_twice_while_it_is_fresh(
    ahead_ms: int, waits_ms: list[int]
) -> None:
    house = House()
    client = await house.reader()
    frame = client.sign({"t": "ping", "conn": client.connection.conn}, now_ms=house.clock.now_ms() + ahead_ms)
    assert (await up(client, frame)).code is None
    for wait_ms in waits_ms:
        house.clock.advance(ms=wait_ms)
        assert (await up(client, frame)).code in {ErrorCode.UNAUTHORIZED, ErrorCode.RATE_LIMITED}
    assert len(house.told(FactCode.FRAME_VERIFIED)) == 1


@pytest.mark.parametrize(("off_ms", "passes"), [
    (-5_001, False), (-5_000, True), (-4_999, True), (0, True), (4_999, True), (5_000, True), (5_001, False),
])  # fmt: skip
@in_loop
async def test_r32_the_skew_is_five_seconds_both_ways(off_ms: int, passes: bool) -> None:
    house = House()
    client = await house.reader()
    frame = client.sign({"t": "ping", "conn": client.connection.conn}, now_ms=house.clock.now_ms() + off_ms)

    assert ((await up(client, frame)).code is None) is passes


@in_loop
async def test_r36_a_forged_frame_burns_no_nonce() -> None:
    """REQUIREMENTS §2.1: the seed's own order let strangers do so."""
    house = House()
    client = await house.reader()
    frame = ping(client)
    for payload in ({}, {"t": "ping"}, {"t": "pub", "ch": "a", "data": 1, "conn": client.connection.conn}):
        assert (await up(client, forged(frame, payload=payload))).code == ErrorCode.UNAUTHORIZED
        assert last_reason(house) == Refusal.SIGNATURE

    assert (await up(client, frame)).code is None


@in_loop
async def test_a_retry_is_signed_anew_and_passes() -> None:
    house = House()
    client = await house.reader()

    assert [(await up(client, ping(client))).code for _ in range(5)] == [None] * 5


# The bucket.


@in_loop
async def test_r51_the_bucket_stands_before_any_cryptography(monkeypatch: pytest.MonkeyPatch) -> None:
    house = House()
    client = await house.reader()
    for _ in range(10):
        await up(client, ping(client))
    looked_up: list[str] = []
    find = house.hub.find_key_or_decoy

    def spy(session: Session, kid: str) -> VerifyKey:
        looked_up.append(kid)
        return find(session, kid)

    monkeypatch.setattr(house.hub, "find_key_or_decoy", spy)
    frame = ping(client)
    for sent in (frame, frame, forged(frame, payload={"conn": client.connection.conn, "t": "x"})):
        assert (await up(client, sent)).code == ErrorCode.RATE_LIMITED
        assert house.facts[-1].code is FactCode.RATE_LIMITED
    assert looked_up == []

    house.clock.advance(s=4)
    assert (await up(client, frame)).code is None, "and no nonce was burned"
    assert looked_up == [client.key.kid]


# Reflection and nonsense.


@in_loop
async def test_frames_of_the_hub_sent_back_up_are_refused() -> None:
    """REQUIREMENTS §2.7: the same key signs both ways, but no type is shared."""
    house = House(REALTIME)
    client = await house.reader("a")
    await house.publish("a", 3)
    await house.run_for(16)
    texts = [seen.text for seen in client.seen]
    assert {"hello", "subscribed", "msg", "hb"} == set(client.kinds())
    house.clock.step_wall(-4_000)  # so that some of them are fresh again
    reasons = set()
    for text in texts:
        outcome = await up(client, text)
        assert outcome.code in {ErrorCode.INVALID, ErrorCode.UNAUTHORIZED}
        reasons.add(last_reason(house))

    assert Refusal.TYPE in reasons
    assert house.hub.published == 3


@pytest.mark.parametrize("kind", [*Down, "publish", "", "PUB", "pub ", None, 7, True, ["pub"], {"t": "pub"}])
@in_loop
async def test_a_type_that_no_client_sends_is_invalid_and_does_nothing(kind: Any) -> None:
    house = House()
    client = await house.reader("a")
    outcome = await client.send({"t": kind, "id": "i", "ch": "a", "data": 1})
    await house.settle()

    assert outcome == Outcome(ErrorCode.INVALID)
    assert last_reason(house) == Refusal.TYPE
    assert client.kinds() == ["hello", "subscribed"]


@pytest.mark.parametrize("frame_id", ["", "x" * 65, 7, True, [], {}])
@in_loop
async def test_an_id_that_is_none_is_invalid(frame_id: Any) -> None:
    client = await House().reader()

    assert await client.send({"t": "ping", "id": frame_id}) == Outcome(ErrorCode.INVALID)


@pytest.mark.parametrize("frame_id", ["x", "x" * 64, None])
@in_loop
async def test_an_id_comes_back_as_it_was(frame_id: str | None) -> None:
    client = await House().reader()

    assert await client.send({"t": "ping", "id": frame_id}) == Outcome(id=frame_id)


@given(data=st.binary(max_size=1_200))
@in_loop
async def test_r65_whatever_bytes_come_up_they_get_an_outcome_and_do_nothing(data: bytes) -> None:
    house = House()
    client = await house.reader("a")
    outcome = await up(client, data)

    assert outcome.code == ErrorCode.INVALID
    assert outcome.too_large is (len(data) > 1_024)
    assert client.seen[-1].kind == "subscribed"


@given(payload=st.dictionaries(st.sampled_from(["t", "id", "ch", "since", "data", "kind", "count", "x"]), json_values))
@in_loop
async def test_r65_whatever_a_payload_holds_it_gets_an_outcome(payload: dict[str, Any]) -> None:
    client = await House(REALTIME).reader("a")
    for kind in ("sub", "unsub", "pub", "confirm", "report", "ping"):
        outcome = await client.send({**payload, "t": kind})
        assert outcome.code in {None, ErrorCode.INVALID, ErrorCode.UNAUTHORIZED}


@given(data=st.data())
@settings(max_examples=60)
@in_loop
async def test_r66_r15_no_edit_of_a_frame_is_accepted_with_another_meaning(data: Any) -> None:
    house = House(REALTIME)
    client = await house.reader("a")
    frame = client.sign({"t": "pub", "id": "i", "conn": client.connection.conn, "ch": "a", "data": {"n": 4.5}})
    edits: list[Callable[[bytes, int, int], bytes]] = [
        lambda text, at, bit: text[:at] + bytes([text[at] ^ (1 << bit % 8)]) + text[at + 1 :],
        lambda text, at, _: text[:at] + text[at + 1 :],
        lambda text, at, byte: text[:at] + bytes([byte]) + text[at:],
        lambda text, at, _: text[:at] + text[at : at + 1] + text[at:],
        lambda text, at, _: text[:at],
    ]
    edited = data.draw(st.sampled_from(edits))(
        frame, data.draw(st.integers(0, len(frame) - 1)), data.draw(st.integers(0, 255))
    )
    outcome = await up(client, edited)
    await house.settle()

    if outcome.code is None:
        assert canonical.decode(edited) == canonical.decode(frame), "white space alone may differ"
        assert client.data() == [{"n": 4.5}]
    else:
        assert client.data() == []


@in_loop
async def test_r12_r64_a_store_that_is_away_refuses_the_frame_and_says_why_in_the_log_alone(
    caplog: pytest.LogCaptureFixture,
) -> None:
    clock = ManualClock()
    store = SlowStore(clock)
    house = House(store=store, clock=clock)
    client = await house.reader("a")
    store.is_away = True
    outcome = await client.send({"t": "pub", "id": "i", "ch": "a", "data": 1})
    await house.settle()

    assert outcome == Outcome(ErrorCode.INTERNAL, "i")
    assert client.data() == []
    assert "request-1" in caplog.text
    assert "The store is away." in caplog.text
    told = house.facts[-1]
    assert (told.code, told.reason, told.request_id) == (FactCode.INTERNAL_ERROR, "StoreError", "request-1")


@pytest.mark.parametrize("payload", [{"t": "sub", "ch": "b"}, {"t": "pub", "ch": "a", "data": 1}], ids=["sub", "pub"])
@in_loop
async def test_r12_a_store_that_fails_half_way_is_an_internal_error_with_the_frames_id(payload: dict[str, Any]) -> None:
    class HalfAway(SlowStore):
        async def claim(self, kid: str, nonce: str, ts: int, now_ms: int, share: str | None = None) -> Claim:
            return await super(SlowStore, self).claim(kid, nonce, ts, now_ms, share)

    clock = ManualClock()
    store = HalfAway(clock)
    house = House(store=store, clock=clock)
    client = await house.reader("a")
    store.is_away = True

    assert await client.send({"id": "i", **payload}) == Outcome(ErrorCode.INTERNAL, "i")
    store.is_away = False
    assert (await client.send({"id": "i", **payload})).code is None, "a retry is not held against it"
