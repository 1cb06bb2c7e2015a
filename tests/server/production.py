"""`jitterbug serve` in a process of its own, with certificates of an authority made for the run."""

import json
import os
import selectors
import signal
import ssl
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import httpx2
import jwt
import trustme

from jitterbug.protocol import base64
from jitterbug.protocol.session import Control, Event, Hole, Publication, Receiver
from jitterbug.protocol.signing import FrameSigner, MacKey
from jitterbug.protocol.sse import SseDecoder
from jitterbug.protocol.verifying import Refused, VerifyKey
from jitterbug.server.app import BASE_PATH
from tests.client.hub_process import START_WITHIN_S, clean_environment

AUDIENCE = "hub"
TOKEN_KEY = "qP7vXr2LmW9tZc4Nf8sYh3Jd6bGk5RwTe1UaVoCx0i"
ALL = {"subscribe": ["**"], "publish": ["**"]}
WITHIN_S = 20
GENEROUS = {
    "JITTERBUG_PROFILE": "realtime",
    "JITTERBUG_KEYS_PER_MINUTE": "10000",
    "JITTERBUG_MAX_SESSIONS_PER_ADDRESS": "100000",
    "JITTERBUG_KEY_TTL_S": "30",
    "JITTERBUG_HEARTBEAT_S": "0.5",
    "JITTERBUG_ALLOWED_ORIGINS": "https://app.example",
    "JITTERBUG_SECURITY_POLICY": "https://hub.example/security",
}
"""For a hub that many tests use."""


def root_pair(kid: str) -> tuple[str, str]:
    """Id and secret of a new root key."""
    return kid, base64.encode(os.urandom(32)).decode()


class Authority:
    """A certificate authority and the hub's certificate, as files."""

    def __init__(self, folder: Path) -> None:
        self.ca = trustme.CA()
        self.cert, self.key = folder / "cert.pem", folder / "key.pem"
        issued = self.ca.issue_cert("127.0.0.1", "localhost")
        self.cert.write_bytes(b"".join(blob.bytes() for blob in issued.cert_chain_pems))
        self.key.write_bytes(issued.private_key_pem.bytes())

    def client_context(self) -> ssl.SSLContext:
        """What a client trusts."""
        context = ssl.create_default_context()
        self.ca.configure_trust(context)
        return context

    def settings(self) -> dict[str, str]:
        """For the hub."""
        return {"JITTERBUG_TLS_CERT": str(self.cert), "JITTERBUG_TLS_KEY": str(self.key)}


def good_settings() -> dict[str, str]:
    """What a production hub needs beside TLS, on free ports."""
    kid, secret = root_pair("root_one")
    return {
        "HMAC_KEY_ID": kid,
        "HMAC_SECRET": secret,
        "JITTERBUG_JWT_KEY": TOKEN_KEY,
        "JITTERBUG_JWT_AUDIENCE": AUDIENCE,
        "JITTERBUG_BIND": "127.0.0.1:0",
        "JITTERBUG_ADMIN_BIND": "127.0.0.1:0",
        "JITTERBUG_DRAIN_S": "0",
    }


def token(
    key: Any = TOKEN_KEY, algorithm: str = "HS256", headers: Mapping[str, Any] | None = None, **claims: Any
) -> str:
    """A token the hub takes, unless claims say otherwise; a claim of None is left out."""
    members = {"sub": "ada", "aud": AUDIENCE, "exp": int(time.time()) + 7_200, "jitterbug": ALL, **claims}
    kept = {name: value for name, value in members.items() if value is not None}
    return jwt.encode(kept, key, algorithm=algorithm, headers=dict(headers or {}))


class ProductionHub:
    """A running ``jitterbug serve``; ends with the ``with`` block.

    Attributes:
        url, admin_url: As it printed them.
    """

    def __init__(self, cwd: Path, environ: Mapping[str, str], context: ssl.SSLContext | None = None) -> None:
        """Args: context: what its clients trust; None = it speaks plain HTTP, behind a proxy."""
        self.context = context
        self._log = cwd / "hub.log"
        with self._log.open("ab") as errors:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "jitterbug", "serve"],
                cwd=cwd,
                env=clean_environment(**environ),
                stdout=subprocess.PIPE,
                stderr=errors,
                stdin=subprocess.DEVNULL,
            )
        listening = json.loads(self._first_line())
        self.url: str = listening["url"]
        self.admin_url: str = listening["admin_url"]

    @property
    def port(self) -> int:
        """TCP port of the public listener."""
        return int(self.url.rsplit(":", 1)[1])

    def log(self) -> str:
        """What it logged."""
        return self._log.read_text()

    def client(self, **options: Any) -> httpx2.Client:
        """Somebody; remembers cookies."""
        verify = self.context or False
        base_url = f"{self.url}{BASE_PATH}"
        return httpx2.Client(base_url=base_url, verify=verify, trust_env=False, timeout=WITHIN_S, **options)

    def log_in(self, client: httpx2.Client, **claims: Any) -> httpx2.Response:
        """Exchange a token for a login."""
        answer = client.post("/session", headers={"authorization": f"Bearer {token(**claims)}"})
        assert answer.status_code == 204, answer.text
        return answer

    def send_signal(self, number: signal.Signals) -> None:
        """Send it a signal."""
        self.process.send_signal(number)

    def wait_for_log(self, text: str) -> None:
        """Wait until it has logged something."""
        deadline_s = time.monotonic() + WITHIN_S
        while text not in self.log():
            assert time.monotonic() < deadline_s, f"{text!r} was not logged: {self.log()}"
            time.sleep(0.02)

    def stop(self) -> int:
        """End it in order; returns its exit status."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(WITHIN_S)
        finally:
            if self.process.poll() is None:
                self.process.kill()
                self.process.wait()
            assert self.process.stdout is not None
            self.process.stdout.close()

    def _first_line(self) -> bytes:
        output = self.process.stdout
        assert output is not None
        with selectors.DefaultSelector() as selector:
            selector.register(output, selectors.EVENT_READ)
            if selector.select(START_WITHIN_S) and (line := output.readline()):
                return line
        self.process.kill()
        self.process.wait()
        output.close()
        raise AssertionError(f"the hub did not start: {self.log()}")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


class Member:
    """Somebody logged in by a token, with a key.

    Attributes:
        http: Has the cookie.
        kid, key_expires_at_ms: Of the key.
    """

    def __init__(self, hub: ProductionHub, **claims: Any) -> None:
        self.http = hub.client()
        hub.log_in(self.http, **claims)
        self._keys: dict[str, VerifyKey] = {}
        self.fetch_key()
        self._streams: list[Stream] = []

    def fetch_key(self) -> None:
        """Get a key, which is the one in use from now on."""
        answer = self.http.post("/keys")
        assert answer.status_code == 200, answer.text
        members = answer.json()
        self.kid: str = members["kid"]
        self.key_expires_at_ms: int = members["expiresAt"]
        mac = MacKey(base64.decode(members["secret"]))
        self._keys[self.kid] = VerifyKey(mac, self.key_expires_at_ms)
        self._signer = FrameSigner(self.kid, mac)

    @property
    def cookie(self) -> str:
        """The cookie header."""
        return "; ".join(f"{cookie.name}={cookie.value}" for cookie in self.http.cookies.jar)

    def find(self, kid: str) -> VerifyKey | None:
        """A key it was given, as a verifier looks it up."""
        return self._keys.get(kid)

    def sign(self, payload: dict[str, Any]) -> bytes:
        """A frame, signed now."""
        return self._signer.sign(payload, time.time_ns() // 1_000_000)

    def post_frame(self, frame: bytes, headers: Mapping[str, str] | None = None) -> httpx2.Response:
        """Send a frame up."""
        return self.http.post("/frames", content=frame, headers={"content-type": "application/json", **(headers or {})})

    def open_stream(self, *channels: str) -> "Stream":
        """Open a stream and wait for its first frame."""
        self._streams.append(Stream(self, channels))
        self._streams[-1].wait_for("hello")
        return self._streams[-1]

    def close(self) -> None:
        """Close what is open."""
        for stream in self._streams:
            stream.close()
        self.http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class Stream:
    """A stream that is verified as it is read.

    Attributes:
        response: Its head.
        events: What came, verified.
    """

    def __init__(self, member: Member, channels: Sequence[str]) -> None:
        body = {"kid": member.kid, "channels": dict.fromkeys(channels)}
        self._context = member.http.stream("POST", "/stream", json=body)
        self.response = self._context.__enter__()
        assert self.response.status_code == 200
        self._chunks = self.response.iter_raw()
        self._sse = SseDecoder(max_event_bytes=65_536)
        self._receiver = Receiver(member, dict.fromkeys(channels))
        self.events: list[Event] = []

    @property
    def conn(self) -> str:
        """Id of the connection."""
        return str(self._receiver.conn)

    def wait_for(self, kind: str) -> dict[str, Any]:
        """Read until one of the hub's own frames has come; return its payload."""
        while True:
            for event in self.events:
                if isinstance(event, Control) and event.type == kind:
                    return event.payload
            self._read()

    def take(self, count: int) -> list[Any]:
        """Read until so many publications have come; return their data."""
        while True:
            found = [event.data for event in self.events if isinstance(event, Publication)]
            if len(found) >= count:
                return found
            self._read()

    def wait_for_end(self) -> None:
        """Read until the hub has ended it."""
        for _ in self._chunks:
            pass

    def close(self) -> None:
        """Go away."""
        self._context.__exit__(None, None, None)

    def _read(self) -> None:
        for item in self._sse.feed(next(self._chunks)):
            events = self._receiver.receive(item.data, time.time_ns() // 1_000_000)
            assert not [event for event in events if isinstance(event, Refused | Hole)], events
            self.events += events
