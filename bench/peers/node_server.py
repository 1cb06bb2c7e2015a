"""What the peers that run in Node have in common."""

import json
import shutil
import subprocess
from pathlib import Path
from typing import ClassVar, Final

from bench.build import BUILT
from bench.load import Subscriber
from bench.peers.base import Peer, UnavailableError
from bench.processes import ServerProcess
from bench.publisher import request, upgrade

SCRIPTS: Final = Path(__file__).resolve().parent / "node"
INSTALLED: Final = BUILT / "node"
ENGINE_IO: Final = "/socket.io/?EIO=4&transport=websocket"
JOIN_DEFAULT_NAMESPACE: Final = b"\x81\x82\0\0\0\0" + b"40"
"""A masked text frame (RFC 6455 §5.2) with what a Socket.IO client says first."""


class NodePeer(Peer):
    """A script in ``bench/peers/node``, run beside the packages that ``python -m bench.install`` put there."""

    package: ClassVar[str]
    script: ClassVar[str]

    @classmethod
    def version(cls) -> str:
        """Of the package, and of Node."""
        if shutil.which("node") is None:
            raise UnavailableError("Node is not here")
        described = INSTALLED / "node_modules" / cls.package / "package.json"
        if not described.exists():
            raise UnavailableError(f"{cls.package} is not installed: python -m bench.install")
        node = subprocess.run(["node", "--version"], capture_output=True, text=True, check=True).stdout.strip()
        return f"{json.loads(described.read_text())['version']} on Node {node.removeprefix('v')}"

    def start(self) -> ServerProcess:
        """Copy the script to where its packages are, and run it."""
        script = INSTALLED / self.script
        shutil.copyfile(SCRIPTS / self.script, script)
        process = ServerProcess(["node", script, str(self.port)], cwd=self.folder, environ={"NODE_ENV": "production"})
        process.wait_listening(self.port)
        return process

    def subscriber(self, *, websocket: bool = False) -> Subscriber:
        """EventSource, or Socket.IO's own words over WebSocket."""
        return socket_io(self.port) if websocket else event_source("/", self.port)

    def publication(self, data: str) -> bytes:
        """The bare data."""
        return request("/", data.encode(), port=self.port)


def event_source(path: str, port: int, ready: str = "") -> Subscriber:
    """What a browser's EventSource asks for."""
    return Subscriber(
        [f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nAccept: text/event-stream\r\n\r\n"], ready=ready
    )


def socket_io(port: int) -> Subscriber:
    """A Socket.IO client on the default namespace, over WebSocket from the start."""
    return Subscriber([upgrade(ENGINE_IO, port)], ready='40{"sid"', after=JOIN_DEFAULT_NAMESPACE)
