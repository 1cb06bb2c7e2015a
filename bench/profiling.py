"""``make bench-profile``: where a delivery's CPU goes, in the hub, in Nchan and in the floor, by part of the program.

Samples the server with ``perf`` (Debian: ``linux-perf``) while one publication after the other goes to all. Sampling
itself costs some, so take the shares from here and the sums from ``make bench``.
"""

import argparse
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from bench import alone, fanout
from bench.load import Load
from bench.peers import PEERS
from bench.processes import pin_client
from bench.results import OURS

SERVERS: Final = ("floor", "nchan", OURS)
_PARTS: Final = (
    (re.compile(r"kernel"), "kernel"),
    (re.compile(r"^(lib)?python"), "Python's interpreter and objects"),
    (re.compile(r"crypto|_hashlib|binascii"), "SHA-256, base64"),
    (re.compile(r"^loop\."), "uvloop"),
    (re.compile(r"^libc[.-]"), "C library: memory"),
    (re.compile(r"nginx|ngx|floor"), "the server's own code"),
)
_REST: Final = "other"
_LINE: Final = re.compile(r"^\s*([\d.]+)%\s+(\S+)", re.MULTILINE)
_HERTZ: Final = 4_999
_SETTLE_S: Final = 0.5
_REFILL_S: Final = 1.5


def shares(report: str) -> dict[str, float]:
    """Per cent by part, from what ``perf report --sort dso`` prints."""
    found: defaultdict[str, float] = defaultdict(float)
    for percent, name in _LINE.findall(report):
        found[next((part for pattern, part in _PARTS if pattern.search(name)), _REST)] += float(percent)
    return dict(found)


def profiled(server: str, subscribers: int) -> tuple[float, Mapping[str, float]]:
    """CPU for each delivery, microseconds, and the shares of it."""
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        with (
            PEERS[server](place, None, wire_bytes=alone.wire_bytes()) as peer,
            Load(peer.port, peer.subscriber(), subscribers, place) as load,
        ):
            load.wait_open()
            time.sleep(_SETTLE_S)
            fanout.one_at_a_time(peer, load, 20, most_s=1)
            with _sampling(peer.process.pids(), place / "samples"):
                costs = []
                for _ in range(3):
                    costs.append(fanout.one_at_a_time(peer, load, 100, most_s=4).cpu_us)
                    time.sleep(_REFILL_S)
        report = ["perf", "report", "-i", f"{place}/samples", "--no-children", "--sort", "dso", "--stdio", "-q"]
        told = subprocess.run(report, capture_output=True, text=True, check=True)
        return sorted(costs)[1], shares(told.stdout)


@contextmanager
def _sampling(pids: list[int], into: Path) -> Iterator[None]:
    of = ",".join(map(str, pids))
    perf = subprocess.Popen(
        ["perf", "record", "-q", "-e", "cpu-clock", "-F", str(_HERTZ), "-p", of, "-o", str(into)],
        stderr=subprocess.DEVNULL,
    )
    time.sleep(_SETTLE_S)
    try:
        yield
    finally:
        perf.send_signal(signal.SIGINT)
        perf.wait()


def main() -> int:
    """Print a row a part, a column a server."""
    parser = argparse.ArgumentParser(prog="python -m bench.profiling", description=__doc__)
    parser.add_argument("--subscribers", type=int, default=1_000)
    options = parser.parse_args()
    if shutil.which("perf") is None:
        print("perf is not here: apt-get install linux-perf", file=sys.stderr)
        return 1
    pin_client()
    taken = {server: profiled(server, options.subscribers) for server in SERVERS}
    print(f"| µs a delivery, {options.subscribers:,} subscribers | {' | '.join(SERVERS)} |")
    print(f"| --- | {' | '.join('---:' for _ in SERVERS)} |")
    for part in [*dict.fromkeys(part for _, part in _PARTS), _REST]:
        cells = [cost * found.get(part, 0) / 100 for cost, found in taken.values()]
        if max(cells) >= 0.05:
            print(f"| {part} | {' | '.join(f'{cell:.1f}' for cell in cells)} |")
    print(f"| **all** | {' | '.join(f'{cost:.1f}' for cost, _ in taken.values())} |")
    return 0


if __name__ == "__main__":
    sys.exit(main())
