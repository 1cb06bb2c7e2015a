"""A hub as a user starts it: ``jitterbug dev`` or ``serve`` in a process of its own, everything it writes kept."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Self

from jitterbug.clock import SystemClock

PATIENCE_S = 60
"""Bound for what takes a second on an idle machine."""
_PLAIN = ["-m", "jitterbug"]
_EVERY_LINE = [
    "-X",
    "dev",
    "-c",
    "import logging; logging.basicConfig(level=1); import jitterbug.__main__ as m; m.main()",
]


class DevHub:
    """A running hub on free ports, for development unless told otherwise. Has what visitors ask of a server.

    Attributes:
        url, admin_url: Where it listens.
        port: Of the public listener.
        push: Its clock, which is this machine's.
        folder: Its working directory, empty at the start.
    """

    def __init__(
        self,
        folder: Path,
        settings: Sequence[str] = (),
        environ: Mapping[str, str] | None = None,
        *,
        logs_everything: bool = False,
        production: bool = False,
    ) -> None:
        """Start it and wait until it listens.

        Args:
            folder: For its files and its outputs.
            settings: ``NAME=VALUE``, as flags.
            environ: Further variables.
            logs_everything: Down to debug level.
            production: ``serve`` instead of ``dev``.
        """
        self.folder = folder / "hub"
        self.folder.mkdir()
        self._out, self._err = folder / "stdout", folder / "stderr"
        sets = [part for each in settings for part in ("--set", each)]
        start = ["serve"] if production else ["dev", "--json"]
        command = [*start, "--bind", "127.0.0.1:0", "--admin-bind", "127.0.0.1:0", *sets]
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("HMAC_", "JITTERBUG_"))}
        with self._out.open("wb") as out, self._err.open("wb") as err:
            self._process = subprocess.Popen(
                [sys.executable, *(_EVERY_LINE if logs_everything else _PLAIN), *command],
                cwd=self.folder,
                env={**kept, "HOME": str(self.folder), **(environ or {})},
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
            )
        listening = self._wait_for_listening()
        self.url, self.admin_url = listening["url"], listening["admin_url"]
        self.port = int(self.url.rpartition(":")[2])
        self.push = SimpleNamespace(clock=SystemClock())

    def stop(self) -> int:
        """Ask it to end; return its exit status. Safe to call twice."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
        try:
            return self._process.wait(PATIENCE_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
            raise

    def written(self) -> dict[str, bytes]:
        """Everything it wrote: both outputs and every file."""
        files = [path for path in self.folder.rglob("*") if path.is_file()]
        return {path.name: path.read_bytes() for path in (self._out, self._err, *files)}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _wait_for_listening(self) -> dict[str, str]:
        deadline_s = time.monotonic() + PATIENCE_S
        while b"\n" not in self._out.read_bytes():
            assert self._process.poll() is None, self._err.read_text()
            assert time.monotonic() < deadline_s, self._err.read_text()
            time.sleep(0.02)
        listening: dict[str, str] = json.loads(self._out.read_bytes().partition(b"\n")[0])
        return listening
