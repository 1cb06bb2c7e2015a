"""Presence from end to end: what the hub says of a channel, and what its readers are told (PROTOCOL §5, Presence)."""

from typing import Any

from starlette.requests import Request

from jitterbug.client import Joined, Left, Notice
from jitterbug.client.blocking import BlockingStream, connect
from jitterbug.hub import presence
from jitterbug.hub.sessions import Session
from tests.server.conftest import Start, development
from tests.server.serving import Running, until


def by_cookie(request: Request) -> Session | None:
    """The login is whoever the cookie says; nobody else can say so in a test."""
    who = request.cookies.get("who")
    return Session(f"session-of-{who}-0123456789abcdef", subject=who) if who else None


def reader(server: Running, who: str, notices: list[Notice], **options: Any) -> BlockingStream:
    return connect(server.url, cookies={"who": who}, on_notice=notices.append, channels=["room/1", "hall"], **options)


def told(notices: list[Notice]) -> list[Joined | Left]:
    return [notice for notice in notices if isinstance(notice, Joined | Left)]


def test_readers_are_told_who_comes_and_goes_and_the_application_who_is_there(start: Start, monkeypatch: Any) -> None:
    """Over both transports; of channels that have presence on, and of no others."""
    monkeypatch.setattr(presence, "GRACE_S", 0.1)
    server = start(
        config=development(profile="realtime", presence=("room/*",)), session=by_cookie, authorize=lambda *_: True
    )
    ada_sees, bob_sees = list[Notice](), list[Notice]()
    with reader(server, "ada", ada_sees, transport="sse"):
        until(lambda: told(ada_sees) == [Joined("room/1", "ada")])
        with reader(server, "bob", bob_sees, transport="websocket"):
            until(lambda: len(told(bob_sees)) == 2)
            assert told(bob_sees) == [Joined("room/1", "ada"), Joined("room/1", "bob")]
            until(lambda: told(ada_sees)[1:] == [Joined("room/1", "bob")])
            assert server.do(server.push.presence, "room/1") == ["ada", "bob"]
            assert server.do(server.push.presence, "hall") == []
            assert server.do(server.push.hub.activity)["users"] == 2
        until(lambda: told(ada_sees)[2:] == [Left("room/1", "bob")])
        assert server.do(server.push.presence, "room/1") == ["ada"]


def test_users_are_counted_only_where_a_channel_has_presence_on(start: Start) -> None:
    """`$sys/activity` says 0 of them else, however many read."""
    server = start(config=development(profile="realtime"), session=by_cookie, authorize=lambda *_: True)
    with reader(server, "ada", []):
        assert server.do(server.push.hub.activity)["users"] == 0
        assert server.do(server.push.hub.activity)["sessions"] == 1
