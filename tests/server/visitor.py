"""Somebody with one login: cookie, keys and streams, as a browser or a program would have them."""

import json
from collections.abc import Mapping, Sequence
from typing import Any, Self

import httpx2

from jitterbug.protocol import base64
from jitterbug.protocol.position import Position
from jitterbug.protocol.session import Receiver
from jitterbug.protocol.signing import FrameSigner, MacKey
from jitterbug.protocol.verifying import VerifyKey
from jitterbug.server.app import BASE_PATH
from tests.server.serving import PATIENCE_S, Running
from tests.server.sockets import OpenSocket, handshake_headers
from tests.server.wire import OpenStream, request

JSON = {"Content-Type": "application/json"}
Since = Position | None


class Visitor:
    """One login.

    Attributes:
        http: Sends the session cookie, if there is one, to ``BASE``.
        keys: Every key it was given, by kid.
        kid: The newest of them.
    """

    def __init__(self, server: Running, *, base: str = BASE_PATH, cookie: str | None = None) -> None:
        self.server = server
        self.base = base
        self.clock = server.push.clock
        # Plain HTTP: reading the CA bundle for each visitor would take most of the time.
        self.http = httpx2.Client(base_url=f"{server.url}{base}", timeout=PATIENCE_S, trust_env=False, verify=False)
        self._cookie = cookie
        if cookie is not None:
            self.http.headers["cookie"] = cookie
        self.answers: list[httpx2.Response] = []
        self.http.event_hooks["response"].append(self.answers.append)
        self.keys: dict[str, VerifyKey] = {}
        self._signers: dict[str, FrameSigner] = {}
        self.kid = ""
        self._streams: list[OpenStream | OpenSocket] = []

    # Login and keys.

    def log_in(self) -> Self:
        """Open an anonymous session."""
        answer = self.http.post("/session")
        assert answer.status_code == 204, answer.text
        return self

    @property
    def cookie(self) -> str:
        """The cookie header."""
        return self._cookie or "; ".join(f"{cookie.name}={cookie.value}" for cookie in self.http.cookies.jar)

    def fetch_key(self) -> dict[str, Any]:
        """Get a key and keep it."""
        answer = self.http.post("/keys")
        assert answer.status_code == 200, answer.text
        members: dict[str, Any] = answer.json()
        self.kid = members["kid"]
        secret = MacKey(base64.decode(members["secret"]))
        self.keys[self.kid] = VerifyKey(secret, members["expiresAt"])
        self._signers[self.kid] = FrameSigner(self.kid, secret)
        return members

    def find(self, kid: str) -> VerifyKey | None:
        """A key of this login, as a verifier looks it up."""
        return self.keys.get(kid)

    # Frames up.

    def sign(self, payload: dict[str, Any], *, kid: str | None = None, off_ms: int = 0) -> bytes:
        """A frame of this login."""
        return self._signers[kid or self.kid].sign(payload, self.clock.now_ms() + off_ms)

    def send(self, payload: dict[str, Any], *, kid: str | None = None, off_ms: int = 0) -> httpx2.Response:
        """Send one up."""
        return self.post("/frames", self.sign(payload, kid=kid, off_ms=off_ms))

    def post(self, path: str, body: bytes, headers: Mapping[str, str] | None = None) -> httpx2.Response:
        """Post JSON text."""
        return self.http.post(path, content=body, headers={**JSON, **(headers or {})})

    # Streams.

    def receiver(self, channels: Mapping[str, Since], skew_ms: int = 5_000) -> Receiver:
        """What verifies a stream of this login."""
        return Receiver(self, dict(channels), skew_ms=skew_ms)

    def get_stream(
        self,
        *channels: str,
        kid: str | None = None,
        cursor: str | None = None,
        headers: Mapping[str, str] | None = None,
        since: Mapping[str, Since] | None = None,
        receive_buffer_bytes: int | None = None,
    ) -> OpenStream:
        """Open a stream as a native EventSource does. Args: since: what the receiver knows, not sent."""
        query = "&".join([f"kid={kid or self.kid}", *(f"channel={name}" for name in channels)])
        extra = {"Last-Event-ID": cursor} if cursor is not None else {}
        known = {name: (since or {}).get(name) for name in channels}
        data = request("GET", f"{self.base}/stream?{query}", self._headers({**extra, **(headers or {})}))
        return self._open(data, known, receive_buffer_bytes)

    def post_stream(
        self,
        channels: Mapping[str, Since] | Sequence[str] = (),
        *,
        kid: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> OpenStream:
        """Open a stream as the clients of this project do."""
        known: dict[str, Since] = dict(channels) if isinstance(channels, Mapping) else dict.fromkeys(channels)
        wanted = {name: since.to_json() if since else None for name, since in known.items()}
        body = json.dumps({"kid": kid or self.kid, "channels": wanted}).encode()
        data = request("POST", f"{self.base}/stream", self._headers({**JSON, **(headers or {})}), body)
        return self._open(data, known, None)

    def socket(
        self,
        *channels: str,
        kid: str | None = None,
        headers: Mapping[str, str] | None = None,
        without: str = "",
        since: Mapping[str, Since] | None = None,
        receive_buffer_bytes: int | None = None,
    ) -> OpenSocket:
        """Open a WebSocket. Args: without: a header to leave out. since: what the receiver knows, not sent."""
        query = "&".join([f"kid={kid or self.kid}", *(f"channel={name}" for name in channels)])
        own = {name: value for name, value in handshake_headers().items() if name != without}
        data = request("GET", f"{self.base}/ws?{query}", self._headers({**own, **(headers or {})}))
        opened = OpenSocket(
            self.server.port,
            data,
            self.receiver({**dict.fromkeys(channels), **(since or {})}),
            self.clock.now_ms,
            receive_buffer_bytes=receive_buffer_bytes,
        )
        self._streams.append(opened)
        return opened

    def raw(self, method: str, path: str, headers: Mapping[str, str] | None = None, body: bytes = b"") -> bytes:
        """The bytes of a request of this login, path below ``BASE``."""
        return request(method, self.base + path, self._headers(headers or {}), body)

    def close(self) -> None:
        """Close whatever is open."""
        for stream in self._streams:
            stream.close()
        self.http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _open(self, data: bytes, known: Mapping[str, Since], receive_buffer_bytes: int | None) -> OpenStream:
        stream = OpenStream(
            self.server.port,
            data,
            self.receiver(known),
            self.clock.now_ms,
            receive_buffer_bytes=receive_buffer_bytes,
        )
        self._streams.append(stream)
        return stream

    def _headers(self, extra: Mapping[str, str]) -> dict[str, str]:
        cookie = {"Cookie": self.cookie} if self.cookie else {}
        return {"Host": f"127.0.0.1:{self.server.port}", **cookie, **extra}
