"""Somebody with a login and a key, who signs what goes up and verifies what comes down."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Self

import requests

from jitterbug.protocol import base64
from jitterbug.protocol.signing import FrameSigner
from jitterbug.protocol.sse import SseDecoder, SseEvent
from jitterbug.protocol.verifying import FrameVerifier
from tests.security.openapi_hubs import Hub

_MAX_EVENT_BYTES = 65_536


class Reader:
    """One login with one key.

    Attributes:
        cookies: Of the login.
        kid: Of the key.
    """

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self.cookies = hub.log_in()
        key = hub.ask("POST", "/keys", cookies=self.cookies).json()
        self.kid: str = key["kid"]
        secret = base64.decode(key["secret"])
        self._signer = FrameSigner(self.kid, secret)
        self._verifier = FrameVerifier({self.kid: secret})

    def sign(self, payload: dict[str, Any]) -> bytes:
        """A frame of this session."""
        return self._signer.sign(payload, self._hub.now_ms())

    def events(self, content: bytes) -> list[SseEvent]:
        """The events of a stream, their frames verified."""
        found = SseDecoder(max_event_bytes=_MAX_EVENT_BYTES).feed(content)
        for event in found:
            self._verify(event.data)
        return found

    def _verify(self, frame: bytes) -> None:
        self._verifier.verify(frame, self._hub.now_ms())

    @contextmanager
    def stream(self, *channels: str) -> Iterator["Stream"]:
        """A stream that stays open, read on a connection of its own."""
        body = {"kid": self.kid, "channels": dict.fromkeys(channels)}
        with self._hub.open("/stream", cookies=self.cookies, json=body) as answer:
            yield Stream(answer, self._verify)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._hub.ask("DELETE", "/session", cookies=self.cookies)


class Stream:
    """An open stream.

    Attributes:
        frames: What came, verified, as JSON.
    """

    def __init__(self, answer: requests.Response, verify: Callable[[bytes], None]) -> None:
        self._chunks = answer.iter_content(None)
        self._decoder = SseDecoder(max_event_bytes=_MAX_EVENT_BYTES)
        self._verify = verify
        self.frames: list[dict[str, Any]] = []

    def take(self, kind: str) -> dict[str, Any]:
        """Read until a frame of a type has come; returns its payload."""
        while True:
            for frame in self.frames:
                payload: dict[str, Any] = frame["payload"]
                if payload["t"] == kind:
                    return payload
            for event in self._decoder.feed(next(self._chunks)):
                self._verify(event.data)
                self.frames.append(json.loads(event.data))
