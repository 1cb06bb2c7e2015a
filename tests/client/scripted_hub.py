"""A hub that does what a test tells it to, for what a real one never does. Keys, frames and checks are real."""

import asyncio
import base64
import json
import os
import time
from collections import defaultdict, deque
from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx2

from jitterbug.client import Stream, connect
from jitterbug.protocol import sse
from jitterbug.protocol.keys import EphemeralKey, RootKey, RootKeys, SessionKeys
from jitterbug.protocol.signing import FrameSigner
from jitterbug.protocol.verifying import FrameVerifier

URL = "http://127.0.0.1:1"
EPOCH = "epoch-01"
PATIENCE_S = 10.0
Answer = httpx2.Response | Exception


def refuse(status: int, **headers: str) -> httpx2.Response:
    """An answer that is a refusal."""
    return httpx2.Response(status, headers={name.replace("_", "-"): text for name, text in headers.items()})


def respond(content: bytes, content_type: str = "application/json") -> httpx2.Response:
    """An answer whose body comes over the wire, as a real one does."""

    async def body() -> AsyncIterator[bytes]:
        yield content

    return httpx2.Response(200, headers={"content-type": content_type}, content=body())


class Wire:
    """One stream as the hub sees it.

    Attributes:
        asked: Body of the request that opened it.
    """

    def __init__(self, key: EphemeralKey, asked: dict[str, Any], offsets: dict[str, int]) -> None:
        self.asked = asked
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
        """Send these bytes as an event's data."""
        self.chunks.put_nowait(sse.event(frame))

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
        plan: Answers to give first, by path.
        asked: Paths asked for, in order.
        up: Payloads of the frames that came up, verified.
        frames: The same frames as they came.
        limits: Told in ``hello``.
    """

    def __init__(self, *, key_ttl_ms: int = 600_000) -> None:
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
        self._verifier = FrameVerifier(SessionKeys(self.roots, "session"))

    def connect(self, **options: Any) -> Stream:
        """A stream to this hub that waits for nothing between its tries."""
        http = httpx2.AsyncClient(transport=httpx2.MockTransport(self._handle))
        return connect(URL, **{"http": http, "random": lambda: 0.0, **options})

    async def wire(self) -> Wire:
        """The next stream that is opened; ``hello`` and ``subscribed`` have been sent."""
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
            return answer
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
        wire.send("hello", limits=self.limits, serverTime=time.time_ns() // 1_000_000, v=self.version)
        for channel, since in asked["channels"].items():
            recovered = {"recovered": True} if since else {}
            wire.send("subscribed", ch=channel, pos=[EPOCH, self.offsets[channel]], **recovered)
        self._wires.put_nowait(wire)
        return httpx2.Response(200, headers={"content-type": "text/event-stream; charset=utf-8"}, content=wire.read())

    async def _frames(self, body: bytes) -> httpx2.Response:
        payload = self._verifier.verify(body, time.time_ns() // 1_000_000)
        self.up.append(payload)
        self.frames.append(json.loads(body))
        if self.on_up is not None:
            self.on_up(payload)
        answer = {"id": payload["id"]} if "id" in payload else {}
        if payload["t"] == "pub":
            self.offsets[payload["ch"]] += 1
            answer["pos"] = [EPOCH, self.offsets[payload["ch"]]]
        return respond(json.dumps(answer).encode())


def key_answer(key: EphemeralKey, now_ms: int) -> dict[str, Any]:
    """What ``POST BASE/keys`` says."""
    return {
        "algorithm": "sha256",
        "expiresAt": key.expires_at_ms,
        "kid": key.kid,
        "secret": base64.b64encode(key.secret).decode(),
        "serverTime": now_ms,
    }
