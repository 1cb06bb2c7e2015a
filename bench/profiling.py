"""``make bench-profile``: where the CPU goes, in the hub, in Nchan, in the floor and in the browser.

Samples the server with ``perf`` (Debian: ``linux-perf``): while one publication after the other goes to all, while many
come at once, while all readers come back at once; and Chromium while it verifies. Sampling itself costs some, so take
the shares from here and the sums from ``make bench``.
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
from bench.browser import profile
from bench.certificate import make_certificate
from bench.load import Load
from bench.peers import PEERS
from bench.peers.base import Peer, Tls
from bench.processes import pin_client
from bench.report import PROFILE
from bench.results import OURS
from bench.scenarios import BURST, storm

SERVERS: Final = ("floor", "nchan", OURS)
CROWDS: Final = (100, 1_000, 5_000, 15_000)
_PARTS: Final = (
    (re.compile(r"kernel"), "kernel"),
    (re.compile(r"^(lib)?python"), "Python's interpreter and objects"),
    (re.compile(r"crypto|_hashlib|binascii"), "cryptography, base64"),
    (re.compile(r"^loop\."), "uvloop"),
    (re.compile(r"^libc[.-]"), "C library: memory"),
    (re.compile(r"^_?ssl|libssl"), "TLS"),
    (re.compile(r"nginx|ngx|floor"), "the server's own code"),
)
_REST: Final = "other"
_LINE: Final = re.compile(r"^\s*([\d.]+)%\s+(\S+)", re.MULTILINE)
_HERTZ: Final = 4_999
_SAMPLES: Final = "samples"
_SETTLE_S: Final = 0.5
_REFILL_S: Final = 1.5


def shares(report: str) -> dict[str, float]:
    """Per cent by part, from what ``perf report --sort dso`` prints."""
    found: defaultdict[str, float] = defaultdict(float)
    for percent, name in _LINE.findall(report):
        found[next((part for pattern, part in _PARTS if pattern.search(name)), _REST)] += float(percent)
    return dict(found)


Profile = tuple[float, Mapping[str, float]]
"""CPU for each, microseconds, and the shares of it."""


def of_delivery(server: str, subscribers: int, *, tls: Tls | None = None) -> Profile:
    """While one publication after the other goes to all."""
    with (
        _serving(server, tls) as peer,
        Load(peer.port, peer.subscriber(), subscribers, peer.folder, tls=bool(tls)) as load,
    ):
        load.wait_open()
        time.sleep(_SETTLE_S)
        fanout.one_at_a_time(peer, load, 20, most_s=1)
        with _sampling(peer):
            costs = []
            for _ in range(3):
                costs.append(fanout.one_at_a_time(peer, load, 100, most_s=4).cpu_us)
                time.sleep(_REFILL_S)
        return sorted(costs)[1], _shares_of(peer)


def of_return(server: str, subscribers: int) -> Profile:
    """While all come back at once, each for what it missed."""
    with _serving(server) as peer:
        figures = storm(peer, subscribers, _sampling(peer))
        return figures["storm"]["cpu_us"], _shares_of(peer)


def of_burst(server: str, subscribers: int) -> Profile:
    """While 50 publications at once go to all, some times over."""
    with _serving(server) as peer, Load(peer.port, peer.subscriber(), subscribers, peer.folder) as load:
        load.wait_open()
        time.sleep(_SETTLE_S)
        fanout.burst(peer, load, BURST)
        costs = []
        with _sampling(peer):
            for _ in range(5):
                time.sleep(_REFILL_S)
                costs.append(fanout.burst(peer, load, BURST).cpu_us)
        return sorted(costs)[2], _shares_of(peer)


@contextmanager
def _serving(server: str, tls: Tls | None = None) -> Iterator[Peer]:
    with (
        tempfile.TemporaryDirectory() as folder,
        PEERS[server](Path(folder), tls, wire_bytes=alone.wire_bytes()) as peer,
    ):
        yield peer


def _shares_of(peer: Peer) -> dict[str, float]:
    report = ["perf", "report", "-i", str(peer.folder / _SAMPLES), "--no-children", "--sort", "dso", "--stdio", "-q"]
    return shares(subprocess.run(report, capture_output=True, text=True, check=True).stdout)


@contextmanager
def _sampling(peer: Peer) -> Iterator[None]:
    of, into = ",".join(map(str, peer.process.pids())), str(peer.folder / _SAMPLES)
    perf = subprocess.Popen(
        ["perf", "record", "-q", "-e", "cpu-clock", "-F", str(_HERTZ), "-p", of, "-o", into],
        stderr=subprocess.DEVNULL,
    )
    time.sleep(_SETTLE_S)
    try:
        yield
    finally:
        perf.send_signal(signal.SIGINT)
        perf.wait()


def table(what: str, taken: Mapping[str, Profile]) -> str:
    """Markdown: a row a part, a column a server."""
    rows = [f"| {what} | {' | '.join(taken)} |", f"| --- | {' | '.join('---:' for _ in taken)} |"]
    for part in dict.fromkeys([part for _, part in _PARTS] + [part for _, found in taken.values() for part in found]):
        cells = [cost * found.get(part, 0) / 100 for cost, found in taken.values()]
        if max(cells) >= 0.05:
            rows.append(f"| {part} | {' | '.join(f'{cell:,.1f}' for cell in cells)} |")
    rows.append(f"| **all** | {' | '.join(f'{cost:,.1f}' for cost, _ in taken.values())} |")
    return "\n".join(rows)


def main() -> int:
    """Print the tables, and keep them for the page."""
    parser = argparse.ArgumentParser(prog="python -m bench.profiling", description=__doc__)
    parser.add_argument("--subscribers", type=int, default=1_000, help="that read (default: %(default)s)")
    parser.add_argument("--returns", type=int, default=5_000, help="that come back (default: %(default)s)")
    options = parser.parse_args()
    if shutil.which("perf") is None:
        print("perf is not here: apt-get install linux-perf", file=sys.stderr)
        return 1
    pin_client()
    with tempfile.TemporaryDirectory() as folder:
        tls = make_certificate(Path(folder))
        many = f"{options.subscribers:,} subscribers"
        plain = {name: of_delivery(name, options.subscribers) for name in SERVERS}
        secured = {name: of_delivery(name, options.subscribers, tls=tls) for name in SERVERS}
    crowds = {f"{count:,} subscribers": of_delivery(OURS, count) for count in CROWDS}
    burst = {name: of_burst(name, options.subscribers) for name in SERVERS}
    returned = {name: of_return(name, options.returns) for name in SERVERS if name != "floor"}
    alone_each = {name: of_delivery(name, 1) for name in SERVERS if name != "floor"}
    tables = (
        table(f"µs a delivery, {many}", plain),
        table(f"µs a delivery, {many}, TLS", secured),
        table("µs a delivery of ours", crowds),
        table(f"µs a delivery, 50 published at once, {many}", burst),
        table("µs a publication to one subscriber", alone_each),
        table(f"µs a return, {options.returns:,} at once", returned),
        table("µs a frame, the page's thread in Chromium", {OURS: profile()}),
    )
    PROFILE.write_text("\n\n".join(tables) + "\n")
    print(PROFILE.read_text(), end="")
    return 0


if __name__ == "__main__":
    sys.exit(main())
