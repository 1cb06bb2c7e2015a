"""The head of an answer and the beginning of its body are one write; a reader waits for neither (R57)."""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, cast

import pytest
import uvicorn
from starlette.types import Receive, Scope, Send

from jitterbug.server.uvicorn import PushProtocol
from jitterbug.server.uvicorn.held_head import HeldHead
from tests.looped import in_loop


class Transport:
    """Keeps what is written."""

    def __init__(self) -> None:
        self.writes: list[bytes] = []
        self.is_closed = False

    def write(self, data: bytes) -> None:
        assert not self.is_closed
        self.writes.append(data)

    def close(self) -> None:
        self.is_closed = True

    def is_closing(self) -> bool:
        return self.is_closed


def held() -> tuple[HeldHead, Transport]:
    transport = Transport()
    return HeldHead(cast(asyncio.Transport, transport), asyncio.get_running_loop()), transport


@in_loop
async def test_head_and_body_are_one_write_and_what_follows_is_written_as_it_comes() -> None:
    head, transport = held()
    for piece in (b"head", b"body", b"more", b""):
        head.write(piece)

    assert transport.writes == [b"headbody", b"more", b""]
    await asyncio.sleep(0)
    assert transport.writes == [b"headbody", b"more", b""]


@in_loop
async def test_a_head_whose_body_is_to_be_waited_for_is_out_in_the_next_pass() -> None:
    head, transport = held()
    head.write(b"head")
    assert transport.writes == []

    await asyncio.sleep(0)
    assert transport.writes == [b"head"]
    head.write(b"body")
    assert transport.writes == [b"head", b"body"]


@in_loop
async def test_an_answer_without_a_body_is_written_at_once() -> None:
    head, transport = held()
    head.write(b"head")
    head.write(b"")

    assert transport.writes == [b"head"]


@in_loop
async def test_closing_lets_the_head_out_first_and_a_lost_connection_is_not_written_to() -> None:
    head, transport = held()
    head.write(b"head")
    head.close()
    assert transport.writes == [b"head"]
    assert head.is_closing()

    lost, transport = held()
    lost.write(b"head")
    transport.close()
    await asyncio.sleep(0)
    assert transport.writes == []


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    """Answers by path."""
    await receive()
    head: list[tuple[bytes, bytes]] = [(b"content-length", b"4")]
    await send({"type": "http.response.start", "status": 200, "headers": head})
    if scope["path"] == "/never":
        await asyncio.Event().wait()
    if scope["path"] == "/fails":
        raise RuntimeError("on purpose")
    await send({"type": "http.response.body", "body": b"body"})


@asynccontextmanager
async def served() -> AsyncIterator[Callable[..., Any]]:
    config = uvicorn.Config(app, http=PushProtocol, lifespan="off", log_config=None)
    listening = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server.serve([listening]))
    writers = []

    async def asked(request: str) -> asyncio.StreamReader:
        reader, writer = await asyncio.open_connection(*listening.getsockname())
        writers.append(writer)
        writer.write(request.replace("\n", "\r\n").encode() + b"\r\n\r\n")
        return reader

    try:
        async with asyncio.timeout(20):
            yield asked
    finally:
        for writer in writers:
            writer.close()
        server.should_exit = server.force_exit = True
        await serving


@pytest.mark.parametrize("headers", ["", "\nExpect: 100-continue\nContent-Length: 0"], ids=["plain", "expects"])
@pytest.mark.parametrize("path", ["/", "/never", "/fails"])
@in_loop
async def test_the_head_is_there_whatever_the_application_does_next(path: str, headers: str) -> None:
    async with served() as asked:
        reader = await asked(f"GET {path} HTTP/1.1\nHost: here{headers}")
        if headers:
            assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200 OK\r\n")
        if path == "/":
            assert await reader.readexactly(4) == b"body"
        if path == "/fails":
            assert await reader.read() == b"", "closed: the length that was promised cannot come"


@in_loop
async def test_an_answer_to_head_has_no_body_and_is_not_held() -> None:
    async with served() as asked:
        reader = await asked("HEAD / HTTP/1.1\nHost: here\nConnection: close")
        answer = await reader.read()

    assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
    assert answer.endswith(b"\r\n\r\n")
