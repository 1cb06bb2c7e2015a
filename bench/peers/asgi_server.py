"""What the peers that run under uvicorn have in common."""

import sys
from importlib.metadata import PackageNotFoundError, version
from typing import ClassVar

from bench.load import Subscriber
from bench.peers.base import Peer, UnavailableError
from bench.peers.node_server import event_source
from bench.processes import ServerProcess
from bench.publisher import request


class AsgiPeer(Peer):
    """The file's own ``app`` under uvicorn with uvloop and httptools, one worker."""

    distribution: ClassVar[str]
    factory: ClassVar[str] = "app"
    ready: ClassVar[str] = ""
    has_tls = True

    @classmethod
    def version(cls) -> str:
        """Of the package, and of uvicorn."""
        try:
            return f"{version(cls.distribution)} on uvicorn {version('uvicorn')}"
        except PackageNotFoundError:
            raise UnavailableError(f"{cls.distribution} is not installed: python -m bench.install") from None

    def start(self) -> ServerProcess:
        """Start uvicorn."""
        tls = [f"--ssl-certfile={self.tls.cert}", f"--ssl-keyfile={self.tls.key}"] if self.tls is not None else []
        command = [sys.executable, "-m", "uvicorn", "--factory", f"{type(self).__module__}:{self.factory}"]
        process = ServerProcess(
            [
                *command, f"--port={self.port}", "--loop=uvloop", "--http=httptools", "--no-access-log",
                "--log-level=warning", "--backlog=4096", "--timeout-graceful-shutdown=1",
                "--ws-per-message-deflate=false", *tls,
            ],
            cwd=self.folder,
        )  # fmt: skip
        process.wait_listening(self.port)
        return process

    def subscriber(self, *, websocket: bool = False) -> Subscriber:
        """EventSource."""
        assert not websocket
        return event_source("/sub", self.port, self.ready)

    def publication(self, data: str) -> bytes:
        """The bare data."""
        return request("/pub", data.encode(), port=self.port)
