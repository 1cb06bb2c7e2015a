"""A real hub in a process of its own, started the way a user starts it."""

import json
import os
import selectors
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

START_WITHIN_S = 30.0


def clean_environment(**changes: str) -> dict[str, str]:
    """This process's environment without any setting of ours, and without colours."""
    kept = {name: text for name, text in os.environ.items() if not name.upper().startswith(("JITTERBUG_", "HMAC_"))}
    return {**kept, "NO_COLOR": "1", "COLUMNS": "120", "PYTHONUNBUFFERED": "", **changes}


class HubProcess:
    """``jitterbug dev`` on free ports; ends with the ``with`` block.

    Attributes:
        url, admin_url: As printed by ``--json``.
    """

    def __init__(
        self, cwd: Path, *, bind: str = "127.0.0.1:0", environ: Mapping[str, str] | None = None, **settings: Any
    ) -> None:
        """Args: settings: By name in lower case, ``key_ttl_s=2``."""
        options = [f"--set={name.upper()}={value}" for name, value in ({"drain_s": 0} | settings).items()]
        self._errors = (cwd / "hub.log").open("ab")
        self._process = subprocess.Popen(
            [
                sys.executable, "-m", "jitterbug", "dev", "--bind", bind, "--admin-bind", "127.0.0.1:0", "--json",
                *options,
            ],
            cwd=cwd,
            env=clean_environment(**(environ or {})),
            stdout=subprocess.PIPE,
            stderr=self._errors,
            stdin=subprocess.DEVNULL,
        )  # fmt: skip
        listening = json.loads(self._first_line())
        self.url: str = listening["url"]
        self.admin_url: str = listening["admin_url"]

    @property
    def bind(self) -> str:
        """Where it listens, for another one to take its place."""
        return self.url.removeprefix("http://")

    def _first_line(self) -> bytes:
        output = self._process.stdout
        assert output is not None
        with selectors.DefaultSelector() as selector:
            selector.register(output, selectors.EVENT_READ)
            if selector.select(START_WITHIN_S) and (line := output.readline()):
                return line
        self.kill()
        raise AssertionError(f"the hub did not start: {Path(self._errors.name).read_text()}")

    def stop(self) -> int:
        """Ask it to end, as Ctrl-C does; returns its exit status."""
        self.ask_to_end(signal.SIGINT)
        return self.wait()

    def ask_to_end(self, number: signal.Signals = signal.SIGTERM) -> None:
        """Send a signal and go on."""
        self._process.send_signal(number)

    def kill(self) -> None:
        """End it without a word."""
        self._process.kill()
        self.wait()

    def wait(self) -> int:
        """Wait for its end; returns its exit status."""
        try:
            return self._process.wait(START_WITHIN_S)
        finally:
            if self._process.stdout is not None:
                self._process.stdout.close()
            self._errors.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._process.poll() is None:
            self.stop()
