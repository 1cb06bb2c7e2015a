"""A hub that does what a test tells it to, for what a real one never does. Keys, frames and checks are real."""

import asyncio
import base64
import json
import os
import socket
import time
from collections import defaultdict, deque
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx2
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response

from jitterbug.client import Stream, connect
from jitterbug.client.wire import TransportName
from jitterbug.protocol import sse
from jitterbug.protocol.keys import EphemeralKey, RootKey, RootKeys, SessionKeys
from jitterbug.protocol.signing import FrameSigner
from jitterbug.protocol.verifying import FrameVerifier

URL = "http://127.0.0.1:1"
EPOCH = "epoch-01"
PATIENCE_S = 10.0
Answer = httpx2.Response | Exception | dict[str, Any]
WORDS = {401: "unauthorized", 429: "rate limited", 503: "internal error"}
"""What a WebSocket says where HTTP has a status; any other is an invalid request (PROTOCOL §7)."""


def refuse(status: int, **headers: str) -> httpx2.Response:
    """An answer that is a refusal."""
    return httpx2.Response(status, headers={name.replace("_", "-"): text for name, text in headers.items()})


def respond(content: bytes, content_type: str = "application/json") -> httpx2.Response:
    """An answer whose body comes over the wire, as a real one does."""

    async def body() -> AsyncIterator[bytes]:
        yield content

    return httpx2.Response(200, headers={"content-type": content_type}, content=body())


class Wire:
    """One connection as the hub sees it.

    Attributes:
        asked: Body of the request that opened it; of a WebSocket, the same from its address and its ``sub``.
    """

    def __init__(
        self, key: EphemeralKey, asked: dict[str, Any], offsets: dict[str, int], *, in_events: bool = True
    ) -> None:
        """Args: in_events: a frame travels as a server-sent event, not by itself."""
        self.asked = asked
        self._in_events = in_events
        self.offsets = offsets
        self.conn = base64.urlsafe_b64encode(os.urandom(12)).decode()
        self.signer = FrameSigner(key.kid, key.secret)
        self.seq = 0
        self.chunks: asyncio.Queue[bytes | None] = asyncio.Queue()

    def frame(self, kind: str, **members: Any) -> bytes:
        """The next frame, signed now; not sent yet."""
        self.seq += 1
        payload = {"t": kind, "conn": self.conn, "seq": self.seq, **members}
        return self.signer.sign(payload, time.time_ns() // 1_000_000)

    def send(self, kind: str, **members: Any) -> bytes:
        """Send the next frame."""
        frame = self.frame(kind, **members)
        self.raw(frame)
        return frame

    def raw(self, frame: bytes) -> None:
        """Send these bytes as they are."""
        self.chunks.put_nowait(sse.event(frame) if self._in_events else frame)

    def subscribe(self, channel: str, since: Any) -> None:
        """Say where a channel stands."""
        recovered = {"recovered": True} if since else {}
        self.send("subscribed", ch=channel, pos=[EPOCH, self.offsets[channel]], **recovered)

    def msg(self, channel: str, offset: int, data: Any = None, **members: Any) -> bytes:
        """Send a publication."""
        self.offsets[channel] = max(self.offsets[channel], offset)
        return self.send("msg", ch=channel, pos=[EPOCH, offset], data=data, **members)

    def cut(self) -> None:
        """End it without a word."""
        self.chunks.put_nowait(None)

    async def read(self) -> AsyncIterator[bytes]:
        while (chunk := await self.chunks.get()) is not None:
            yield chunk


class ScriptedHub:
    """Answers as planned, else as a hub would.

    Attributes:
        plan: Answers to give first, by path: a refusal, what a network does, or members of an answer.
        asked: Paths asked for, in order.
        up: Payloads of the frames that came up, verified.
        frames: The same frames as they came.
        limits: Told in ``hello``.
        path: What opens a connection.
        loses_answers: Frames to act on whose answer the network loses, a WebSocket and all.
    """

    def __init__(self, transport: TransportName = "sse", *, key_ttl_ms: int = 600_000) -> None:
        self.transport = transport
        self.path = "/stream" if transport == "sse" else "/ws"
        self._listener = socket.create_server(("127.0.0.1", 0)) if transport == "websocket" else None
        self._wanted: Stream | None = None
        self.loses_answers = 0
        self.roots = RootKeys(RootKey("root_test", os.urandom(32)))
        self.key_ttl_ms = key_ttl_ms
        self.plan: defaultdict[str, deque[Answer]] = defaultdict(deque)
        self.asked: list[str] = []
        self.up: list[dict[str, Any]] = []
        self.frames: list[dict[str, Any]] = []
        self.limits: dict[str, Any] = {"burst": 10, "frame": 1_024, "rate": 1}
        self.version = 1
        self.offsets: defaultdict[str, int] = defaultdict(int)
        self.keys: list[EphemeralKey] = []
        self.on_up: Callable[[dict[str, Any]], None] | None = None
        self._wires: asyncio.Queue[Wire] = asyncio.Queue()
        self._by_conn: dict[str, Wire] = {}
        self._verifier = FrameVerifier(SessionKeys(self.roots, "session"))

    def connect(self, **options: Any) -> AbstractAsyncContextManager[Stream]:
        """A stream to this hub that waits for nothing between its tries."""
        http = httpx2.AsyncClient(transport=httpx2.MockTransport(self._handle))
        url = URL if self._listener is None else f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self._wanted = connect(url, **{"http": http, "transport": self.transport, "random": lambda: 0.0, **options})
        return self._wanted if self._listener is None else self._listening(self._wanted, self._listener)

    @asynccontextmanager
    async def _listening(self, stream: Stream, listener: socket.socket) -> AsyncIterator[Stream]:
        async with (
            serve(
                self._socket,
                sock=listener,
                process_request=self._handshake,
                compression=None,
                close_timeout=0.1,
                ping_interval=None,
            ),
            stream,
        ):
            yield stream

    async def wire(self) -> Wire:
        """The next connection; ``hello`` and ``subscribed`` of all channels have been sent."""
        async with asyncio.timeout(PATIENCE_S):
            return await self._wires.get()

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait for something to become true."""
        async with asyncio.timeout(PATIENCE_S):
            while not condition():  # noqa: ASYNC110 - conditions of any kind, on code that knows no test
                await asyncio.sleep(0.002)

    def count(self, path: str) -> int:
        """Times a path was asked for."""
        return self.asked.count(path)

    async def _handle(self, request: httpx2.Request) -> httpx2.Response:
        path = request.url.path.removeprefix("/api/jitterbug")
        self.asked.append(path)
        if self.plan[path]:
            answer = self.plan[path].popleft()
            if isinstance(answer, Exception):
                raise answer
            return respond(json.dumps(answer).encode()) if isinstance(answer, dict) else answer
        handlers = {"/session": self._session, "/keys": self._keys, "/stream": self._stream, "/frames": self._frames}
        return await handlers[path](request.content)

    async def _session(self, _body: bytes) -> httpx2.Response:
        return httpx2.Response(204, headers={"set-cookie": "jitterbug=x; Path=/"})

    async def _keys(self, _body: bytes) -> httpx2.Response:
        now_ms = time.time_ns() // 1_000_000
        key = self.roots.issue("session", now_ms, self.key_ttl_ms)
        self.keys.append(key)
        return respond(json.dumps(key_answer(key, now_ms)).encode())

    async def _stream(self, body: bytes) -> httpx2.Response:
        asked = json.loads(body)
        key = self.roots.open("session", asked["kid"])
        assert key is not None
        wire = Wire(key, asked, self.offsets)
        self._hello(wire)
        for channel, since in asked["channels"].items():
            wire.subscribe(channel, since)
        self._wires.put_nowait(wire)
        return httpx2.Response(200, headers={"content-type": "text/event-stream; charset=utf-8"}, content=wire.read())

    async def _frames(self, body: bytes) -> httpx2.Response:
        answer = self._act(self._take(body))
        if self._loses_answer():
            raise httpx2.ReadError("x")
        return respond(json.dumps(answer).encode())

    def _loses_answer(self) -> bool:
        self.loses_answers -= 1
        return self.loses_answers >= 0

    def _hello(self, wire: Wire) -> None:
        self._by_conn[wire.conn] = wire
        wire.send("hello", limits=self.limits, serverTime=time.time_ns() // 1_000_000, v=self.version)

    def _take(self, body: bytes) -> dict[str, Any]:
        payload = self._verifier.verify(body, time.time_ns() // 1_000_000)
        self.up.append(payload)
        self.frames.append(json.loads(body))
        return payload

    def _act(self, payload: dict[str, Any]) -> dict[str, Any]:
        if self.on_up is not None:
            self.on_up(payload)
        answer = {"id": payload["id"]} if "id" in payload else {}
        if payload["t"] == "pub":
            self.offsets[payload["ch"]] += 1
            answer["pos"] = [EPOCH, self.offsets[payload["ch"]]]
        if payload["t"] == "sub":
            self._by_conn[payload["conn"]].subscribe(payload["ch"], payload.get("since"))
        return answer

    # WebSocket: a real one, on a port of its own.

    def _handshake(self, connection: ServerConnection, _: Request) -> Response | None:
        self.asked.append("/ws")
        if not self.plan["/ws"]:
            return None
        answer = self.plan["/ws"].popleft()
        if isinstance(answer, Exception):  # whatever it is, no hub said it
            return connection.respond(HTTPStatus.BAD_GATEWAY, "")
        assert isinstance(answer, httpx2.Response)
        refusal = connection.respond(HTTPStatus(answer.status_code), "")
        refusal.headers.update({"X-Request-Id": "scripted", **answer.headers})
        return refusal

    async def _socket(self, connection: ServerConnection) -> None:
        assert connection.request is not None
        assert self._wanted is not None
        [kid] = parse_qs(urlsplit(connection.request.path).query)["kid"]
        key = self.roots.open("session", kid)
        assert key is not None
        wire = Wire(key, {"kid": kid, "channels": {}}, self.offsets, in_events=False)
        self._hello(wire)
        pumping = asyncio.create_task(self._pump(wire, connection))
        awaited = set(self._wanted.positions)
        if not awaited:
            self._wires.put_nowait(wire)
        try:
            async for text in connection:
                assert isinstance(text, str)
                payload = self._frame(wire, text.encode())
                if payload["t"] == "sub" and payload["ch"] in awaited:
                    wire.asked["channels"][payload["ch"]] = payload.get("since")
                    awaited.remove(payload["ch"])
                    if not awaited:
                        self._wires.put_nowait(wire)
        except ConnectionClosed:
            pass
        finally:
            pumping.cancel()

    def _frame(self, wire: Wire, text: bytes) -> dict[str, Any]:
        """Take one frame and answer it, as planned or as a hub would."""
        self.asked.append("/frames")
        planned = self.plan["/frames"].popleft() if self.plan["/frames"] else None
        if isinstance(planned, Exception):  # lost on the way
            wire.cut()
            return {"t": "lost"}
        payload: dict[str, Any] = json.loads(text)["payload"]
        if isinstance(planned, dict):
            wire.send("ack", **planned)
            return payload
        if planned is not None:
            members = {"id": payload["id"]} if "id" in payload else {}
            wire.send("err", code=WORDS.get(planned.status_code, "invalid request"), **members)
            return payload
        payload = self._take(text)
        answer = self._act(payload)
        if self._loses_answer():
            wire.cut()
        else:
            wire.send("ack", **answer)
        return payload

    @staticmethod
    async def _pump(wire: Wire, connection: ServerConnection) -> None:
        async for frame in wire.read():
            await connection.send(frame.decode())
        connection.transport.close()  # without a word


def key_answer(key: EphemeralKey, now_ms: int) -> dict[str, Any]:
    """What ``POST BASE/keys`` says."""
    return {
        "algorithm": "sha256",
        "expiresAt": key.expires_at_ms,
        "kid": key.kid,
        "secret": base64.b64encode(key.secret).decode(),
        "serverTime": now_ms,
    }
