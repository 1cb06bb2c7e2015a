"""Logins of a development hub: ids are made by the hub, new each time, and end for good (PROTOCOL §3, R37, R40)."""

import re
import time
from collections.abc import Callable

import pytest

from jitterbug.protocol import base64
from jitterbug.protocol.codes import Down
from tests.server.answers import assert_base, assert_refused
from tests.server.serving import Kind, Running, until
from tests.server.visitor import Visitor

Visit = Callable[..., Visitor]
NEEDS_A_SESSION = [
    ("POST", "/keys"),
    ("POST", "/frames"),
    ("POST", "/stream"),
    ("GET", "/stream"),
    ("DELETE", "/session"),
]
MADE_UP = base64.encode_url(bytes(range(24)))


def session_id(visitor: Visitor) -> str:
    return visitor.cookie.partition("=")[2]


@pytest.mark.parametrize(("method", "path"), NEEDS_A_SESSION)
def test_without_a_cookie_nothing_moves(stranger: Visitor, method: str, path: str) -> None:
    """R37, R61."""
    assert_refused(stranger.http.request(method, path), 401)


@pytest.mark.parametrize("cookie", ["jitterbug=", f"jitterbug={MADE_UP}", "jitterbug=%00", "__Host-jitterbug=x", "="])
@pytest.mark.parametrize(("method", "path"), NEEDS_A_SESSION)
def test_a_made_up_cookie_is_a_missing_one(stranger: Visitor, method: str, path: str, cookie: str) -> None:
    """R40, R61, O15."""
    assert_refused(stranger.http.request(method, path, headers={"cookie": cookie}), 401)


def test_a_made_up_id_is_never_adopted(stranger: Visitor) -> None:
    """R40, O15: neither by asking for a key nor by logging in under it (fixation)."""
    planted = {"cookie": f"jitterbug={MADE_UP}"}

    assert_refused(stranger.http.post("/keys", headers=planted), 401)
    answer = stranger.http.post("/session", headers=planted)

    assert answer.status_code == 204
    assert MADE_UP not in answer.headers["set-cookie"]
    stranger.http.cookies.clear()
    assert_refused(stranger.http.post("/keys", headers=planted), 401)


@pytest.mark.parametrize("name", ["x-session-id", "authorization", "x-session", "session", "x-csrf-token"])
def test_an_id_in_another_header_is_not_taken(hub: Running, visitor: Visitor, name: str) -> None:
    """R40, O15: a real id, in every place but the cookie."""
    value = session_id(visitor)
    with Visitor(hub) as other:
        for text in (value, f"Bearer {value}", f"jitterbug={value}"):
            assert_refused(other.http.post("/keys", headers={name: text}), 401)


@pytest.mark.parametrize("name", ["session", "jitterbug", "session_id", "access_token", "cookie"])
def test_an_id_in_the_query_is_not_taken(hub: Running, visitor: Visitor, name: str) -> None:
    """R40, O15."""
    with Visitor(hub) as other:
        assert_refused(other.http.post("/keys", params={name: session_id(visitor)}), 401)


def test_login_sets_a_cookie_that_scripts_and_other_sites_never_see(stranger: Visitor) -> None:
    """PROTOCOL §3: ``HttpOnly; SameSite=Strict; Path=/``, 128 random bits or more."""
    answer = stranger.http.post("/session")

    assert (answer.status_code, answer.content) == (204, b"")
    assert_base(answer.headers)
    value, *attributes = answer.headers["set-cookie"].split("; ")
    assert sorted(attributes) == ["HttpOnly", "Path=/", "SameSite=Strict"]
    match = re.fullmatch(r"jitterbug=([A-Za-z0-9_-]+)", value)
    assert match
    assert len(base64.decode_url(match[1])) * 8 >= 128


def test_each_login_has_an_id_of_its_own(stranger: Visitor) -> None:
    """200 logins, some under the cookie of the one before."""
    cookies = {stranger.http.post("/session").headers["set-cookie"] for _ in range(200)}

    assert len(cookies) == 200


def test_logging_in_again_ends_the_login_before(hub: Running, visit: Visit) -> None:
    """Fixation: the old id is worth nothing afterwards, and its stream ends."""
    visitor = visit(hub)
    old, stream = visitor.cookie, visitor.post_stream()
    assert stream.conn

    visitor.log_in()

    assert visitor.cookie != old
    assert stream.control(Down.BYE)["reason"] == "revoked"
    with Visitor(hub, cookie=old) as former:
        assert_refused(former.http.post("/keys"), 401)
    assert visitor.http.post("/keys").status_code == 200


def test_a_bearer_token_is_no_login_here(stranger: Visitor) -> None:
    """Nobody configured whose tokens to believe: refused rather than made anonymous."""
    answer = stranger.http.post("/session", headers={"authorization": "Bearer eyJhbGciOiJub25lIn0.e30."})

    assert_refused(answer, 401)
    assert "set-cookie" not in answer.headers


def test_logout_ends_keys_and_streams_within_a_second(kind: Kind, server: Running, visit: Visit) -> None:
    """R17, PROTOCOL §2: by the old cookie nothing works any more; another login goes on."""
    visitor, other = visit(server), visit(server)
    kid, cookie = visitor.kid, visitor.cookie
    stream, one_more, others = visitor.post_stream(["a"]), visitor.get_stream("a"), other.post_stream(["a"])
    for item in (stream, one_more, others):
        item.control(Down.SUBSCRIBED)
    frame = visitor.sign({"t": "ping", "id": "late", "conn": stream.conn})
    started_s = time.monotonic()

    answer = visitor.http.delete("/session")

    assert answer.status_code == 204
    assert "Max-Age=0" in answer.headers["set-cookie"]
    for item in (stream, one_more):
        assert item.control(Down.BYE)["reason"] == "revoked"
        item.wait_for_end()
        assert item.is_over
    assert time.monotonic() - started_s < 1
    with Visitor(server, cookie=cookie) as former:
        assert_refused(former.http.post("/keys"), 401)
        assert_refused(former.post("/frames", frame), 401)
        assert_refused(former.http.get("/stream", params={"kid": kid}), 401)
    server.publish("a", "still here")
    assert others.take(1) == ["still here"]


def test_logout_leaves_nothing_behind(hub: Running, visit: Visit) -> None:
    """The registry forgets the streams of the login."""
    before = hub.connections()
    visitor = visit(hub)
    streams = [visitor.post_stream(["a", "b"]) for _ in range(5)]
    until(lambda: hub.connections() == before + 5)

    visitor.http.delete("/session")

    for stream in streams:
        stream.wait_for_end()
    until(lambda: hub.connections() == before, limit_s=1)
