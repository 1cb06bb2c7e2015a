"""The floor: a C loop that calls write(2) for each subscriber and does nothing else."""

import platform
from pathlib import Path

from bench.build import compiled
from bench.load import Subscriber
from bench.peers.base import Peer
from bench.processes import ServerProcess
from bench.publisher import request


class Floor(Peer):
    """``bench/floor.c``."""

    name = "floor"
    settings = "C, one write(2) of the signed frame's length to each, nothing else"
    has_tls = True

    @classmethod
    def version(cls) -> str:
        """That of the kernel, whose cost it is."""
        return f"Linux {platform.release()}"

    def start(self) -> ServerProcess:
        """It chooses its port itself."""
        tls: list[str | Path] = ["--tls", self.tls.cert, self.tls.key] if self.tls is not None else []
        process = ServerProcess([compiled("floor"), *tls, str(self.options["wire_bytes"])], cwd=self.folder)
        self.port = int(process.stdout.readline())
        return process

    def subscriber(self, *, websocket: bool = False) -> Subscriber:
        """A bare GET."""
        assert not websocket
        return Subscriber([f"GET / HTTP/1.1\r\nHost: 127.0.0.1:{self.port}\r\n\r\n"])

    def publication(self, data: str) -> bytes:
        """A bare POST."""
        return request("/", data.encode(), port=self.port)
