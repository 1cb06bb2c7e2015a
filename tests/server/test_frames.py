"""``POST BASE/frames``: what a client says over HTTP, and what becomes of it (PROTOCOL §4, §5)."""

from collections.abc import Callable
from typing import Any

import pytest

from jitterbug.protocol.codes import Down, Up
from jitterbug.testing import ManualClock
from tests.server.answers import assert_base, assert_refused
from tests.server.conftest import Start
from tests.server.serving import Kind, Running
from tests.server.visitor import Visitor

Visit = Callable[..., Visitor]


def test_subscriptions_change_while_the_stream_is_open(server: Running, visit: Visit, channel: str) -> None:
    """PROTOCOL §4: ``sub`` and ``unsub``; ``subscribed`` comes before any ``msg`` of the channel."""
    visitor = visit(server)
    stream = visitor.post_stream()
    conn = stream.conn

    assert visitor.send({"t": "sub", "id": "one", "conn": conn, "ch": channel}).json() == {"id": "one"}
    server.publish(channel, 1)
    assert stream.take(1) == [1]
    assert visitor.send({"t": "unsub", "id": "two", "conn": conn, "ch": channel}).json() == {"id": "two"}
    assert stream.control(Down.UNSUBSCRIBED)["reason"] == "asked"
    del stream.receiver.positions[channel]  # as a client does that asked for it
    server.publish(channel, 2)
    assert visitor.send({"t": "sub", "id": "three", "conn": conn, "ch": channel}).json() == {"id": "three"}
    server.publish(channel, 3)

    stream.wait_for(lambda: len(stream.publications()) == 2)
    assert [item.data for item in stream.publications()] == [1, 3]
    assert not stream.faults()


def test_a_session_publishes_where_it_may(server: Running, visit: Visit, channel: str) -> None:
    """PROTOCOL §4: ``pub``; the answer says where the publication stands, the same for a retry."""
    visitor, reader = visit(server), visit(server)
    stream = reader.post_stream([channel])
    stream.control(Down.SUBSCRIBED)
    conn = visitor.post_stream().conn
    payload = {"t": "pub", "id": "1", "conn": conn, "ch": channel, "data": {"a": 1}}

    answers = [visitor.send(payload), visitor.send(payload), visitor.send({**payload, "id": "2"})]

    assert_base(answers[0].headers)
    positions = [answer.json()["pos"] for answer in answers]
    assert positions[0] == positions[1]
    assert positions[2][1] == 2
    assert stream.take(2) == [{"a": 1}, {"a": 1}]


def test_nobody_uses_up_the_ids_of_another(hub: Running, visit: Visit, channel: str) -> None:
    one, two = visit(hub), visit(hub)
    for visitor, data in ((one, "mine"), (two, "theirs")):
        conn = visitor.post_stream().conn
        visitor.send({"t": "pub", "id": "1", "conn": conn, "ch": channel, "data": data})
    stream = one.post_stream([channel])

    assert stream.control(Down.SUBSCRIBED)["pos"][1] == 2


def test_a_publication_over_the_limit_is_refused_at_the_publisher(hub: Running, visitor: Visitor, channel: str) -> None:
    """R58: its frame would be larger downstream than it is upstream."""
    conn = visitor.post_stream().conn
    payload = {"t": "pub", "id": "1", "conn": conn, "ch": channel, "data": "x" * 720}
    assert len(visitor.sign(payload)) <= 1_024

    assert_refused(visitor.send(payload), 413)


def test_ping_is_answered(hub: Running, visitor: Visitor) -> None:
    """PROTOCOL §4: over HTTP the answer is the outcome; the ``id`` comes back."""
    conn = visitor.post_stream().conn

    for frame_id in ("1", "x" * 64, "é"):
        assert visitor.send({"t": "ping", "id": frame_id, "conn": conn}).json() == {"id": frame_id}


def test_reports_are_counted_by_kind(hub: Running, visitor: Visitor) -> None:
    """R14, R78: what a client saw shows on the operator listener, as seen by a client."""
    conn = visitor.post_stream().conn
    names = [f'hmac_verification_failures_total{{reason="{kind}",seen_by="client"}}' for kind in ("signature", "gap")]
    before = [hub.metric(name) for name in names]

    assert visitor.send({"t": "report", "conn": conn, "kind": "signature", "count": 3}).status_code == 200
    assert visitor.send({"t": "report", "conn": conn, "kind": "gap"}).json() == {}

    assert [hub.metric(name) for name in names] == [before[0] + 3, before[1] + 1]


@pytest.mark.parametrize(
    "payload",
    [
        {"t": "report", "kind": "pleasure"},
        {"t": "report", "kind": "gap", "count": 0},
        {"t": "report", "kind": "gap", "count": 10**9},
        {"t": "report", "kind": "gap", "count": True},
        {"t": "report", "kind": ["gap"]},
        {"t": "report"},
        {"t": "sub"},
        {"t": "sub", "ch": 1},
        {"t": "sub", "ch": "a", "since": "x"},
        {"t": "sub", "ch": "a", "since": ["e", -1]},
        {"t": "unsub", "ch": None},
        {"t": "pub", "ch": "a"},
        {"t": "pub", "data": 1},
        {"t": "ping", "id": ""},
        {"t": "ping", "id": 1},
        {"t": "ping", "id": "x" * 65},
        {"t": "dance"},
        {"t": ["ping"]},
        {"t": "publish", "ch": "a", "data": 1},
        {},
    ],
    ids=str,
)
def test_payloads_of_another_form_are_refused(hub: Running, visitor: Visitor, payload: dict[str, Any]) -> None:
    """R62."""
    conn = visitor.post_stream().conn

    assert_refused(visitor.send({"id": "1", **payload, "conn": conn}), 400)


@pytest.mark.parametrize("kind", Down)
def test_a_frame_of_the_hub_is_never_taken_back(hub: Running, visitor: Visitor, kind: Down) -> None:
    """PROTOCOL §4: the directions share no type, so a frame cannot be reflected, though the key is the same."""
    assert kind not in set(Up)
    stream = visitor.post_stream(["a"])
    conn = stream.conn

    assert_refused(visitor.send({"t": kind.value, "id": "1", "conn": conn, "ch": "a", "data": 1}), 400)


def test_a_frame_of_the_hub_itself_is_not_taken_back(hub: Running, visitor: Visitor) -> None:
    """To the byte, as it came down the stream, nonce and all."""
    stream = visitor.post_stream(["a"])
    stream.control(Down.SUBSCRIBED)

    for block in stream.blocks()[1:]:
        assert_refused(visitor.post("/frames", block.split(b"data: ")[1]), 400)


@pytest.mark.parametrize("kind", [kind for kind in Up if kind is not Up.REPORT])
def test_a_connection_is_moved_by_its_own_session_only(hub: Running, visit: Visit, kind: Up) -> None:
    """REQUIREMENTS §2.8: signed with a good key of another login: refused, and nothing happens."""
    visitor, other = visit(hub), visit(hub)
    conn = visitor.post_stream(["a"]).conn
    payload = {"t": kind.value, "id": "1", "ch": "a", "data": 1}

    for name in (conn, "x", "", None, 7, [conn]):
        assert_refused(other.send({**payload, "conn": name}), 401)
    assert_refused(visitor.send(payload), 401)


def test_inbound_frames_have_a_bucket_of_their_own_and_a_growing_back_off(
    kind: Kind, start: Start, visit: Visit
) -> None:
    """R9, R54, R63: ten pass; then 429 with a wait that doubles while the peer goes on, and in the end ``bye``."""
    clock = ManualClock()
    server = start(kind, clock=clock)
    visitor = visit(server)
    stream = visitor.post_stream()
    conn = stream.conn

    def ping() -> Any:
        return visitor.send({"t": "ping", "id": "1", "conn": conn})

    assert [ping().status_code for _ in range(10)] == [200] * 10
    refused = [ping() for _ in range(10)]
    for answer in refused:
        assert_refused(answer, 429)
    waits = [int(answer.headers["retry-after"]) for answer in refused]
    assert waits == [1, 2, 4, 8, 16, 30, 30, 30, 30, 30]
    clock.advance(s=30)
    assert ping().status_code == 200, "whoever waits as told goes on"
    clock.advance(s=30)
    assert ping().status_code == 200
    assert [ping().status_code for _ in range(9)] == [200] * 9
    assert int(ping().headers["retry-after"]) == 1, "good behaviour resets it"
    for _ in range(10):
        ping()
    assert stream.control(Down.BYE)["reason"] == "rate"


def test_frames_that_name_no_connection_are_limited_by_session(start: Start, visit: Visit) -> None:
    """R9: nobody gets an unlimited oracle by leaving ``conn`` out, or by sending noise."""
    hub = start(clock=ManualClock())
    visitor, noisy, other = visit(hub), visit(hub), visit(hub)

    statuses = [visitor.send({"t": "ping", "id": "1", "conn": "nowhere"}).status_code for _ in range(12)]
    noise = [noisy.post("/frames", b"{}").status_code for _ in range(12)]

    assert statuses == [401] * 10 + [429] * 2
    assert noise == [400] * 10 + [429] * 2
    assert other.send({"t": "ping", "id": "1", "conn": "nowhere"}).status_code == 401
