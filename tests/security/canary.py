"""A hub whose secrets carry a mark, and everything that comes out of it."""

import os
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import httpx2
import jwt

from jitterbug.protocol import base64
from jitterbug.protocol.signing import FrameSigner
from tests.protocol.outside import b64
from tests.security.dev_hub import DevHub
from tests.security.needles import Needles
from tests.server.receiver import Receiver
from tests.server.serving import until
from tests.server.sockets import OpenSocket
from tests.server.visitor import JSON, Visitor
from tests.server.wire import OpenStream, exchange

ROOT_KID = "canary-root-2026"
PUBLISHER_KID = "canary-publisher"
LIMITS = [
    "RATE_CAPACITY=40",
    "RATE_REFILL_PER_S=0.1",
    "KEYS_PER_MINUTE=4",
    "DRAIN_S=0",
    "MAX_CONNECTIONS_PER_SESSION=6",
]


PROXY = {"X-Forwarded-Proto": "https"}
"""What a listed proxy says of a request that came over TLS."""
AUDIENCE = "canary-hub"
RIGHTS = {"subscribe": ["**"], "publish": ["**"]}


class ProxiedVisitor(Visitor):
    """One login of a production hub behind a proxy, by token."""

    def log_in_with(self, token: str) -> None:
        """Exchange a token for a session. Its cookie is ``Secure``, so it is carried by hand: here is plain HTTP."""
        self.http.headers.update(PROXY)
        answer = self.http.post("/session", headers={"Authorization": f"Bearer {token}"})
        assert answer.status_code == 204, answer.text
        self._cookie = answer.headers["set-cookie"].partition(";")[0]
        self.http.headers["cookie"] = self._cookie

    def _headers(self, extra: Mapping[str, str]) -> dict[str, str]:
        return {**super()._headers(extra), **PROXY}


class Canary:
    """A hub with marked secrets, and everything that came out of it.

    Attributes:
        secrets: What must not be found, by name.
        answers: What requests got, as bytes, by what was asked.
        statuses: The last status of each.
        sockets: WebSockets, and ``sent``: the frames that went up on them.
        words: What each of these frames was answered with, or the code its socket was closed with.
        receiver: Where alerts go.
        while_running: What the hub had written before it was told to stop.
    """

    def __init__(
        self, folder: Path, *, logs_everything: bool, production: bool, engine: str, receiver: Receiver
    ) -> None:
        self.secrets = {
            "root": b"canary\x00\xff" + os.urandom(24),
            "previous": os.urandom(24) + b"\xfe\x01yranac",
            "publisher": b"canary\x00\xfe" + os.urandom(24),
            "tokens": f"canary-{os.urandom(24).hex()}".encode(),
            "webhook": b"canary\x00\xfd" + os.urandom(24),
            "webhook address": f"canary-{os.urandom(12).hex()}".encode(),
        }
        self.production, self.engine = production, engine
        self.receiver = receiver
        self.hub = DevHub(
            folder, LIMITS, self._environ(), logs_everything=logs_everything, production=production
        )  # fmt: skip
        self.root = FrameSigner(ROOT_KID, self.secrets["root"])
        self.publisher = FrameSigner(PUBLISHER_KID, self.secrets["publisher"])
        self.answers: list[tuple[str, bytes]] = []
        self.statuses: dict[str, int] = {}
        self.streams: list[OpenStream] = []
        self.sockets: list[OpenSocket] = []
        self.sent: list[bytes] = []
        self.words: dict[str, str | int | None] = {}
        self.while_running: dict[str, bytes] = {}
        self.visitors = [self._visitor("ada"), self._visitor("bob")]

    def _environ(self) -> dict[str, str]:
        environ = {
            "HMAC_KEY_ID": ROOT_KID,
            "HMAC_SECRET": b64(self.secrets["root"]),
            "HMAC_PREVIOUS_KEYS": f"canary-root-2025:{b64(self.secrets['previous'])}",
            "JITTERBUG_PUBLISHER_KEYS": f"{PUBLISHER_KID}:{b64(self.secrets['publisher'])}:news/*",
            "JITTERBUG_ALERT_WEBHOOK_URL": f"{self.receiver.url}?to={self.secrets['webhook address'].decode()}",
            "JITTERBUG_ALERT_WEBHOOK_SECRET": f"whsec_{b64(self.secrets['webhook'])}",
            "JITTERBUG_ENGINE": self.engine,
        }
        if self.production:
            environ |= {
                "JITTERBUG_JWT_KEY": self.secrets["tokens"].decode(),
                "JITTERBUG_JWT_AUDIENCE": AUDIENCE,
                "JITTERBUG_TRUSTED_PROXIES": "127.0.0.1",
                "JITTERBUG_AUDIT_FILE": "audit.jsonl",
            }
        return environ

    def token(self, subject: str, audience: str = AUDIENCE) -> str:
        """A token, which is a secret as well."""
        claims = {"sub": subject, "aud": audience, "exp": int(time.time()) + 600, "jitterbug": RIGHTS}
        token = jwt.encode(claims, self.secrets["tokens"], "HS256")
        self.secrets[f"token of {subject}"] = token.encode()
        return token

    @property
    def proxy(self) -> dict[str, str]:
        """Headers of a request that came over TLS, where that matters."""
        return PROXY if self.production else {}

    def note(self, name: str, answer: httpx2.Response) -> None:
        """Keep an answer."""
        self.statuses[name] = answer.status_code
        self.answers.append((name, head_and_body(answer)))

    def ask(self, name: str, path: str, body: bytes = b"", headers: dict[str, str] | None = None) -> None:
        """Post without a session."""
        url = f"{self.hub.url}/api/jitterbug{path}"
        self.note(
            name,
            httpx2.post(
                url, content=body, headers={**JSON, **self.proxy, **(headers or {})}, trust_env=False, verify=False
            ),
        )

    def get(self, url: str) -> None:
        """Fetch a page without a session."""
        self.note(url, httpx2.get(url, headers=self.proxy, trust_env=False, verify=False))

    def raw(self, name: str, data: bytes) -> None:
        """Send bytes as they are."""
        head, body = exchange(self.hub.port, data)
        self.statuses[name] = head.status
        self.answers.append((name, repr(head).encode() + body))

    def publish(self, name: str, channel: str, data: Any, signer: FrameSigner | None = None) -> None:
        """Do what a back end does."""
        payload = {"t": "publish", "id": os.urandom(8).hex(), "ch": channel, "data": data}
        self.ask(name, "/publish", (signer or self.root).sign(payload, self.hub.push.clock.now_ms()))

    def open_socket(self, *channels: str) -> OpenSocket:
        """Open a WebSocket of the first visitor."""
        self.sockets.append(self.visitors[0].socket(*channels))
        assert self.sockets[-1].shake().status == 101
        return self.sockets[-1]

    def say(self, name: str, socket: OpenSocket, frame: bytes) -> None:
        """Send a frame up a WebSocket and keep what it is answered with."""
        index = len(socket.answers())
        self.sent.append(frame)
        socket.send(frame)
        answer = socket.answer(index)
        self.words[name] = answer.get("code", answer["t"])

    def break_off(self, name: str, op: int, data: bytes) -> None:
        """Send up a WebSocket of its own what ends it."""
        socket = self.open_socket()
        self.sent.append(data)
        socket.put(op, data)
        self.words[name] = socket.wait_for_close()

    def stop(self) -> int:
        """Wait for the alerts, look at what is written while the hub runs, end it. Returns its exit status."""
        until(lambda: len(self.receiver.deliveries) > 1)
        self.while_running = self.hub.written()
        for visitor in self.visitors:
            visitor.close()
        return self.hub.stop()

    def search(self, needles: Needles) -> list[str]:
        """Where something is found, and what."""
        found = [f"{name}: {found}" for name, data in self.everything() for found in needles.found_in(data)]
        return sorted(set(found))

    def everything(self) -> Iterator[tuple[str, bytes]]:
        """All that left the hub, but for the secrets it has to hand out, each in its one place."""
        yield from self.answers
        for visitor in self.visitors:
            for answer in visitor.answers:
                yield str(answer.request.url), without_what_was_asked_for(answer)
        for number, stream in enumerate(self.streams):
            yield f"stream {number}", stream.raw
        for number, socket in enumerate(self.sockets):
            yield f"socket {number}", socket.received
        for frame in self.sent:
            yield "sent up a socket", frame
        for delivery in self.receiver.deliveries:
            yield "alert", repr(delivery.headers).encode() + delivery.body
        written = self.hub.written()
        yield from written.items()
        for name, data in self.while_running.items():
            if not written.get(name, b"").startswith(data):
                yield f"{name}, while it ran", data

    def _visitor(self, subject: str) -> Visitor:
        if self.production:
            proxied = ProxiedVisitor(self.hub)  # type: ignore[arg-type]
            proxied.log_in_with(self.token(subject))
            visitor: Visitor = proxied
        else:
            visitor = Visitor(self.hub).log_in()  # type: ignore[arg-type]
        visitor.fetch_key()
        self.secrets |= {
            f"session of {subject}": visitor.cookie.partition("=")[2].encode(),
            f"key of {subject}": base64.decode(visitor.fetch_key()["secret"]),
        }
        return visitor


def head_and_body(answer: httpx2.Response) -> bytes:
    return b"".join(name + b": " + value + b"\r\n" for name, value in answer.headers.raw) + answer.read()


def without_what_was_asked_for(answer: httpx2.Response) -> bytes:
    """A key answer without its own secret; a login's without its cookie."""
    data = head_and_body(answer)
    if answer.request.url.path.endswith("/keys") and answer.status_code == 200:
        return data.replace(answer.json()["secret"].encode(), b"")
    if answer.request.url.path.endswith("/session") and "set-cookie" in answer.headers:
        return data.replace(answer.headers["set-cookie"].encode(), b"")
    return data
