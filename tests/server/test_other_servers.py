"""The hub in an application under servers that are not ours, started as commands (PROTOCOL §5, Shutdown)."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest
from websockets.sync.client import connect as connect_websocket

from jitterbug.client import Notice, Status
from jitterbug.client.blocking import BlockingStream, connect
from tests.server.serving import until

ROOT = Path(__file__).resolve().parents[2]
APP = "tests.server.mounted_app:app"
COMMANDS = {
    "granian": ["granian", "--interface", "asgi", "--host", "127.0.0.1", "--port", "PORT", "--workers", "1", APP],
    "uvicorn": ["uvicorn", "--host", "127.0.0.1", "--port", "PORT", APP],
}
STREAMS = 20


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


@pytest.fixture(params=COMMANDS)
def served(request: pytest.FixtureRequest) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    """A server's process, and the address of the hub in it."""
    port = free_port()
    command = [str(port) if word == "PORT" else word for word in COMMANDS[request.param]]
    environ = {name: text for name, text in os.environ.items() if not name.startswith(("JITTERBUG_", "HMAC_"))}
    with subprocess.Popen(
        [sys.executable, "-m", *command], cwd=ROOT, env=environ, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as process:
        url = f"http://127.0.0.1:{port}"

        def answers() -> bool:
            with contextlib.suppress(httpx2.TransportError):
                return httpx2.get(f"{url}/api/jitterbug/health", trust_env=False, verify=False).status_code == 200
            return False

        try:
            until(answers)
            yield process, url
        finally:
            process.terminate()  # not killed: its workers would be left behind
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(15)
            process.kill()


def test_it_serves_streams_and_leaves_within_the_drain_time(served: tuple[subprocess.Popen[bytes], str]) -> None:
    """Every stream is told `shutdown`, and the process ends by itself; nothing in the server is patched."""
    process, url = served
    notices: list[Notice] = []
    with contextlib.ExitStack() as streams:
        opened: list[BlockingStream] = [
            streams.enter_context(connect(url, channels=["a"], open_timeout_s=20, on_notice=notices.append))
            for _ in range(STREAMS)
        ]
        opened[0].publish("a", 1)
        assert [stream.get(10).data for stream in opened if stream] == [1] * STREAMS  # type: ignore[union-attr]
        process.send_signal(signal.SIGTERM)
        started_s = time.monotonic()
        process.wait(15)
        assert time.monotonic() - started_s < 8
        assert process.returncode in {0, -signal.SIGTERM}  # uvicorn raises the signal again once it has stopped
        until(lambda: _told(notices) >= STREAMS, limit_s=5)


def _told(notices: list[Notice]) -> int:
    return sum(isinstance(item, Status) and item.code == "JB_SHUTDOWN" for item in notices)


def test_a_websocket_works_there_too(served: tuple[subprocess.Popen[bytes], str]) -> None:
    """By the library that others would use; the first frame is a signed hello."""
    _, url = served
    with httpx2.Client(base_url=f"{url}/api/jitterbug", trust_env=False, verify=False) as http:
        http.post("/session")
        kid = http.post("/keys").json()["kid"]
        cookie = "; ".join(f"{item.name}={item.value}" for item in http.cookies.jar)
    address = f"{url.replace('http', 'ws')}/api/jitterbug/ws?kid={kid}&channel=a"
    with connect_websocket(address, additional_headers={"Cookie": cookie}, compression=None) as websocket:
        assert '"t":"hello"' in str(websocket.recv(10))
        assert '"t":"subscribed"' in str(websocket.recv(10))
