"""python-socketio: Socket.IO for Python."""

import json
from typing import Any

from bench.load import Subscriber
from bench.peers.asgi_server import AsgiPeer
from bench.peers.node_server import socket_io


class PythonSocketio(AsgiPeer):
    """``emit`` over WebSocket."""

    name = "python-socketio"
    settings = "uvicorn, 1 worker, uvloop, access log off; WebSocket alone, no history, unsigned"
    has_sse = False
    has_websocket = True
    distribution = "python-socketio"

    def subscriber(self, *, websocket: bool = False) -> Subscriber:
        """Socket.IO's own words over WebSocket."""
        assert websocket
        return socket_io(self.port)


def app() -> Any:
    """The server, and a route that publishes."""
    import socketio  # noqa: PLC0415
    from starlette.applications import Starlette  # noqa: PLC0415
    from starlette.requests import Request  # noqa: PLC0415
    from starlette.responses import Response  # noqa: PLC0415
    from starlette.routing import Route  # noqa: PLC0415

    server = socketio.AsyncServer(async_mode="asgi", transports=["websocket"])

    async def publish(request: Request) -> Response:
        await server.emit("publication", json.loads(await request.body()))
        return Response()

    return socketio.ASGIApp(server, other_asgi_app=Starlette(routes=[Route("/pub", publish, methods=["POST"])]))
