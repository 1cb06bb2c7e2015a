"""The hub in an application's hands: its logins, its paths, its lifespan (PROTOCOL §3, ARCHITECTURE)."""

import asyncio
import time
from collections.abc import Callable
from typing import Any

import pytest
from fastapi import FastAPI
from starlette.applications import Starlette

from jitterbug import Jitterbug, JitterbugError, Session, SettingError
from jitterbug.protocol.codes import Down
from jitterbug.testing import ManualClock
from tests.server import serving
from tests.server.answers import assert_refused
from tests.server.conftest import Start, development
from tests.server.serving import ask
from tests.server.visitor import Visitor

Visit = Callable[..., Visitor]
USERS = {"login=a": Session("id-of-ada-000000", "ada"), "login=b": Session("id-of-bob-000000", "bob")}


def resolve(request: Any) -> Session | None:
    return USERS.get(request.headers.get("cookie"))


async def resolve_later(request: Any) -> Session | None:
    return resolve(request)


def owners(session: Session, action: str, channel: str) -> bool:
    return channel.startswith(f"{session.subject}/")


@pytest.mark.parametrize("resolver", [resolve, resolve_later])
def test_the_application_says_who_is_asking(start: Start, visit: Visit, resolver: Any) -> None:
    """PROTOCOL §3: a function from the request to a session, plain or async."""
    server = start("fastapi", session=resolver, authorize=owners)
    ada, bob = (visit(server, cookie=cookie) for cookie in USERS)
    streams = [ada.get_stream("ada/1", "bob/1"), bob.get_stream("ada/1", "bob/1")]
    for stream in streams:
        stream.control(Down.UNSUBSCRIBED)
        stream.control(Down.SUBSCRIBED)

    server.publish("ada/1", "for ada")
    server.publish("bob/1", "for bob")

    assert [stream.take(1) for stream in streams] == [["for ada"], ["for bob"]]
    with Visitor(server, cookie="login=c") as stranger:
        assert_refused(stranger.http.post("/keys"), 401)


def test_the_hub_hands_out_no_logins_of_its_own_then(start: Start) -> None:
    server = start("fastapi", session=resolve)
    with Visitor(server) as stranger, Visitor(server, cookie="login=a") as ada:
        assert_refused(stranger.http.post("/session"), 401)
        answer = ada.http.delete("/session")

    assert answer.status_code == 204
    assert "set-cookie" not in answer.headers, "the cookie is the application's"


def test_without_a_rule_nobody_may_do_anything() -> None:
    """REQUIREMENTS §2.30: default deny, outside development."""
    with pytest.raises(SettingError, match="session"):
        Jitterbug()
    policy = Jitterbug(session=resolve).hub.policy

    async def may(action: Any) -> bool:
        return await policy.allows(USERS["login=a"], action, "a")

    assert not asyncio.run(may("subscribe"))
    assert not asyncio.run(may("publish"))


@pytest.mark.parametrize("path", ["/live", "/api/v2/jitterbug", "/j"])
def test_it_can_be_mounted_elsewhere(visit: Visit, path: str) -> None:
    server = serving.start_mounted(Jitterbug(config=development()), path)
    try:
        visitor = visit(server, base=path)
        stream = visitor.get_stream("a")
        stream.control(Down.SUBSCRIBED)
        server.publish("a", 1)
        assert stream.take(1) == [1]
        assert_refused(visitor.http.get("/nothing"), 404)
        assert ask("POST", f"{server.url}/api/jitterbug/keys").status_code == 404
    finally:
        server.stop()


def test_routes_of_the_application_stay_its_own() -> None:
    """The mount takes its own paths and no others, in Starlette as in FastAPI."""
    for app in (Starlette(), FastAPI()):
        before = len(app.router.routes)
        Jitterbug(config=development()).install(app)
        assert len(app.router.routes) == before + 1


def test_it_starts_at_the_first_request_where_nobody_gave_it_a_lifespan(start: Start, visit: Visit) -> None:
    """A mounted application gets none of its own; ticks run all the same."""
    server = start("h11")
    assert server.push.hub._ticking is None
    stream = visit(server).post_stream(["a"])
    stream.control(Down.SUBSCRIBED)
    server.publish("a", *range(11))

    assert stream.take(11) == list(range(11))


def test_revoking_a_login_ends_its_keys_and_streams_within_a_second(start: Start, visit: Visit) -> None:
    """R17, PROTOCOL §2: though the application still knows it; and another login goes on."""
    server = start("fastapi", session=resolve, authorize=owners)
    ada, bob = (visit(server, cookie=cookie) for cookie in USERS)
    streams = [ada.get_stream("ada/1"), ada.post_stream(["ada/2"])]
    others = bob.get_stream("bob/1")
    for stream in (*streams, others):
        stream.control(Down.SUBSCRIBED)
    started_s = time.monotonic()

    server.do(server.push.revoke, USERS["login=a"].id)

    for stream in streams:
        assert stream.control(Down.BYE)["reason"] == "revoked"
        stream.wait_for_end()
    assert time.monotonic() - started_s < 1
    assert_refused(ada.send({"t": "ping", "id": "1", "conn": streams[0].conn}), 401)
    assert ada.http.post("/stream", json={"kid": ada.kid}).status_code == 204, "never come back (PROTOCOL §5)"
    assert_refused(ada.http.post("/keys"), 401)
    server.publish("bob/1", "goes on")
    assert others.take(1) == ["goes on"]


def test_a_login_that_runs_out_takes_its_stream_along(start: Start, visit: Visit) -> None:
    """PROTOCOL §2: ``bye`` ``lifetime`` signed before the end; afterwards 401 everywhere."""
    clock = ManualClock()
    ends = Session("id-that-ends-0000", "eve", expires_at=clock.now_ms() / 1_000 + 100)
    server = start("fastapi", session=lambda _request: ends, clock=clock)
    visitor = visit(server, cookie="x=y")
    stream = visitor.get_stream("a")
    stream.control(Down.SUBSCRIBED)

    clock.advance(s=99.95)

    assert stream.control(Down.BYE)["reason"] == "lifetime"
    assert not stream.faults()
    clock.advance(ms=51)
    assert_refused(visitor.http.post("/keys"), 401)
    assert_refused(visitor.http.get("/stream", params={"kid": visitor.kid}), 401)


def test_an_emitter_publishes_by_itself(start: Start, visit: Visit) -> None:
    """ARCHITECTURE: a source inside, on a channel of its own or one it names; plain or async."""
    server = start(rate_capacity=100)
    push = server.push

    def register() -> None:
        @push.emitter("load", every_s=0.1)
        def load() -> dict[str, int]:
            return {"load": 1}

        @push.emitter("named", every_s=0.1, channel="news")
        async def named() -> str:
            return "hello"

    server.do(register)
    stream = visit(server).get_stream("$sys/load", "news")

    stream.wait_for(lambda: stream.publications("news") and stream.publications("$sys/load"))
    assert stream.publications("news")[0].data == "hello"
    assert stream.publications("$sys/load")[0].data == {"load": 1}


def test_it_can_be_started_again(visit: Visit) -> None:
    """As test suites do, and reloading servers: what was stopped with streams open serves once more."""
    push = Jitterbug(config=development())
    for turn in range(3):
        server = serving.start("fastapi", push)
        try:
            stream = visit(server).get_stream("a")
            stream.control(Down.SUBSCRIBED)
            server.publish("a", turn)
            assert stream.take(1) == [turn]
            server.publish("a", *range(30))
        finally:
            server.stop()


@pytest.mark.parametrize("session_id", ["", "x" * 1_025])
def test_a_session_without_a_proper_id_is_none(session_id: str) -> None:
    with pytest.raises(JitterbugError):
        Session(session_id)


def test_a_session_does_not_show_its_id() -> None:
    """R48: the wire and the log are searched in test_secrecy."""
    session = USERS["login=a"]

    assert session.id not in repr(session)
    assert session.id not in session.hash
