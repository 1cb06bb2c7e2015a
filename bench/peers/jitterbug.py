"""Ours, as a user runs it: every frame signed for its connection."""

import json
import os
import secrets
import sys
from importlib.metadata import version
from time import time
from typing import Final

from bench.load import Subscriber
from bench.peers.base import Peer
from bench.processes import ServerProcess
from bench.publisher import request, upgrade
from jitterbug.protocol import base64
from jitterbug.protocol.position import channel_tag
from jitterbug.protocol.signing import FrameSigner

BASE: Final = "/api/jitterbug"
CHANNEL: Final = "bench"
_KID: Final = "bench-root"


class Jitterbug(Peer):
    """``jitterbug dev --profile realtime``: the serving code is that of ``jitterbug serve``, logins are anonymous."""

    name = "jitterbug"
    settings = "PROFILE=realtime, memory engine, history 100 publications for 300 s, a login and a key for each, signed"
    has_tls = True
    has_websocket = True

    @classmethod
    def version(cls) -> str:
        """Its own."""
        return version("jitterbug-push")

    def start(self) -> ServerProcess:
        """Start the command that users start."""
        secret = os.urandom(32)
        self._signer = FrameSigner(_KID, secret)
        sets = ["--set=MAX_CONNECTIONS=100000", "--set=DRAIN_S=0"]
        if self.tls is not None:
            sets += [f"--set=TLS_CERT={self.tls.cert}", f"--set=TLS_KEY={self.tls.key}"]
        command = [sys.executable, "-m", "jitterbug", "dev", "--json", "--profile=realtime", "--bind=127.0.0.1:0"]
        environ = {"HMAC_KEY_ID": _KID, "HMAC_SECRET": base64.encode(secret).decode(), "NO_COLOR": "1"}
        process = ServerProcess([*command, "--admin-bind=127.0.0.1:0", *sets], cwd=self.folder, environ=environ)
        line = process.stdout.readline()
        if not line:
            raise RuntimeError(f"the hub did not start: {process.log.read_text()[-2000:]}")
        self.port = int(json.loads(line)["url"].rpartition(":")[2])
        return process

    def _keyed(self) -> list[str]:
        host = f"Host: 127.0.0.1:{self.port}\r\n"
        return [
            f"POST {BASE}/session HTTP/1.1\r\n{host}Content-Length: 0\r\n\r\n",
            f"POST {BASE}/keys HTTP/1.1\r\n{host}Cookie: {{cookie}}\r\nContent-Length: 0\r\n\r\n",
        ]

    def subscriber(self, *, websocket: bool = False) -> Subscriber:
        """A login, a key, and the stream."""
        query = f"?kid={{kid}}&channel={CHANNEL}"
        cookie = "Cookie: {cookie}\r\n"
        stream = upgrade(f"{BASE}/ws{query}", self.port, cookie) if websocket else self._stream(query)
        return Subscriber([*self._keyed(), stream], ready='"t":"subscribed"')

    def _stream(self, query: str, headers: str = "") -> str:
        host = f"Host: 127.0.0.1:{self.port}\r\n"
        return f"GET {BASE}/stream{query} HTTP/1.1\r\n{host}Cookie: {{cookie}}\r\n{headers}\r\n"

    def publication(self, data: str) -> bytes:
        """A frame signed with the root key, as a back end sends it."""
        payload = {"t": "publish", "id": secrets.token_hex(8), "ch": CHANNEL, "data": json.loads(data)}
        return request(f"{BASE}/publish", self._signer.sign(payload, int(time() * 1_000)), port=self.port)

    def recovering(self, answers: list[bytes]) -> Subscriber:
        """The cursor of the first publication."""
        epoch, offset = json.loads(answers[0])["pos"]
        cursor = f"Last-Event-ID: {epoch}~{channel_tag(CHANNEL)}.{offset}\r\n"
        stream = self._stream(f"?kid={{kid}}&channel={CHANNEL}", cursor)
        return Subscriber([*self._keyed(), stream], ready='"t":"subscribed"', come_back=1)
