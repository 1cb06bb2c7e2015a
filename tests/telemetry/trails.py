"""Trails for tests: made by the chain itself, written as a hub writes them."""

import json
import time
from pathlib import Path
from typing import Any

from jitterbug.clock import Clock, SystemClock
from jitterbug.telemetry.audit import seal_file
from jitterbug.telemetry.audit.chain import Seal, append, start
from jitterbug.telemetry.audit.trail import AuditTrail
from jitterbug.telemetry.events import Fact, FactCode

KEY = bytes(range(32))
REFUSED = Fact(code=FactCode.AUTH_FAILED, reason="session", address="192.0.2.1")


def chain(count: int, key: bytes = KEY) -> tuple[list[bytes], Seal]:
    """Lines of a trail, without their ends, and where it stands after them."""
    seal, lines = start(key), []
    for number in range(count):
        line, seal = append(seal, {"event": "auth_failed", "n": number})
        lines.append(line)
    return lines, seal


def write(path: Path, lines: list[bytes], seal: Seal | None = None) -> Path:
    """Put lines into a file, and a seal beside it."""
    path.write_bytes(b"".join(line + b"\n" for line in lines))
    if seal is not None:
        seal_file.write(path, seal)
    return path


def opened(path: Path, clock: Clock | None = None) -> AuditTrail:
    """A trail that is being written."""
    trail = AuditTrail(path, clock=clock or SystemClock(), node="node-1")
    trail.start()
    return trail


def records(path: Path) -> list[dict[str, Any]]:
    """What stands in a trail."""
    return [json.loads(line) for line in path.read_bytes().splitlines()]


def until(condition: Any, limit_s: float = 15) -> None:
    """Wait for what another thread does."""
    deadline_s = time.monotonic() + limit_s
    while not condition():
        assert time.monotonic() < deadline_s, "it did not happen in time"
        time.sleep(0.005)
