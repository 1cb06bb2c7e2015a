"""Rights that end while a request is under way end for what it opens, too (R17, PROTOCOL §4)."""

import json
import time

from starlette.requests import Request

from jitterbug.hub.sessions import Session
from jitterbug.protocol.codes import Down
from jitterbug.server.sessions import OwnSessions
from jitterbug.testing import ManualClock
from tests.server.conftest import Start
from tests.server.serving import Running
from tests.server.visitor import JSON, Visitor
from tests.server.wire import OpenStream

COOKIE = "who=alice"


def alice(data: str) -> Session:
    return Session("alice-0123456789abcdef0123456789", subject="alice", data=data)


def members_only(session: Session, _action: str, _channel: str) -> bool:
    return bool(session.data == "member")


def begin_stream(server: Running, visitor: Visitor, channel: str) -> tuple[OpenStream, bytes]:
    """Ask for a stream, but for the last byte, which is returned; the session is resolved by then."""
    body = json.dumps({"kid": visitor.kid, "channels": {channel: None}}).encode()
    data = visitor.raw("POST", "/stream", {**JSON, "Host": f"127.0.0.1:{server.port}", "Cookie": COOKIE}, body)
    return OpenStream(server.port, data[:-1], visitor.receiver({channel: None}), visitor.clock.now_ms), data[-1:]


def test_a_stream_whose_body_came_after_the_change_has_the_changed_rights(start: Start, channel: str) -> None:
    resolved: list[float] = []

    def resolve(_request: Request) -> Session:
        resolved.append(time.monotonic())
        return alice("member")

    server = start(session=resolve, authorize=members_only)
    with Visitor(server, cookie=COOKIE) as visitor:
        visitor.fetch_key()
        asked = len(resolved)
        stream, rest = begin_stream(server, visitor, channel)
        with stream:
            while len(resolved) == asked:
                time.sleep(0.005)
            server.wait_for(server.push.reauthorize(alice("former member")))
            stream.socket.sendall(rest)
            refused = stream.control(Down.UNSUBSCRIBED)
            server.publish(channel, "secret")
            assert (refused["ch"], refused["reason"]) == (channel, "unauthorized")
            assert visitor.send({"t": "pub", "conn": refused["conn"], "ch": channel, "data": 1}).status_code == 401


def test_a_login_of_the_hubs_own_is_changed_for_good() -> None:
    """What a token had granted does not come back with the next request."""
    own = OwnSessions(ManualClock(), secure=True, per_address=3)
    session = own.create("192.0.2.1", subject="alice", data="member")
    assert session is not None
    own.change(Session(session.id, subject="alice", data="former member"))
    own.change(alice("nobody's"))

    found = own(Request({"type": "http", "headers": [(b"cookie", f"{own.cookie_name}={session.id}".encode())]}))
    assert found is not None
    assert found.data == "former member"
    assert len(own) == 1
