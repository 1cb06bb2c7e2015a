"""Servers as processes pinned to one core, and what they take: CPU and memory of the whole tree."""

import contextlib
import os
import resource
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Final, Self

SERVER_CORE: Final = 0
CLIENT_CORE: Final = 1
_END_WITHIN_S: Final = 10
_NS_PER_US: Final = 1_000


def pin_client() -> None:
    """Keep this process off the server's core, and let it and its children open as many files as they may."""
    os.sched_setaffinity(0, {CLIENT_CORE})
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def pinned(command: Sequence[str | Path], core: int) -> list[str]:
    """The command, kept on one core. A machine with one core alone is left as it is."""
    words = [str(word) for word in command]
    return ["taskset", "-c", str(core), *words] if core < (os.cpu_count() or 1) else words


class ServerProcess:
    """A server with all its children; ended with the ``with`` block."""

    def __init__(self, command: Sequence[str | Path], *, cwd: Path, environ: Mapping[str, str] | None = None) -> None:
        """Start it. Args: environ: set besides this process's own; nothing of the hub's settings is inherited."""
        kept = {name: text for name, text in os.environ.items() if not name.startswith(("JITTERBUG_", "HMAC_"))}
        self._log = (cwd / "server.log").open("ab")
        self._process = subprocess.Popen(
            pinned(command, SERVER_CORE),
            cwd=cwd,
            env={**kept, "PYTHONPATH": str(Path(__file__).resolve().parents[1]), **(environ or {})},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=self._log,
            text=True,
        )
        self.log = cwd / "server.log"

    @property
    def stdout(self) -> IO[str]:
        """What it prints."""
        assert self._process.stdout is not None
        return self._process.stdout

    @property
    def is_running(self) -> bool:
        """Whether it has not ended."""
        return self._process.poll() is None

    def wait_listening(self, port: int, within_s: float = 20) -> None:
        """Wait until somebody listens there. Raises RuntimeError with the server's log when it ends instead."""
        until_s = time.monotonic() + within_s
        while time.monotonic() < until_s and self.is_running:
            try:
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
            except OSError:
                time.sleep(0.05)
            else:
                return
        raise RuntimeError(f"the server did not start: {self.log.read_text()[-2000:]}")

    def pids(self) -> list[int]:
        """The process and its descendants."""
        found, todo = [], [self._process.pid]
        while todo:
            pid = todo.pop()
            found.append(pid)
            for task in _tasks(pid):
                with contextlib.suppress(OSError):
                    todo += map(int, (task / "children").read_text().split())
        return found

    def cpu_us(self) -> float:
        """CPU time of the tree so far, user and system, in microseconds.

        From ``schedstat``, which counts nanoseconds; ``stat`` would count hundredths of a second.
        """
        total = 0
        for pid in self.pids():
            for task in _tasks(pid):
                with contextlib.suppress(OSError):
                    total += int((task / "schedstat").read_text().split()[0])
        return total / _NS_PER_US

    def memory_bytes(self) -> int:
        """Resident memory of the tree, shared pages counted once (PSS)."""
        total = 0
        for pid in self.pids():
            with contextlib.suppress(OSError):
                for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
                    if line.startswith("Pss:"):
                        total += int(line.split()[1]) * 1024
        return total

    def stop(self) -> None:
        """End it, kindly at first."""
        pids = self.pids()
        if self.is_running:
            self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(_END_WITHIN_S)
        except subprocess.TimeoutExpired:
            for pid in pids:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            self._process.wait(_END_WITHIN_S)
        self.stdout.close()
        self._log.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


def _tasks(pid: int) -> Iterator[Path]:
    with contextlib.suppress(OSError):
        yield from list(Path(f"/proc/{pid}/task").iterdir())
