"""A hub that is killed at any moment finds again whatever it answered (PROTOCOL §5)."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

from jitterbug.clock import SystemClock
from jitterbug.protocol.position import Position
from jitterbug.stores.sqlite import SqliteStore
from jitterbug.stores.sqlite.life import boot_id
from tests.looped import in_loop

KILLS = 10
HISTORY = 100_000
WRITERS = """
import asyncio, os, sys
from pathlib import Path
from jitterbug.clock import SystemClock
from jitterbug.stores.sqlite import SqliteStore

async def write(first):
    store = SqliteStore(Path(sys.argv[1]), SystemClock(), history_size=100_000)
    store.attach(lambda p: os.write(1, b"d %d %s %d %s\\n" % (
        p.channel == "b", p.position.epoch.encode(), p.position.offset, p.data)))
    await store.start()
    for number in range(first, 10**9):
        async def append(channel):
            data = b"%d" % number
            at = await store.append(channel, data, publication_id=f"{number}")
            os.write(1, b"a %d %s %d %s\\n" % (channel == "b", at.epoch.encode(), at.offset, data))
        await asyncio.gather(*[append("ab"[n % 2]) for n in range(1 + number % 7)])

for line in sys.stdin:
    pid = os.fork()
    if pid == 0:
        asyncio.run(write(int(line)))
    os.waitpid(pid, 0)
    os.write(1, b"over %d\\n" % pid)
"""
"""A writer for each line it reads, in a process of its own; tells what is answered (a) and handed out (d)."""
Told = list[tuple[str, str, int, bytes]]
"""Channel, epoch, offset, data."""


@in_loop
async def check(path: Path, answered: Told, handed_out: Told) -> None:
    """What was answered is there; nothing was handed out that is not, or twice, or out of order."""
    store = SqliteStore(path, SystemClock(), history_size=HISTORY)
    await store.start()
    for channel in "ab":
        own = [entry for entry in handed_out if entry[0] == channel]
        epochs = {epoch for _, epoch, _, _ in own}
        assert [offset for _, _, offset, _ in own] == sorted({offset for _, _, offset, _ in own})
        here = (await store.read(channel, None)).position
        if boot_id() is None:
            assert here.epoch not in epochs
            continue
        assert epochs <= {here.epoch}
        backlog = await store.read(channel, Position(here.epoch, 0))
        assert backlog.lost is None
        kept = {p.position.offset: p.data for p in backlog.publications}
        assert list(kept) == list(range(1, here.offset + 1)), "no hole, no offset twice"
        for _, _, offset, data in [entry for entry in (*answered, *handed_out) if entry[0] == channel]:
            assert kept[offset] == data
    await store.stop()


def test_after_ten_kills_all_that_was_answered_is_there_in_order(tmp_path: Path) -> None:
    path, draw = tmp_path / "history.db", random.Random(7)
    told: dict[bytes, Told] = {b"a": [], b"d": []}
    command = [sys.executable, "-c", WRITERS, str(path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0) as writers:
        assert writers.stdin is not None
        assert writers.stdout is not None
        children = Path(f"/proc/{writers.pid}/task/{writers.pid}/children")
        lines = os.fdopen(os.dup(writers.stdout.fileno()), "rb")
        for turn in range(KILLS):
            before = len(told[b"a"])
            writers.stdin.write(b"%d\n" % (turn * 1_000_000))
            ends_s, pid = 0.0, 0
            for line in lines:
                kind, *rest = line.split()
                if kind == b"over":
                    break
                channel, epoch, offset, data = rest
                told[kind].append(("ab"[int(channel)], epoch.decode(), int(offset), data))
                ends_s = ends_s or time.monotonic() + draw.uniform(0.0, 0.1)
                if not pid and time.monotonic() >= ends_s:
                    pid = int(children.read_text().split()[0])
                    os.kill(pid, signal.SIGKILL)
            assert len(told[b"a"]) > before
            check(path, told[b"a"], told[b"d"])
            if boot_id() is None:
                told = {b"a": [], b"d": []}
        lines.close()
        writers.stdin.close()
