"""A login at a development hub, for clients that are not ours: a cookie, a key, and what verifies under it."""

from dataclasses import dataclass, field

import httpx2

from jitterbug.clock import SystemClock
from jitterbug.protocol import base64
from jitterbug.protocol.position import Position
from jitterbug.protocol.session import Event, Receiver
from jitterbug.protocol.signing import FrameSigner, MacKey
from jitterbug.protocol.verifying import VerifyKey

BASE = "/api/jitterbug"


@dataclass
class Login:
    """What a foreign client needs.

    Attributes:
        cookie: The header.
        kid: Its key's id, for the stream's URL.
        signer: Signs with that key.
    """

    cookie: str
    kid: str
    signer: FrameSigner
    key: VerifyKey = field(repr=False)

    def find(self, kid: str) -> VerifyKey | None:
        """The key, as a verifier looks it up."""
        return self.key if kid == self.kid else None

    def verify(self, frames: list[bytes], channel: str, since: Position | None = None) -> list[Event]:
        """What one connection's frames say."""
        receiver, now_ms = Receiver(self, {channel: since}), SystemClock().now_ms()
        return [event for frame in frames for event in receiver.receive(frame, now_ms)]


def log_in(url: str) -> Login:
    """Ask a development hub for an anonymous session and a key."""
    with httpx2.Client(base_url=url + BASE, verify=False, trust_env=False) as http:
        http.post("/session").raise_for_status()
        members = http.post("/keys").json()
        cookie = "; ".join(f"{each.name}={each.value}" for each in http.cookies.jar)
    mac = MacKey(base64.decode(members["secret"]))
    key = VerifyKey(mac, members["expiresAt"])
    return Login(cookie, members["kid"], FrameSigner(members["kid"], mac), key)
