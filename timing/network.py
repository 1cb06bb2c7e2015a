"""The same question asked of a hub in a process of its own, over a socket: what a stranger could measure.

The answers must be alike, too: status, headers but for the request id, and body.
"""

import http.client
import json
import secrets
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from time import time
from typing import Any, Final

from jitterbug.protocol import base64
from jitterbug.protocol.signing import FrameSigner
from tests.client.hub_process import HubProcess
from timing.comparison import Call, Comparison, Pair
from timing.forgeries import FIRST, LAST, new_kid, wrong_at

_EPHEMERAL_KID_BYTES: Final = 39
_BASE: Final = "/api/jitterbug"
_GENEROUS: Final[dict[str, Any]] = {
    "rate_capacity": 1_000_000,
    "rate_refill_per_s": 1_000_000,
    "keys_per_minute": 10_000,
}


class Asking:
    """One login and one connection that is kept open."""

    def __init__(self, url: str) -> None:
        self._http = http.client.HTTPConnection(url.removeprefix("http://"), timeout=30)
        self._headers = {"content-type": "application/json"}
        answer, _ = self.ask("/session", b"")
        self._headers["cookie"] = str(answer.getheader("set-cookie")).partition(";")[0]
        _, body = self.ask("/keys", b"{}")
        key = json.loads(body)
        self.kid: str = key["kid"]
        self._signer = FrameSigner(self.kid, base64.decode(key["secret"]))

    def ask(self, path: str, body: bytes) -> tuple[http.client.HTTPResponse, bytes]:
        """Post, and read the answer."""
        self._http.request("POST", _BASE + path, body, self._headers)
        answer = self._http.getresponse()
        return answer, answer.read()

    def signed(self, off_ms: int = 0) -> bytes:
        """A frame under its key. Args: off_ms: how wrong its time is."""
        payload = {"t": "ping", "id": secrets.token_hex(8), "conn": secrets.token_hex(8)}
        return self._signer.sign(payload, int(time() * 1_000) + off_ms)

    def alike(self, frame: bytes) -> tuple[int, list[tuple[str, str]], bytes]:
        """What the answer says, without what is never the same twice."""
        answer, body = self.ask("/frames", frame)
        kept = [pair for pair in answer.getheaders() if pair[0].lower() not in {"x-request-id", "date"}]
        return answer.status, kept, body

    def close(self) -> None:
        """Hang up."""
        self._http.close()


def of_another(kid: str, frame: bytes) -> bytes:
    """The frame under another kid of the same length."""
    members: dict[str, Any] = json.loads(frame)
    return json.dumps({**members, "kid": kid}, separators=(",", ":"), sort_keys=True).encode()


@contextmanager
def comparisons() -> Iterator[list[Comparison]]:
    """What must be alike over the network. Raises AssertionError where the answers themselves differ."""
    with tempfile.TemporaryDirectory() as folder, HubProcess(Path(folder), profile="realtime", **_GENEROUS) as hub:
        own, other = Asking(hub.url), Asking(hub.url)

        def first() -> bytes:
            return wrong_at(own.signed(), FIRST)

        kinds: dict[str, Callable[[], Pair]] = {
            "network: first, last": lambda: (first(), wrong_at(own.signed(), LAST)),
            "network: known, unknown": lambda: (first(), of_another(new_kid(_EPHEMERAL_KID_BYTES), own.signed())),
            "network: own, foreign": lambda: (first(), of_another(other.kid, own.signed())),
            "network: fresh, stale": lambda: (first(), wrong_at(own.signed(-60_000), FIRST)),
        }
        for make in kinds.values():
            one, two = make()
            assert own.alike(one) == own.alike(two), "the answers differ"

        def batch(make: Callable[[], Pair], count: int) -> tuple[Call, list[Pair]]:
            return (lambda frame: own.ask("/frames", frame)), [make() for _ in range(count)]

        yield [
            Comparison(name=name, one="bad signature", other=name.rpartition(", ")[2], batch=partial(batch, make))
            for name, make in kinds.items()
        ]  # fmt: skip
        own.close()
        other.close()
