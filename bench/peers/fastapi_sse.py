"""FastAPI's own server-sent events."""

import asyncio
from collections.abc import AsyncIterable
from typing import Any

from bench.peers.asgi_server import AsgiPeer


class FastApiSse(AsgiPeer):
    """``fastapi.sse``: a queue and a generator for each reader."""

    name = "fastapi"
    settings = "uvicorn, 1 worker, uvloop, httptools, access log off; a queue a reader, no history, unsigned"
    distribution = "fastapi"
    ready = ": open"


def app() -> Any:
    """As its documentation has it."""
    from fastapi import FastAPI, Request  # noqa: PLC0415
    from fastapi.sse import EventSourceResponse, ServerSentEvent  # noqa: PLC0415

    readers: set[asyncio.Queue[Any]] = set()
    application = FastAPI()

    async def subscribe() -> AsyncIterable[ServerSentEvent]:
        queue: asyncio.Queue[Any] = asyncio.Queue(1_000)
        readers.add(queue)
        try:
            yield ServerSentEvent(comment="open")
            while True:
                yield ServerSentEvent(raw_data=await queue.get())
        finally:
            readers.discard(queue)

    async def publish(request: Request) -> None:
        data = (await request.body()).decode()
        for queue in readers:
            queue.put_nowait(data)

    # The annotations are local names: FastAPI must see the classes, not their texts.
    publish.__annotations__["request"] = Request
    application.get("/sub", response_class=EventSourceResponse)(subscribe)
    application.post("/pub")(publish)
    return application
