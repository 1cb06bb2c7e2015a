"""What an open stream keeps, and what it leaves when it ends: thousands of them rest at once."""

import asyncio
import gc
import json
from typing import Any

from jitterbug.config import Config
from jitterbug.server.app import Jitterbug
from jitterbug.server.handshake import OWN_SCOPE
from jitterbug.server.sinks import EXTENSION, TransportSink
from tests.looped import in_loop

HOST = (b"host", b"127.0.0.1:8440")


class Wire:
    """A transport that takes everything, and an ASGI connection that goes when it is told to."""

    def __init__(self) -> None:
        self.gone = asyncio.Event()
        self.subscribed = asyncio.Event()
        self.sent: list[Any] = []
        self.written = b""

    def is_closing(self) -> bool:
        return False

    def get_write_buffer_size(self) -> int:
        return 0

    def write(self, data: bytes) -> None:
        self.written += data
        if b'"t":"subscribed"' in self.written:
            self.subscribed.set()

    async def receive(self) -> dict[str, Any]:
        await self.gone.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Any) -> None:
        self.sent.append(message)


def request(method: str, path: str, query: bytes = b"", *headers: tuple[bytes, bytes]) -> dict[str, Any]:
    scope = {"type": "http", "scheme": "http", "method": method, "path": path, "query_string": query}
    return {**scope, "headers": [HOST, *headers], "client": ("127.0.0.1", 5), "extensions": {}}


async def answer(push: Jitterbug, scope: dict[str, Any]) -> list[Any]:
    sent: list[Any] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b""}

    async def send(message: Any) -> None:
        sent.append(message)

    await push.asgi(scope, receive, send)
    return sent


async def opened(push: Jitterbug, wire: Wire, **members: Any) -> tuple[dict[str, Any], "asyncio.Task[None]"]:
    start, _ = await answer(push, request("POST", "/session"))
    cookie = (b"cookie", dict(start["headers"])[b"set-cookie"].partition(b";")[0])
    _, body = await answer(push, request("POST", "/keys", b"", cookie))
    query = f"kid={json.loads(body['body'])['kid']}&channel=a".encode()
    scope = {**request("GET", "/stream", query, cookie), "extensions": {EXTENSION: TransportSink(wire)}, **members}  # type: ignore[arg-type]
    stream = asyncio.create_task(push.asgi(scope, wire.receive, wire.send))  # type: ignore[arg-type]
    await wire.subscribed.wait()
    return scope, stream


def depth(stream: "asyncio.Task[None]") -> list[str]:
    """Names of the coroutines that wait for one another."""
    names, waiting = [], stream.get_coro()
    while waiting is not None and hasattr(waiting, "cr_await"):
        names.append(waiting.__name__)
        waiting = waiting.cr_await
    return names


@in_loop
async def test_an_open_stream_keeps_no_stack_of_what_opened_it() -> None:
    push, wire = Jitterbug(config=Config(development=True)), Wire()
    scope, stream = await opened(push, wire)
    assert depth(stream)[:3] == ["__call__", "until_gone", "receive"]
    assert scope["headers"], "the application in front may still want them"
    wire.gone.set()
    await stream
    assert push.hub.connection_count == 0
    await push.stop()


@in_loop
async def test_a_scope_that_is_the_hubs_own_is_let_go() -> None:
    push, wire = Jitterbug(config=Config(development=True)), Wire()
    scope, stream = await opened(push, wire, **{OWN_SCOPE: True})
    assert scope == {}
    stream.cancel()
    await asyncio.gather(stream, return_exceptions=True)
    assert push.hub.connection_count == 0
    await push.stop()


@in_loop
async def test_a_closed_stream_leaves_no_cycle_for_the_collector() -> None:
    """It looks at old objects so seldom that thousands of them would pile up."""
    push = Jitterbug(config=Config(development=True, drain_s=0))
    await push.ensure_started()
    for warm in (True, False):
        gc.collect()
        gc.disable()
        gc.set_debug(0 if warm else gc.DEBUG_SAVEALL)
        try:
            wire = Wire()
            scope, stream = await opened(push, wire)
            wire.gone.set()
            await stream
            del wire, scope, stream
            await push.stop()
            push.hub.is_draining = False
            await push.ensure_started()
            gc.collect()
            left = [type(item).__name__ for item in gc.garbage if type(item).__module__.startswith("jitterbug")]
        finally:
            gc.set_debug(0)
            gc.garbage.clear()
            gc.enable()
        assert left == []
    await push.stop()
