"""What only a WebSocket can do or suffer, and the way to it where a proxy holds the stream back (PROTOCOL §5)."""

import asyncio
import sys
import time
from typing import Any

import httpx2
import pytest
from websockets.asyncio.server import ServerConnection, serve

from jitterbug.client import (
    MissingError,
    NetworkError,
    Notice,
    Position,
    Status,
    UnavailableError,
    UnopenedError,
    Unsubscribed,
    blocking,
    choice,
    connect,
)
from jitterbug.client.answers import MAX_UNANSWERED, Answers
from jitterbug.client.hub_clock import HubClock
from jitterbug.client.refusals import RateLimitedError
from jitterbug.client.socket_wire import open_socket
from jitterbug.client.transport import Transport
from jitterbug.clock import SystemClock
from jitterbug.testing import ManualClock
from tests.client.holding_proxy import holding_proxy
from tests.client.scripted_hub import EPOCH, ScriptedHub, refuse
from tests.looped import in_loop


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A stream has a fifth of a second to its ``hello``."""
    monkeypatch.setattr(choice, "FIRST_PATIENCE_MS", 200)


@in_loop
async def test_channels_are_asked_for_one_by_one_with_the_place_after_which_to_go_on() -> None:
    """Their names stand in no address, which others log."""
    hub = ScriptedHub("websocket")
    hub.offsets["b"] = 7
    async with hub.connect(channels={"a": None, "b": Position(EPOCH, 7)}) as stream:
        wire = await hub.wire()
        assert wire.asked["channels"] == {"a": None, "b": [EPOCH, 7]}
        assert [up["t"] for up in hub.up] == ["sub", "sub"]
        assert stream.transport == "websocket"
    assert stream.transport is None
    assert hub.count("/stream") == 0


@in_loop
async def test_a_channel_the_hub_refuses_is_told_and_the_others_are_read() -> None:
    hub, told = ScriptedHub("websocket"), list[Notice]()
    hub.plan["/frames"].append(refuse(401))
    async with hub.connect(channels=["secret", "a"], on_notice=told.append) as stream:
        wire = await hub.wire()
        assert list(stream.positions) == ["a"]
        assert Unsubscribed("secret", "unauthorized") in told
        wire.cut()
        assert set((await hub.wire()).asked["channels"]) == {"a"}


@in_loop
async def test_a_hub_that_limits_the_asking_is_asked_later() -> None:
    hub = ScriptedHub("websocket")
    hub.plan["/frames"].append(refuse(429))
    began = time.monotonic()
    async with hub.connect(channels=["a"]) as stream:
        assert stream.positions == {"a": Position(EPOCH, 0)}
        assert time.monotonic() - began >= 1


@in_loop
async def test_a_frame_the_hub_did_not_verify_leads_to_another_key_and_is_sent_again() -> None:
    """An ``err`` without an id: the key, or its time. The publication is made once."""
    hub = ScriptedHub("websocket")
    async with hub.connect() as stream:
        wire = await hub.wire()

        def refuse_unread(payload: dict[str, Any]) -> None:
            hub.on_up = None
            wire.send("err", code="unauthorized")

        hub.on_up = refuse_unread
        place = await stream.publish("a", 1)
        assert place.offset in {1, 2}
        assert (await hub.wire()).asked["kid"] != wire.asked["kid"]
        assert len({up["id"] for up in hub.up if up["t"] == "pub"}) == 1


@in_loop
async def test_publications_wait_until_the_channels_are_asked_for() -> None:
    """Else a reader of its own publications would find them lost after a restart of the hub."""
    hub = ScriptedHub("websocket")
    async with hub.connect(channels=["a", "b"]) as stream:
        wire = await hub.wire()
        wire.send("bye", reason="shutdown", retry=200)
        await hub.until(lambda: stream.status.state == "waiting")
        del hub.up[:]
        await stream.publish("a", 1)
        assert [up["t"] for up in hub.up] == ["sub", "sub", "pub"]


@pytest.mark.parametrize(("code", "error"), [(1013, UnavailableError), (1008, RateLimitedError), (1001, NetworkError)])
@in_loop
async def test_a_close_code_says_whether_to_come_back_later(code: int, error: type[Exception]) -> None:
    async def close(connection: ServerConnection) -> None:
        await connection.close(code)

    with pytest.raises(error) as caught:
        await first_frame(close)
    assert getattr(caught.value, "retry_after_s", 1) == 1


@in_loop
async def test_a_binary_message_ends_it() -> None:
    async def send(connection: ServerConnection) -> None:
        await connection.send(b"{}")
        await connection.wait_closed()

    assert await first_frame(send) is None


async def first_frame(handler: Any) -> bytes | None:
    """What a client gets from a server that is no hub."""
    async with serve(handler, "127.0.0.1", 0, close_timeout=0.2) as server:
        port = server.sockets[0].getsockname()[1]
        async with (
            Transport(f"http://127.0.0.1:{port}") as transport,
            open_socket(transport, HubClock(SystemClock()), "k" * 52, {}) as wire,
        ):
            return await anext(wire.frames(), None)


@pytest.mark.parametrize("status", [200, 302, 400, 403, 426, 502])
@in_loop
async def test_what_has_no_request_id_was_not_said_by_a_hub(status: int) -> None:
    """Nor is a redirect followed: a cookie goes nowhere else."""

    def answer(connection: ServerConnection, _: Any) -> Any:
        response = connection.respond(status, "")
        response.headers["Location"] = "/elsewhere"
        return response

    async with serve(no_handler, "127.0.0.1", 0, process_request=answer) as server:
        port = server.sockets[0].getsockname()[1]
        async with Transport(f"http://127.0.0.1:{port}") as transport:
            with pytest.raises(UnopenedError):
                async with open_socket(transport, HubClock(SystemClock()), "k" * 52, {}):
                    pass


async def no_handler(_: ServerConnection) -> None:
    raise AssertionError


@in_loop
async def test_nobody_there_is_told_as_for_a_stream() -> None:
    async with Transport("http://127.0.0.1:9") as transport:
        with pytest.raises(NetworkError) as caught:
            async with open_socket(transport, HubClock(SystemClock()), "k" * 52, {}):
                pass
    assert not caught.value.sent


@in_loop
async def test_the_handshake_has_the_cookie_and_what_the_http_client_says_besides() -> None:
    async with httpx2.AsyncClient(headers={"x-tenant": "t"}) as http:
        handshake = Transport("https://hub.example.org/x", cookies={"session": "s"}, http=http).handshake("k" * 52)
    assert handshake.address == f"wss://hub.example.org/x/ws?kid={'k' * 52}"
    assert handshake.headers["cookie"] == "session=s"
    assert handshake.headers["x-tenant"] == "t"
    assert handshake.tls is not None
    assert handshake.tls.check_hostname


# Answers


@in_loop
async def test_answers_find_their_frames_by_id_and_else_by_turn() -> None:
    answers = Answers(HubClock(ManualClock()))
    first, unnamed, second, third = (answers.expect(frame_id) for frame_id in ("1", None, "2", "3"))
    answers.take({"id": "2", "pos": ["e", 1]}, refused=False)
    answers.take({"code": "internal error"}, refused=True)  # the oldest: 1
    answers.take({}, refused=False)  # the one without an id
    answers.end()
    assert second.result() == {"id": "2", "pos": ["e", 1]}
    assert unnamed.result() == {}
    assert isinstance(first.exception(), UnavailableError)
    assert isinstance(third.exception(), NetworkError)


@in_loop
async def test_the_wait_the_hub_does_not_name_is_counted_along_with_it() -> None:
    """R54: 1 s, 2 s, … 30 s, and from the start after a minute of peace."""
    clock = ManualClock()
    answers, waits = Answers(HubClock(clock)), list[int]()

    async def limited() -> int:
        answer = answers.expect("x")
        answers.take({"code": "rate limited"}, refused=True)
        error = answer.exception()
        assert isinstance(error, RateLimitedError)
        return error.retry_after_s

    for _ in range(7):
        waits.append(await limited())
        clock.advance(s=waits[-1])
    assert waits == [1, 2, 4, 8, 16, 30, 30]
    clock.advance(s=61)
    assert await limited() == 1


# The way to it


@in_loop
async def test_where_a_proxy_holds_the_stream_back_a_websocket_carries_it(hub_url: str, impatient: None) -> None:
    """And goes on doing so after a cut, without another try of the stream."""
    held, told = list[bytes](), list[Notice]()
    async with (
        holding_proxy(hub_url, held) as url,
        connect(url, channels=["held"], on_notice=told.append, random=lambda: 0.01) as stream,
    ):
        assert stream.transport == "websocket"
        assert len(held) == 1
        assert any(isinstance(notice, Status) and notice.code == "JB_HELD" for notice in told)
        await stream.publish("held", 1)
        assert (await anext(stream)).data == 1
        assert stream._link.wire is not None
        stream._link.wire._socket.transport.abort()  # type: ignore[attr-defined]
        await stream.publish("held", 2)
        assert (await anext(stream)).data == 2
        assert (stream.transport, len(held)) == ("websocket", 1)


def test_without_an_event_loop_too(hub_url: str, impatient: None) -> None:
    with blocking.connect(hub_url, channels=["auto"]) as stream:
        stream.publish("auto", 1)
        assert next(stream).data == 1
        assert stream.transport == "sse"


@in_loop
async def test_one_try_is_one_of_each_transport(hub_url: str, impatient: None) -> None:
    """The stream held back, the WebSocket there: ``open_timeout_s=0`` succeeds."""
    async with holding_proxy(hub_url, []) as url, connect(url, open_timeout_s=0) as stream:
        assert stream.transport == "websocket"


@pytest.fixture
def without_websockets(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.split(".")[0] == "websockets"]:
        monkeypatch.setitem(sys.modules, name, None)
    monkeypatch.setitem(sys.modules, "websockets", None)
    monkeypatch.delitem(sys.modules, "jitterbug.client.socket_wire")


@in_loop
async def test_without_the_library_auto_is_the_stream_and_websocket_says_what_to_do(
    hub_url: str, without_websockets: None
) -> None:
    with pytest.raises(MissingError, match=r'pip install "jitterbug-push\[client\]"') as caught:
        connect(hub_url, transport="websocket")
    assert caught.value.code == "JB_MISSING"
    async with connect(hub_url) as stream:
        assert stream.transport == "sse"


def test_no_other_transport_is_known() -> None:
    with pytest.raises(ValueError, match="transport"):
        connect("http://127.0.0.1:1", transport="polling")  # type: ignore[arg-type]


@in_loop
async def test_a_close_that_nobody_answers_holds_nothing_up(hub_url: str) -> None:
    """A dead network: half a second, then it is cut."""
    async with connect(hub_url, transport="websocket") as stream:
        assert stream._link.wire is not None
        stream._link.wire._socket.transport.pause_reading()  # type: ignore[attr-defined]
        began = time.monotonic()
        async with asyncio.timeout(5):
            await stream.aclose()
        assert time.monotonic() - began < 3


@in_loop
async def test_what_speaks_no_http_is_no_websocket() -> None:
    async def mumble(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"mumble\r\n\r\n")
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(mumble, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        async with Transport(f"http://127.0.0.1:{port}") as transport:
            with pytest.raises(UnopenedError):
                async with open_socket(transport, HubClock(SystemClock()), "k" * 52, {}):
                    pass


@in_loop
async def test_a_hub_that_answers_nothing_any_more_gets_no_further_frame() -> None:
    answers = Answers(HubClock(ManualClock()))
    for _ in range(MAX_UNANSWERED):
        answers.expect(None)
    with pytest.raises(NetworkError) as caught:
        answers.expect("x")
    assert not caught.value.sent


@in_loop
async def test_an_answer_nobody_waits_for_changes_nothing() -> None:
    answers = Answers(HubClock(ManualClock()))
    waiting = answers.expect("1")
    answers.take({"id": "2"}, refused=False)
    assert not waiting.done()
    waiting.cancel()
    answers.take({"id": "1"}, refused=False)
    answers.end()


@in_loop
async def test_a_channel_given_up_before_its_turn_is_not_asked_for() -> None:
    """The hub limits the asking, and meanwhile the application thinks better of it."""
    hub = ScriptedHub("websocket")
    async with hub.connect(channels=["a", "b"]) as stream:
        wire = await hub.wire()
        del hub.up[:]
        hub.plan["/frames"].append(refuse(429))
        wire.cut()
        await hub.until(lambda: not hub.plan["/frames"])
        await stream.unsubscribe("b")
        await hub.until(lambda: len(hub.up) == 1)
        await stream.publish("a", 1)  # goes once everything is asked for
        assert [(up["t"], up["ch"]) for up in hub.up] == [("sub", "a"), ("pub", "a")]
