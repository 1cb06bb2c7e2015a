"""A request handed to a hub by hand, whose peer takes nothing of the answer until a test lets it."""

import asyncio
import json
import re
from typing import Any

from jitterbug import Jitterbug
from jitterbug.hub.sessions import Session

_FRAME = re.compile(rb'\{.*"payload".*\}')
HOST = b"localhost"


class StalledPeer:
    """One stream or WebSocket, up to the first byte of its answer.

    Attributes:
        sent: All ASGI messages the hub sent, those that the peer has not taken included.
        task: The request; done when the hub is done with it.
    """

    def __init__(self, push: Jitterbug, session: Session, channel: str, *, socket: bool) -> None:
        """Begin. Args: socket: True = a WebSocket, False = a stream by POST."""
        self.kid = push.hub.issue_key(session).kid
        self.sent: list[dict[str, Any]] = []
        self.is_waiting = asyncio.Event()
        self._may_go_on = asyncio.Event()
        self._events: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        scope = self._scope(socket=socket, channel=channel)
        if socket:
            self._events.put_nowait({"type": "websocket.connect"})
        else:
            body = json.dumps({"kid": self.kid, "channels": {channel: None}}).encode()
            self._events.put_nowait({"type": "http.request", "body": body, "more_body": False})
        self.task = asyncio.get_running_loop().create_task(push.asgi(scope, self._events.get, self._send))

    def take(self) -> None:
        """Let the peer take everything from now on."""
        self._may_go_on.set()

    def leave(self) -> None:
        """Let the peer go away."""
        self._events.put_nowait({"type": "http.disconnect"})
        self._events.put_nowait({"type": "websocket.disconnect"})

    def payloads(self) -> list[dict[str, Any]]:
        """Payloads of the frames that came."""
        bodies = b"\n".join(message.get("body") or (message.get("text") or "").encode() for message in self.sent)
        return [json.loads(frame)["payload"] for frame in _FRAME.findall(bodies)]

    async def _send(self, message: Any) -> None:
        self.sent.append(message)
        self.is_waiting.set()
        await self._may_go_on.wait()

    def _scope(self, *, socket: bool, channel: str) -> dict[str, Any]:
        query = f"kid={self.kid}&channel={channel}" if socket else ""
        return {
            "type": "websocket" if socket else "http",
            "method": "POST",
            "path": "/ws" if socket else "/stream",
            "root_path": "",
            "scheme": "ws" if socket else "http",
            "query_string": query.encode(),
            "headers": [(b"host", HOST), (b"content-type", b"application/json")],
            "client": ("127.0.0.1", 50_000),
            "server": ("127.0.0.1", 80),
        }
