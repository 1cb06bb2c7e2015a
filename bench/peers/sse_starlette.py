"""sse-starlette: the usual way to server-sent events in Starlette and FastAPI."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

from bench.peers.asgi_server import AsgiPeer


class SseStarlette(AsgiPeer):
    """A queue and a generator for each reader, as its documentation has it."""

    name = "sse-starlette"
    settings = "uvicorn, 1 worker, uvloop, httptools, access log off; a queue a reader, no history, unsigned"
    distribution = "sse-starlette"
    ready = ": open"


class SseStarletteBytes(SseStarlette):
    """The same, each event encoded once for all readers."""

    name = "sse-starlette-bytes"
    settings = "as sse-starlette, but each event is encoded once and handed on as bytes"
    factory = "app_of_bytes"


def _app(encode: Callable[[str], Any]) -> Any:
    from sse_starlette.sse import EventSourceResponse  # noqa: PLC0415
    from starlette.applications import Starlette  # noqa: PLC0415
    from starlette.requests import Request  # noqa: PLC0415
    from starlette.responses import Response  # noqa: PLC0415
    from starlette.routing import Route  # noqa: PLC0415

    readers: set[asyncio.Queue[Any]] = set()

    async def events() -> AsyncIterator[Any]:
        queue: asyncio.Queue[Any] = asyncio.Queue(1_000)
        readers.add(queue)
        try:
            yield {"comment": "open"}
            while True:
                yield await queue.get()
        finally:
            readers.discard(queue)

    async def subscribe(_: Request) -> Response:
        # Named, so that its type is known whether the package is installed or not.
        response: Response = EventSourceResponse(events(), ping=60)
        return response

    async def publish(request: Request) -> Response:
        event = encode((await request.body()).decode())
        for queue in readers:
            queue.put_nowait(event)
        return Response()

    return Starlette(routes=[Route("/sub", subscribe), Route("/pub", publish, methods=["POST"])])


def app() -> Any:
    """As its documentation has it."""
    return _app(lambda data: {"data": data})


def app_of_bytes() -> Any:
    """Events encoded once."""
    return _app(lambda data: f"data: {data}\r\n\r\n".encode())
