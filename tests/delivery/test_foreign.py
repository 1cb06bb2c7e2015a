"""Clients and proxies that are not ours: curl reads the stream, nginx in its default configuration passes it on."""

import contextlib
import selectors
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest

from jitterbug.clock import SystemClock
from jitterbug.protocol.session import Control, Publication
from jitterbug.protocol.signing import FrameSigner
from tests.client.hub_process import HubProcess
from tests.delivery.feed import KID, ROOT, SECRET
from tests.delivery.login import BASE, Login, log_in
from tests.server.serving import ask, until

CHANNEL = "foreign"
CURL = shutil.which("curl")
NGINX = shutil.which("nginx", path="/usr/sbin:/usr/local/sbin:/usr/bin:/usr/local/bin:/sbin")
needs_curl = pytest.mark.skipif(CURL is None, reason="curl is not installed (apt-get install curl)")
needs_nginx = pytest.mark.skipif(NGINX is None, reason="nginx is not installed (apt-get install nginx)")
pytestmark = pytest.mark.slow
# As nginx is when nothing is set but where to listen and where to pass on: HTTP/1.0 to the hub, buffering on, gzip as
# Debian ships it. Files of its own stand below its prefix.
NGINX_CONF = """
worker_processes 1;
daemon off;
pid nginx.pid;
error_log stderr;
events {{ }}
http {{
  access_log off;
  gzip on;
  client_body_temp_path temp-body;
  proxy_temp_path temp-proxy;
  fastcgi_temp_path temp-fastcgi;
  uwsgi_temp_path temp-uwsgi;
  scgi_temp_path temp-scgi;
  server {{
    listen 127.0.0.1:{port};
    location / {{ proxy_pass {hub}; }}
  }}
}}
"""


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[HubProcess]:
    with HubProcess(tmp_path, environ=ROOT, profile="realtime") as running:
        yield running


@pytest.fixture
def publish(hub: HubProcess) -> Callable[[Any], None]:
    """Publishes straight to the hub."""
    signer = FrameSigner(KID, SECRET)
    serial = iter(range(10_000))

    def send(data: Any) -> None:
        payload = {"t": "publish", "id": f"p{next(serial)}", "ch": CHANNEL, "data": data}
        frame = signer.sign(payload, SystemClock().now_ms())
        answer = ask("POST", f"{hub.url}{BASE}/publish", content=frame, headers={"content-type": "application/json"})
        assert answer.status_code == 200, answer.text

    return send


class Curl:
    """``curl -N`` on the stream.

    Attributes:
        frames: The data of each event so far.
        ids: The ids that came with them; None = an event without one.
    """

    def __init__(self, url: str, login: Login, *arguments: str) -> None:
        assert CURL is not None
        target = f"{url}{BASE}/stream?kid={login.kid}&channel={CHANNEL}"
        self._process = subprocess.Popen(
            [CURL, "-sSN", "--noproxy", "*", "--cookie", login.cookie, *arguments, target], stdout=subprocess.PIPE
        )
        self.frames: list[bytes] = []
        self.ids: list[str | None] = []
        self._id: str | None = None
        self._unread = b""

    def read(self, frames: int, limit_s: float = 10) -> None:
        """Read until so many frames came in all."""
        output = self._process.stdout
        assert output is not None
        deadline_s = time.monotonic() + limit_s
        with selectors.DefaultSelector() as selector:
            selector.register(output, selectors.EVENT_READ)
            while len(self.frames) < frames:
                assert time.monotonic() < deadline_s, f"{len(self.frames)} of {frames} frames came: {self.frames}"
                if not selector.select(0.1):
                    continue
                *lines, self._unread = (self._unread + output.read1(65_536)).split(b"\n")  # type: ignore[attr-defined]
                for line in lines:
                    self._line(line)

    def _line(self, line: bytes) -> None:
        name, _, value = line.partition(b": ")
        if name == b"id":
            self._id = value.decode()
        elif name == b"data":
            self.frames.append(value)
            self.ids.append(self._id)
            self._id = None

    def end(self) -> None:
        """Stop it."""
        self._process.terminate()
        self._process.wait(10)
        assert self._process.stdout is not None
        self._process.stdout.close()


@contextmanager
def curl(url: str, login: Login, *arguments: str) -> Iterator[Curl]:
    running = Curl(url, login, *arguments)
    try:
        yield running
    finally:
        running.end()


def data_of(events: list[Any]) -> list[Any]:
    return [event.data for event in events if isinstance(event, Publication)]


@needs_curl
def test_curl_reads_the_stream_and_resumes_by_last_event_id(hub: HubProcess, publish: Callable[[Any], None]) -> None:
    """Events with ids; after a cut, exactly what came since the last id, marked as from history."""
    login = log_in(hub.url)
    with curl(hub.url, login) as first:
        first.read(2)  # hello, subscribed
        for number in range(3):
            publish(number)
        first.read(5)
    events = login.verify(first.frames, CHANNEL)
    assert data_of(events) == [0, 1, 2]
    assert None not in first.ids[2:], "a publication came without an id"
    for number in range(3, 6):
        publish(number)

    with curl(hub.url, login, "-H", f"Last-Event-ID: {first.ids[-1]}") as second:
        second.read(5)
        publish(6)
        second.read(6)

    last = next(event.position for event in reversed(events) if isinstance(event, Publication))
    resumed = login.verify(second.frames, CHANNEL, since=last)
    assert data_of(resumed) == [3, 4, 5, 6]
    assert [event.recovered for event in resumed if isinstance(event, Publication)] == [True, True, True, False]
    assert any(isinstance(event, Control) and event.payload.get("recovered") is True for event in resumed)


@pytest.fixture
def nginx(hub: HubProcess, tmp_path: Path) -> Iterator[str]:
    """nginx before the hub; its URL."""
    assert NGINX is not None
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    prefix = tmp_path / "nginx"
    prefix.mkdir()
    (prefix / "nginx.conf").write_text(NGINX_CONF.format(port=port, hub=hub.url))
    log = prefix / "stderr.log"
    with log.open("wb") as errors:
        process = subprocess.Popen([NGINX, "-p", str(prefix), "-c", "nginx.conf", "-e", "stderr"], stderr=errors)
        url = f"http://127.0.0.1:{port}"

        def answers() -> bool:
            assert process.poll() is None, f"nginx did not start: {log.read_text()}"
            with contextlib.suppress(httpx2.TransportError):
                return ask("GET", f"{url}{BASE}/health").status_code == 200
            return False

        try:
            until(answers)
            yield url
        finally:
            process.terminate()
            process.wait(10)


@needs_nginx
@needs_curl
def test_a_publication_passes_nginx_within_a_second(
    nginx: str, publish: Callable[[Any], None], record_property: Callable[[str, object], None]
) -> None:
    """One frame at a time, so that nothing pushes it out of a buffer; login and stream go through nginx too."""
    login = log_in(nginx)
    delays_ms: list[float] = []
    with curl(nginx, login) as stream:
        stream.read(2)
        for number in range(10):
            started_s = time.monotonic()
            publish(number)
            stream.read(3 + number)
            delays_ms.append((time.monotonic() - started_s) * 1_000)
            time.sleep(0.02)

    assert data_of(login.verify(stream.frames, CHANNEL)) == list(range(10))
    record_property("worst delay through nginx, ms", round(max(delays_ms), 1))
    print(f"worst delay through nginx: {max(delays_ms):.1f} ms")  # noqa: T201
    assert max(delays_ms) < 1_000
