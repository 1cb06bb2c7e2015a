"""``POST BASE/publish``: what a trusted back end publishes with a root key (PROTOCOL §6, R58)."""

import asyncio
import itertools
from collections.abc import Callable, Iterator
from typing import Any

import httpx2
import pytest

from jitterbug import Config, Jitterbug
from jitterbug.config import PublisherKey, Secret
from jitterbug.protocol.codes import Down
from jitterbug.protocol.publication import largest_frame_bytes
from jitterbug.protocol.signing import FrameSigner
from jitterbug.server.failures import FAILURES
from jitterbug.telemetry.events import Fact, FactCode
from jitterbug.testing import ManualClock
from tests.server import serving
from tests.server.answers import assert_base, assert_refused
from tests.server.conftest import development
from tests.server.serving import Running
from tests.server.visitor import Visitor

Visit = Callable[..., Visitor]
SECRET, PREVIOUS, WAREHOUSE = bytes(range(32)), bytes(range(100, 140)), bytes(range(50, 90))
_serial = itertools.count(1)


@pytest.fixture(scope="module", params=["transport", "fastapi"])
def hub(request: pytest.FixtureRequest) -> Iterator[Running]:
    """A hub with a root key of its own and one that is being rotated out."""
    config = development(
        hmac_key_id="back-end",
        hmac_secret=Secret(SECRET),
        hmac_previous_keys={"before": Secret(PREVIOUS)},
        publisher_keys={"warehouse": PublisherKey(Secret(WAREHOUSE), ("stock/*", "orders/**"))},
    )
    running = serving.start(request.param, Jitterbug(config=config))
    yield running
    running.stop()


def signed(payload: Any, kid: str = "back-end", secret: bytes = SECRET, off_ms: int = 0) -> Callable[[Visitor], bytes]:
    return lambda visitor: FrameSigner(kid, secret).sign(payload, visitor.clock.now_ms() + off_ms)


def publication(channel: str, data: Any = 1, **changes: Any) -> dict[str, Any]:
    return {"t": "publish", "id": f"id-{next(_serial)}", "ch": channel, "data": data, **changes}


def post(visitor: Visitor, make: Callable[[Visitor], bytes]) -> Any:
    return visitor.post("/publish", make(visitor))


def test_a_back_end_publishes_and_learns_the_position(hub: Running, visit: Visit, channel: str) -> None:
    """Without a session; the same bytes reach every reader, signed for each."""
    visitor = visit(hub)
    stream = visitor.get_stream(channel)
    stream.control(Down.SUBSCRIBED)
    with Visitor(hub) as back_end:
        answers = [post(back_end, signed(publication(channel, {"n": number}))) for number in (1, 2)]

    assert [answer.status_code for answer in answers] == [200, 200]
    bodies = [answer.json() for answer in answers]
    assert [sorted(body) for body in bodies] == [["ch", "pos"]] * 2
    assert [body["pos"][1] for body in bodies] == [1, 2]
    assert_base(answers[0].headers)
    assert stream.take(2) == [{"n": 1}, {"n": 2}]
    assert [item.position.to_json() for item in stream.publications()] == [body["pos"] for body in bodies]


def test_the_previous_root_key_still_works(hub: Running, visit: Visit, channel: str) -> None:
    """PROTOCOL §2: ``HMAC_PREVIOUS_KEYS``, while a root key is being rotated."""
    assert post(visit(hub), signed(publication(channel), "before", PREVIOUS)).status_code == 200


@pytest.mark.parametrize("channel", ["stock/1", "orders/a/b"])
def test_a_publisher_key_publishes_on_its_channels(hub: Running, visit: Visit, channel: str) -> None:
    """PROTOCOL §6: a publisher key from the configuration names its channels."""
    answered = post(visit(hub), signed(publication(channel), "warehouse", WAREHOUSE))
    assert answered.status_code == 200
    assert answered.json()["ch"] == channel


@pytest.mark.parametrize("channel", ["stock", "stock/1/2", "news", "$sys/alerts"])
def test_a_publisher_key_publishes_nowhere_else(hub: Running, visit: Visit, channel: str) -> None:
    """And the answer is that of a key that is not there."""
    refused = post(visit(hub), signed(publication(channel), "warehouse", WAREHOUSE))
    unknown = post(visit(hub), signed(publication(channel), "nobody-here", WAREHOUSE))

    assert_refused(refused, 401)
    assert refused.content == unknown.content


def test_a_publisher_key_that_tries_a_foreign_channel_is_told_of(hub: Running, visit: Visit) -> None:
    """R86: it is a back end that does what it may not."""
    facts: list[Fact] = []
    hub.do(hub.push.hub.facts.listen, facts.append)

    answered = post(visit(hub), signed(publication("news"), "warehouse", WAREHOUSE))

    (fact,) = [fact for fact in facts if fact.code is FactCode.PUBLISH_REFUSED]
    assert (fact.reason, fact.kid, fact.channel) == ("policy", "warehouse", "news")
    assert fact.request_id == answered.headers["x-request-id"]


@pytest.mark.parametrize(
    ("body", "status"), [(b"{}", 400), (b"x" * 2_000, 413), (None, 401)], ids=["grammar", "size", "signature"]
)
def test_whoever_fails_again_and_again_is_not_read_any_more(body: bytes | None, status: int) -> None:
    """REQUIREMENTS §2.27: no parsing and no MAC for a flood of bad frames; another address goes on publishing."""
    clock = ManualClock()
    push = Jitterbug(
        config=Config(hmac_key_id="back-end", hmac_secret=Secret(SECRET)), session=lambda _request: None, clock=clock
    )
    good, wrong = publication("a"), FrameSigner("back-end", PREVIOUS)

    def ask(address: str, frame: bytes) -> httpx2.Response:
        return in_process(push, address, frame)

    for _ in range(FAILURES):
        assert ask("192.0.2.7", body or wrong.sign(good, clock.now_ms())).status_code == status
    refused = ask("192.0.2.7", FrameSigner("back-end", SECRET).sign(good, clock.now_ms()))
    assert (refused.status_code, refused.headers["retry-after"]) == (429, "1")
    assert ask("192.0.2.8", FrameSigner("back-end", SECRET).sign(good, clock.now_ms())).status_code == 200
    clock.advance(s=1)
    assert ask("192.0.2.7", FrameSigner("back-end", SECRET).sign(good, clock.now_ms())).status_code == 200


def test_an_honest_back_end_meets_no_limit() -> None:
    clock = ManualClock()
    push = Jitterbug(
        config=Config(hmac_key_id="back-end", hmac_secret=Secret(SECRET)), session=lambda _request: None, clock=clock
    )
    signer = FrameSigner("back-end", SECRET)

    answers = [in_process(push, "192.0.2.7", signer.sign(publication("a"), clock.now_ms())) for _ in range(300)]

    assert {answer.status_code for answer in answers} == {200}


def in_process(push: Jitterbug, address: str, frame: bytes) -> httpx2.Response:
    """Publish from an address, over HTTPS as far as the hub can tell."""

    async def ask() -> httpx2.Response:
        transport = httpx2.ASGITransport(push.asgi, client=(address, 1))
        async with httpx2.AsyncClient(transport=transport, base_url="https://hub.example") as client:
            return await client.post("/publish", content=frame, headers={"content-type": "application/json"})

    async def all_of_it() -> httpx2.Response:
        try:
            return await ask()
        finally:
            await push.stop()
            push.hub.is_draining = False

    return asyncio.run(all_of_it())


@pytest.mark.parametrize("secret", [SECRET, PREVIOUS])
def test_a_publisher_keys_name_is_nothing_without_its_secret(hub: Running, visit: Visit, secret: bytes) -> None:
    assert_refused(post(visit(hub), signed(publication("stock/1"), "warehouse", secret)), 401)


def test_a_publisher_key_opens_no_stream(hub: Running, visit: Visit) -> None:
    """It derives nothing: only root keys make session keys."""
    visitor = visit(hub)
    visitor.log_in()
    body = b'{"kid":"warehouse","channels":{"stock/1":null}}'
    assert_refused(visitor.post("/stream", body), 401)


def test_the_same_frame_again_is_refused(hub: Running, visit: Visit, channel: str) -> None:
    """R8, R33: and nothing is published by it."""
    visitor = visit(hub)
    stream = visitor.get_stream(channel)
    stream.control(Down.SUBSCRIBED)
    frame = signed(publication(channel))(visitor)

    assert visitor.post("/publish", frame).status_code == 200
    for _ in range(3):
        assert_refused(visitor.post("/publish", frame), 401)
    hub.publish(channel, "end")
    assert stream.take(2) == [1, "end"]


def test_a_retry_is_signed_anew_and_changes_nothing(hub: Running, visit: Visit, channel: str) -> None:
    """PROTOCOL §6: the ``id`` makes it idempotent; the answer is the first one's."""
    visitor = visit(hub)
    stream = visitor.get_stream(channel)
    stream.control(Down.SUBSCRIBED)
    once = publication(channel, "once")

    bodies = [post(visitor, signed(once)).json() for _ in range(3)]
    other = post(visitor, signed(once, "before", PREVIOUS)).json()

    assert bodies == [bodies[0]] * 3
    assert other["pos"][1] == 2, "one back end's ids mean nothing under another's key"
    assert stream.take(2) == ["once", "once"]


@pytest.mark.parametrize(
    ("kid", "secret", "off_ms"),
    [
        ("back-end", PREVIOUS, 0),
        ("nobody", SECRET, 0),
        ("Back-end", SECRET, 0),
        ("back-end", SECRET, -5_500),
        ("back-end", SECRET, 5_500),
    ],
)
def test_a_wrong_key_or_time_is_refused(
    hub: Running, visit: Visit, channel: str, kid: str, secret: bytes, off_ms: int
) -> None:
    """R31, R32, R61: alike."""
    assert_refused(post(visit(hub), signed(publication(channel), kid, secret, off_ms)), 401)


def test_a_session_key_is_refused_here(hub: Running, visit: Visit, channel: str) -> None:
    """PROTOCOL §6, REQUIREMENTS §2.5: and a root key where session keys belong."""
    visitor = visit(hub)
    assert_refused(visitor.post("/publish", visitor.sign(publication(channel))), 401)

    conn = visitor.post_stream().conn
    ping = {"t": "ping", "id": "1", "conn": conn}
    assert_refused(visitor.post("/frames", signed(ping)(visitor)), 401)


@pytest.mark.parametrize(
    "changes",
    [
        {"more": 1},
        {"conn": "x"},
        {"t": "pub"},
        {"t": "msg"},
        {"t": None},
        {"ch": 1},
        {"ch": None},
        {"ch": ""},
        {"ch": "a b"},
        {"ch": "$sys/telemetry"},
        {"ch": "x" * 129},
        {"id": ""},
        {"id": 7},
        {"id": None},
        {"id": "x" * 65},
    ],
    ids=str,
)
def test_a_payload_of_another_form_is_refused(hub: Running, visit: Visit, channel: str, changes: dict) -> None:
    """R62: unknown members, other types, names that are no channel, the hub's own channels."""
    answer = post(visit(hub), signed(publication(channel, **changes)))

    assert_refused(answer, 400)


@pytest.mark.parametrize("missing", ["t", "id", "ch", "data"])
def test_every_member_is_needed(hub: Running, visit: Visit, channel: str, missing: str) -> None:
    payload = publication(channel)
    del payload[missing]

    assert_refused(post(visit(hub), signed(payload)), 400)


def test_what_would_not_fit_a_frame_is_refused_not_cut(hub: Running, visit: Visit, channel: str) -> None:
    """R58: 413 at the publisher, by the size of the frame readers would get; the largest that fits arrives whole."""
    visitor = visit(hub)
    stream = visitor.get_stream(channel)
    stream.control(Down.SUBSCRIBED)
    fits = 1_024 - largest_frame_bytes(channel, b'""')

    for data in ("x" * (fits + 1), "é" * (fits // 2 + 1)):
        assert_refused(post(visitor, signed(publication(channel, data))), 413)
    assert post(visitor, signed(publication(channel, "x" * fits))).status_code == 200

    assert stream.take(1) == ["x" * fits]
    assert 990 < len(stream.blocks()[-1].split(b"data: ")[1]) <= 1_024


@pytest.mark.parametrize("data", [None, True, 0, -0.5, 1e300, "", [], {}, "😀\u2028\x7f", {"a": {"b": [1, None]}}])
def test_any_json_value_arrives_as_it_was(hub: Running, visit: Visit, channel: str, data: Any) -> None:
    """R27, R35."""
    visitor = visit(hub)
    stream = visitor.post_stream([channel])
    stream.control(Down.SUBSCRIBED)

    assert post(visitor, signed(publication(channel, data))).status_code == 200

    assert stream.take(1) == [data]
