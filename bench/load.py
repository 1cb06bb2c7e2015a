"""The load client in Python's hands: opens subscribers, waits for deliveries, reads figures."""

import json
import selectors
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self

from bench.build import compiled
from bench.processes import CLIENT_CORE, pinned

SAMPLES: Final = 3
"""Subscribers whose bytes are kept, to look at the signatures."""


class LoadError(Exception):
    """The load client saw something that makes the figures worthless."""


@dataclass(frozen=True, slots=True)
class Subscriber:
    """What a subscriber of a server says.

    Attributes:
        requests: Sent one after the other on its connection; ``{cookie}`` and ``{kid}`` stand for earlier answers.
        ready: Text in the last answer from which on nothing is missed; empty = the end of its head.
        after: Sent once the last request was answered, such as a WebSocket frame; empty = nothing.
        come_back: Requests after which it hangs up and waits for :meth:`Load.come_back`; 0 = it stays.
    """

    requests: Sequence[str]
    ready: str = ""
    after: bytes = b""
    come_back: int = 0


class Load:
    """A running load client; ends with the ``with`` block."""

    def __init__(
        self, port: int, subscriber: Subscriber, count: int, folder: Path, *, tls: bool = False, at_once: int = 128
    ) -> None:
        """Start opening; :meth:`wait_open` tells the end of it."""
        command: list[str | Path] = [compiled("load"), "--connect", f"127.0.0.1:{port}"]
        for number, text in enumerate(subscriber.requests):
            file = folder / f"request-{number}"
            file.write_bytes(text.encode())
            command += ["--request", file]
        if subscriber.after:
            (folder / "after").write_bytes(subscriber.after)
            command += ["--after", folder / "after"]
        self._samples = folder / "sample-"
        for old in folder.glob("sample-*"):
            old.unlink()
        command += ["--subscribers", str(count), "--at-once", str(at_once), "--ready", subscriber.ready]
        command += ["--come-back", str(subscriber.come_back)]
        command += ["--samples", str(min(SAMPLES, count)), "--sample-prefix", self._samples]
        if tls:
            command.append("--tls")
        self.count = count
        self._expected = 0
        self._process = subprocess.Popen(
            pinned(command, CLIENT_CORE),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            bufsize=1,
        )
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._output, selectors.EVENT_READ)

    @property
    def _output(self) -> Any:
        return self._process.stdout

    def _line(self, within_s: float) -> str | None:
        """The next line; None when the time is over."""
        if not self._selector.select(within_s):
            return None
        line: str = self._output.readline()
        if not line:
            raise LoadError("the load client ended")
        return line

    def _say(self, command: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(command + "\n")

    def wait_open(self, within_s: float = 120, *, all_of_them: bool = True) -> dict[str, Any]:
        """Wait until every subscriber is open.

        Raises:
            LoadError: One failed, or it took too long.
        """
        line = self._line(within_s)
        if line is None:
            raise LoadError(f"{self.count} subscribers did not open within {within_s} s")
        opened: dict[str, Any] = json.loads(line)
        if all_of_them and opened["failed"]:
            raise LoadError(f"{opened['failed']} of {self.count} subscribers failed: {opened['error']}")
        return opened

    def wait_away(self, within_s: float = 120) -> None:
        """Wait until all have hung up. Raises :class:`LoadError` where one could not, or it took too long."""
        line = self._line(within_s)
        if line is None or json.loads(line)["failed"]:
            raise LoadError(f"{self.count} subscribers did not get so far: {line}")

    def come_back(self, at_once: int) -> None:
        """Let those that are away come back; :meth:`wait_open` tells the end of it."""
        self._say(f"go {at_once}")

    def expect(self, deliveries: int) -> None:
        """Say how many further deliveries :meth:`wait_reached` waits for, before they are published.

        The sum since the last report is what is told: the client may have seen them before it reads this.
        """
        self._expected += deliveries
        self._say(f"expect {self._expected}")

    def wait_reached(self, within_s: float = 30) -> bool:
        """Wait for them. False = they did not all come."""
        return self._line(within_s) is not None

    def report(self) -> dict[str, Any]:
        """Figures of all that came since the last report."""
        self._expected = 0
        self._say("report")
        while (line := self._line(30)) is not None:
            if line.startswith("{"):
                figures: dict[str, Any] = json.loads(line)
                return figures
        raise LoadError("the load client does not answer")

    def samples(self) -> list[bytes]:
        """The bytes some subscribers were sent, answers to their first requests included. Call after the end."""
        return [file.read_bytes() for file in sorted(self._samples.parent.glob("sample-*"))]

    def close(self) -> None:
        """End it, and with it every subscriber."""
        if self._process.poll() is None:
            self._say("quit")
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._selector.close()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
