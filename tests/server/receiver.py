"""Somebody's webhook receiver: a real HTTP server on loopback that answers as it is told."""

import base64
import hashlib
import hmac
import json
import threading
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

SECRET = bytes.fromhex("3bd1f0a94c7e18562da0c3f7e96b845172fd0e3a9bc8461d57e2a08fb3946c1e")
SECRET_TEXT = f"whsec_{base64.b64encode(SECRET).decode()}"


@dataclass
class Delivery:
    """One request, verified here as Standard Webhooks describe it, without any code of ours."""

    path: str
    headers: dict[str, str]
    body: bytes
    at_s: float = field(default_factory=time.monotonic)

    @property
    def id(self) -> str:
        return self.headers["webhook-id"]

    def is_signed_by(self, secret: bytes) -> bool:
        signed = b".".join([self.id.encode(), self.headers["webhook-timestamp"].encode(), self.body])
        wanted = base64.b64encode(hmac.new(secret, signed, hashlib.sha256).digest()).decode()
        return f"v1,{wanted}" in self.headers["webhook-signature"].split(" ")

    def json(self) -> Any:
        return json.loads(self.body)


class Receiver:
    """Attributes: deliveries: all that came. statuses: answers to the next, then 204. hold: while cleared, it waits."""

    def __init__(self, *statuses: int) -> None:
        self.deliveries: list[Delivery] = []
        self.statuses = list(statuses)
        self.hold = threading.Event()
        self.hold.set()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                named = {name.lower(): value for name, value in self.headers.items()}
                outer.deliveries.append(Delivery(self.path, named, body))
                outer.hold.wait(20)
                self.send_response(outer.statuses.pop(0) if outer.statuses else 204)
                self.send_header("location", "/elsewhere")
                self.send_header("content-length", "0")
                self.end_headers()

            do_GET = do_POST  # noqa: N815 - the name http.server looks for

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/hooks/jitterbug"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.hold.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
