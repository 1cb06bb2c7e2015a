"""``uvicorn --reload`` of an application with a hub in it: open streams do not hold the new code up (PROTOCOL §5)."""

import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TypeVar

import httpx2
import pytest

from tests.server.visitor import JSON

T = TypeVar("T")
APP = Path(__file__).with_name("mounted_app.py")
DRAIN_S = 0.5
"""Of ``mounted_app.py``."""
STREAMS = 20
AT_ONCE_S = 4.0
"""What a busy machine may take beside the drain time. Less than uvicorn waits for an idle connection."""
PATIENCE_S = 30.0
"""To start an interpreter and import everything anew, on a busy machine."""


class Reloading:
    """The command, serving an application that stands in a file of its own."""

    def __init__(self, code: Path, process: subprocess.Popen[bytes], log: Path) -> None:
        self.code, self._process, self._log = code, process, log
        # The command finds its port itself: one that was free a moment ago may be taken when it starts.
        found = self.until("an address", lambda: re.findall(r"running on (http://\S+)", self.log()))
        self.url: str = found[0]
        self.base = f"{self.url}/api/jitterbug"

    def log(self) -> str:
        return self._log.read_text()

    def until(self, what: str, look: Callable[[], T], within_s: float = PATIENCE_S) -> T:
        """Wait until a look finds something, for as long as the command runs."""
        deadline_s = time.monotonic() + within_s
        while not (found := look()):
            assert self._process.poll() is None, "the command has ended"
            assert time.monotonic() < deadline_s, f"not within {within_s} s: {what}"
            time.sleep(0.02)
        return found

    def answers(self) -> bool:
        try:
            return httpx2.get(f"{self.base}/health", trust_env=False, verify=False).status_code == 200
        except httpx2.TransportError:
            return False


@contextmanager
def reloading(folder: Path) -> Iterator[Reloading]:
    """Start it; what it wrote is shown where a test fails."""
    code, log = folder / "reloaded_app.py", folder / "log"
    code.write_text(APP.read_text())
    command = ["uvicorn", "--reload", "--reload-dir", ".", "--port", "0", "reloaded_app:app"]
    environ = {name: text for name, text in os.environ.items() if not name.startswith(("JITTERBUG_", "HMAC_"))}
    with (
        log.open("w") as written,
        subprocess.Popen([sys.executable, "-m", *command], cwd=folder, env=environ, stderr=written) as process,
    ):
        try:
            yield Reloading(code, process, log)
        finally:
            process.terminate()
            try:
                process.wait(PATIENCE_S)
            finally:
                process.kill()
                print(log.read_text())  # noqa: T201 - shown where the test fails


@pytest.mark.slow
@pytest.mark.timeout(150)
def test_a_change_of_the_code_is_served_though_streams_are_open(tmp_path: Path) -> None:
    """Each gets its farewell and the old process ends within the drain time; a fresh hub serves whoever comes back."""
    with reloading(tmp_path) as server, ExitStack() as stack:
        server.until("the first answer", server.answers)
        client = stack.enter_context(
            httpx2.Client(base_url=server.base, trust_env=False, verify=False, timeout=PATIENCE_S)
        )
        assert client.post("/session").status_code == 204
        kid = client.post("/keys").json()["kid"]
        bodies = []
        for _ in range(STREAMS):
            asked = client.stream("POST", "/stream", json={"kid": kid, "channels": {"a": None}}, headers=JSON)
            lines = stack.enter_context(asked).iter_lines()
            while '"t":"subscribed"' not in next(lines):
                pass
            bodies.append(lines)

        server.code.write_text(f'{server.code.read_text()}\napp.add_api_route("/changed", lambda: "new code")\n')
        server.until("the change is seen", lambda: "Reloading..." in server.log())

        seen_s = time.monotonic()
        for lines in bodies:
            assert '"reason":"shutdown"' in "".join(lines)
        assert time.monotonic() - seen_s < DRAIN_S + AT_ONCE_S
        ended = "Finished server process"
        server.until("the old process has ended", lambda: ended in server.log(), DRAIN_S + AT_ONCE_S)

        server.until("the new process answers", server.answers)
        assert client.get(f"{server.url}/changed").json() == "new code"
        assert client.post("/keys").status_code == 401, "a login of the hub that is gone"
        assert client.post("/session").status_code == 204
        kid = client.post("/keys").json()["kid"]
        with client.stream("POST", "/stream", json={"kid": kid, "channels": {"a": None}}, headers=JSON) as again:
            assert any('"t":"subscribed"' in line for line in again.iter_lines())
