"""``make bench``: everything, interleaved, then ``docs/performance.md``. On a quiet machine."""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from bench import alone, browser
from bench.build import BUILT
from bench.certificate import make_certificate
from bench.load import LoadError
from bench.machine import machine
from bench.peers import ABSENT, PEERS
from bench.peers.base import UnavailableError
from bench.plan import FULL, QUICK, round_of
from bench.processes import pin_client
from bench.report import ROUNDS, rows, write_report
from bench.results import OURS, Case, Results, Sample

ROOT: Final = Path(__file__).resolve().parents[1]
ALONE: Final[Mapping[str, Callable[[], Mapping[str, float]]]] = {
    "signing": alone.signing,
    "start-up": alone.start_up,
    "browser": browser.verified_per_s,
}
_FAILURES: Final = (LoadError, RuntimeError, OSError, ValueError, UnavailableError, subprocess.SubprocessError)


def available(results: Results, wanted: list[str]) -> list[str]:
    """Those that can run here; the others are noted with the reason."""
    found = []
    results.absent.update(ABSENT)
    for name in wanted or PEERS:
        try:
            results.versions[name] = PEERS[name].version()
        except UnavailableError as reason:
            results.absent[name] = str(reason)
        else:
            results.settings[name] = PEERS[name].settings
            found.append(name)
    return found


def run(options: argparse.Namespace, progress: Progress) -> Results:
    """Measure, round by round."""
    results = Results(machine=machine())
    peers = available(results, options.peers)
    jobs = QUICK if options.quick else FULL
    others = [] if options.peers else [name for name in ALONE if name != "browser" or not options.quick]
    rounds = [round_of(jobs, peers, number) for number in range(options.rounds)]
    task = progress.add_task("", total=sum(map(len, rounds)) + options.rounds * len(others))
    wire_bytes = alone.wire_bytes()
    with tempfile.TemporaryDirectory() as folder:
        tls = make_certificate(Path(folder))
        for number, chosen in enumerate(rounds):
            for job in chosen:
                where = f"{job.what} {job.peer} {job.subscribers:,}{' TLS' if job.tls else ''}"
                progress.update(task, description=f"round {number + 1}: {where}")
                try:
                    for scenario, figures in job.run(tls, wire_bytes).items():
                        results.samples.append(
                            Sample(Case(scenario, job.peer, job.subscribers, job.tls), number, figures)
                        )
                except _FAILURES as error:
                    results.failures.append(f"round {number + 1}, {where}: {' '.join(str(error).split())[:300]}")
                progress.advance(task)
                time.sleep(0.2)
            for name in others:
                progress.update(task, description=f"round {number + 1}: {name}")
                try:
                    results.samples.append(Sample(Case(name, OURS), number, ALONE[name]()))
                except _FAILURES as error:
                    results.failures.append(f"round {number + 1}, {name}: {' '.join(str(error).split())[:300]}")
                progress.advance(task)
            _keep(results)
            if not progress.console.is_terminal:
                progress.console.print(f"round {number + 1} of {options.rounds} is done")
    return results


def _keep(results: Results) -> None:
    """What there is so far, so that a run which is cut short has not been for nothing (``--report``)."""
    BUILT.mkdir(parents=True, exist_ok=True)
    (BUILT / "results.json").write_text(results.to_json())


def main() -> int:
    """Run and report. Exit status 1 when a case failed."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("peers", nargs="*", metavar="PEER", help=f"only these: {', '.join(PEERS)}")
    parser.add_argument("--rounds", type=int, help=f"of each case (default: {ROUNDS}; 2 with --quick)")
    parser.add_argument("--report", action="store_true", help="measure nothing: write the page from the last run anew")
    parser.add_argument("--quick", action="store_true", help="a look: the crux alone, about two minutes")
    options = parser.parse_args()
    if unknown := set(options.peers) - PEERS.keys():
        parser.error(f"no such peer: {', '.join(unknown)}")
    if options.report:
        write_report(Results.read(BUILT / "results.json"), ROOT)
        return 0
    options.rounds = options.rounds or (2 if options.quick else ROUNDS)
    if (os.cpu_count() or 1) < 2:
        parser.error("the server and the load client need a core each")
    pin_client()
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    console = Console()
    with Progress(*columns, console=console) as progress:
        results = run(options, progress)
    for table in rows(results):
        console.print(table)
    for failure in results.failures:
        console.print(f"[bold red]failed[/] {failure}")
    if options.quick or options.peers or options.rounds < ROUNDS:
        console.print(f"A look, no evidence: docs/performance.md is written by whole runs of {ROUNDS} rounds or more.")
    else:
        write_report(results, ROOT)
        console.print("docs/performance.md and its plots are written.")
    return 1 if results.failures else 0


if __name__ == "__main__":
    sys.exit(main())
