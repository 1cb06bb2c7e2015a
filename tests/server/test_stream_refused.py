"""Streams that are not opened: who may not, what is malformed, and "later" as EventSource understands it."""

import re
from collections.abc import Callable

import pytest

from jitterbug import Jitterbug, Session
from jitterbug.protocol.codes import Down
from jitterbug.testing import ManualClock
from tests.server import serving
from tests.server.answers import assert_refused
from tests.server.conftest import Start, development
from tests.server.serving import Kind, Running, ask, until
from tests.server.visitor import Visitor

Visit = Callable[..., Visitor]
BAD_NAMES = [
    "", " ", "a b", "a\nb", "a\rb", "a\0b", "a:b", "a*", "ä", "$", "$$sys", "a$", "x" * 129, "$" + "x" * 128, "a?b",
    "😀", "a\ndata: x",
]  # fmt: skip
GOOD_NAMES = ["a", "A-Z_a-z.0/9", "x" * 128, ".", "-", "/", "..", "$sys/telemetry"]


def both(visitor: Visitor, kid: str, *channels: str) -> list:
    """The same request by GET and by POST."""
    return [
        visitor.http.get("/stream", params=[("kid", kid), *(("channel", name) for name in channels)]),
        visitor.http.post("/stream", json={"kid": kid, "channels": dict.fromkeys(channels)}),
    ]


def test_a_revoked_session_is_told_never_to_come_back() -> None:
    """PROTOCOL §5: 204 ends a native EventSource for good; keys are refused as to any stranger (R17)."""
    push = Jitterbug(session=lambda _request: Session("login-of-ann"), config=development())
    server = serving.start("transport", push)
    try:
        base = f"{server.url}/api/jitterbug"
        kid = ask("POST", f"{base}/keys").json()["kid"]
        server.do(lambda: push.revoke("login-of-ann"))

        for answer in (
            ask("GET", f"{base}/stream?kid={kid}"),
            ask("POST", f"{base}/stream", json={"kid": kid, "channels": {}}),
        ):
            assert answer.status_code == 204
            assert answer.content == b""
        assert_refused(ask("POST", f"{base}/keys"), 401)
    finally:
        server.stop()


def test_unknown_foreign_and_expired_keys_are_refused_alike(kind: Kind, start: Start, visit: Visit) -> None:
    """R7, R31, R61: one status, one body, the same headers."""
    clock = ManualClock()
    server = start(kind, clock=clock)
    visitor, other = visit(server), visit(server)
    expired = visitor.kid
    root = server.push.hub.roots.current.kid
    clock.advance(s=600)
    clock.advance(ms=1)
    visitor.fetch_key()
    other.fetch_key()
    kids = ["k" * 52, "", "a:b", visitor.kid[:-1], visitor.kid[:-1] + "!", other.kid, expired, root, "x" * 5_000, "é"]

    answers = [answer for kid in kids for answer in both(visitor, kid, "a")]

    heads = set()
    for answer in answers:
        assert_refused(answer, 401)
        heads.add(tuple(sorted(name for name in answer.headers if name != "date")))
    assert len(heads) == 1
    assert visitor.get_stream("a").conn


def test_a_key_serves_until_its_last_millisecond(start: Start, visit: Visit) -> None:
    """R38: ``expiresAt`` itself is still good; whatever is opened then ends at once, with ``bye``."""
    clock = ManualClock()
    visitor = visit(start(clock=clock))
    clock.advance(s=600)

    stream = visitor.get_stream("a")

    assert stream.control(Down.BYE)["reason"] == "key_expired"
    clock.advance(ms=1)
    assert_refused(visitor.http.get("/stream", params={"kid": visitor.kid}), 401)


@pytest.mark.parametrize("name", BAD_NAMES)
def test_a_name_that_is_no_channel_is_refused(hub: Running, visitor: Visitor, name: str) -> None:
    """R62, REQUIREMENTS §2.32: refused, never cleaned."""
    for answer in both(visitor, visitor.kid, "fine", name):
        assert_refused(answer, 400)


@pytest.mark.parametrize("name", GOOD_NAMES)
def test_names_by_the_grammar_are_channels(hub: Running, visitor: Visitor, name: str) -> None:
    """PROTOCOL §4: to the last letter. ``..`` is a name like any other: no path is ever made of it."""
    for stream in (visitor.get_stream(name), visitor.post_stream([name])):
        assert stream.control(Down.SUBSCRIBED)["ch"] == name


def test_a_hundred_channels_and_no_more(server: Running, visit: Visit) -> None:
    """PROTOCOL §5: by a stream's request, and by ``sub`` on top of it."""
    visitor = visit(server)
    names = [f"of-many/{number}" for number in range(101)]
    for answer in both(visitor, visitor.kid, *names):
        assert_refused(answer, 400)

    for stream in (visitor.get_stream(*names[:100]), visitor.post_stream(names[:100])):
        stream.wait_for(lambda s=stream: len(s.controls(Down.SUBSCRIBED)) == 100)
        one_more = {"t": "sub", "id": "1", "conn": stream.conn, "ch": names[100]}
        assert_refused(visitor.send(one_more), 401)
        again = {"t": "sub", "id": "2", "conn": stream.conn, "ch": names[0]}
        assert visitor.send(again).json() == {"id": "2"}


@pytest.mark.parametrize(
    "query",
    [
        "", "channel=a", "kid=KID&kid=KID", "kid=KID&more=1", "kid=KID&token=x", "KID", "kid=KID&channel",
        "kid=KID&channel=%ff", "kid=KID&channel=a;channel=b", "kid=KID&" + "&".join(["channel=a"] * 200),
    ],
)  # fmt: skip
def test_a_query_that_says_anything_else_is_refused(hub: Running, visitor: Visitor, query: str) -> None:
    """PROTOCOL §5, R20: one kid, channels, and nothing that might mean something to somebody."""
    answer = visitor.http.get(f"/stream?{query.replace('KID', visitor.kid)}")

    assert_refused(answer, 400)


def test_later_is_said_in_words_a_native_eventsource_does_not_take_for_never(
    kind: Kind, start: Start, visit: Visit
) -> None:
    """PROTOCOL §5: too many connections. GET: 200 with a jittered ``retry:`` alone; POST: 503 with ``Retry-After``."""
    server = start(kind, max_connections_per_session=2)
    visitor = visit(server)
    open_ones = [visitor.get_stream("a"), visitor.post_stream(["a"])]
    for stream in open_ones:
        stream.control(Down.SUBSCRIBED)
    delays = set()
    for _ in range(5):
        refused = visitor.get_stream("a")
        refused.wait_for_end()
        assert refused.head is not None
        assert (refused.head.status, refused.is_over) == (200, True)
        assert refused.head.headers["content-type"] == "text/event-stream; charset=utf-8"
        match = re.fullmatch(rb"retry: (\d+)\n\n", refused.body)
        assert match
        delays.add(int(match[1]))
    assert len(delays) > 1
    assert all(1_000 <= delay_ms <= 30_000 for delay_ms in delays)
    answer = both(visitor, visitor.kid, "a")[1]
    assert_refused(answer, 503)
    assert 1 <= int(answer.headers["retry-after"]) <= 30

    assert visit(server).post_stream().conn, "another login is not touched"
    open_ones[0].close()
    until(lambda: server.connections() == 2)
    assert visitor.post_stream(["a"]).control(Down.SUBSCRIBED)


def test_the_whole_hub_has_a_bound_too(start: Start, visit: Visit) -> None:
    """REQUIREMENTS §2.26: ``MAX_CONNECTIONS``, whoever opens them."""
    hub = start(max_connections=3)
    visitors = [visit(hub) for _ in range(4)]
    for visitor in visitors[:3]:
        assert visitor.get_stream().conn

    assert_refused(both(visitors[3], visitors[3].kid)[1], 503)
