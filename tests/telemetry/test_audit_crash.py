"""A hub that is killed at any moment leaves a trail that goes on (R83-R87, REQUIREMENTS §5.8)."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

from jitterbug.telemetry.audit import seal_file
from jitterbug.telemetry.audit.verify import verify
from tests.telemetry.trails import REFUSED, opened, records

KILLS = 20
WRITERS = """
import os, sys, time
from pathlib import Path
from jitterbug.clock import SystemClock
from jitterbug.telemetry.audit import trail as module
from jitterbug.telemetry.events import Fact, FactCode

module._PAUSE_S = 0.0005

def write():
    trail = module.AuditTrail(Path(sys.argv[1]), clock=SystemClock(), node="n")
    trail.start()
    os.write(1, b"%d\\n" % os.getpid())
    number = 0
    while True:
        for _ in range(40):
            number += 1
            trail(Fact(code=FactCode.KEY_ISSUED, session=f"{number:x}", address="192.0.2.1", conn="c" * 16))
        time.sleep(0.002)

while sys.stdin.readline():
    pid = os.fork()
    if pid == 0:
        write()
    os.waitpid(pid, 0)
    os.write(1, b"over\\n")
"""
"""Starts a writer for each line it reads: a process of its own, without the time to import everything anew."""


def test_after_twenty_kills_nothing_that_was_flushed_is_missing(tmp_path: Path) -> None:
    """``kill -9`` at random moments at full speed: each start goes on after the last whole record."""
    path, draw, flushed = tmp_path / "audit.jsonl", random.Random(7), 0
    first_key = seal_file.begin(path)
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "bufsize": 0}
    with subprocess.Popen([sys.executable, "-c", WRITERS, str(path)], **pipes) as writers:  # type: ignore[call-overload]
        for _ in range(KILLS):
            writers.stdin.write(b"\n")
            pid = int(writers.stdout.readline())
            time.sleep(draw.uniform(0.0, 0.08))
            os.kill(pid, signal.SIGKILL)
            assert writers.stdout.readline() == b"over\n"
            seal, report = seal_file.read(path), verify(path, key=first_key)
            assert seal is not None
            assert report.records >= seal.seq >= flushed, "the trail verifies to the last flush, which never goes back"
            assert report.fault is None or "is cut off" in report.fault
            flushed = report.records
        writers.stdin.close()
    # Restarted in order: nothing lost, nothing twice, and the key is still the one that evolved from the first.
    trail = opened(path)
    trail(REFUSED)
    trail.stop()

    assert verify(path, key=first_key).fault is None
    assert [record["seq"] for record in records(path)] == list(range(1, flushed + 3))
    assert flushed > KILLS
