"""``make timing``: does the time a refusal takes say why? Exit status 1 when it does, or a planted leak is missed."""

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from timing import network, planted_leak, verify_call
from timing.comparison import Comparison
from timing.results import Result, table, write
from timing.samples import Times, measure, measure_anew
from timing.welch import judge

FULL: Final = 1_000_000
"""Samples of a comparison that count as evidence."""
Take = Callable[[Comparison, int, Callable[[int], None]], Times]
ROOT: Final = Path(__file__).resolve().parents[1]


def run(comparisons: list[Comparison], samples: int, progress: Progress, take: Take) -> list[Result]:
    """Measure one after the other."""
    results = []
    for comparison in comparisons:
        task = progress.add_task(comparison.name, total=samples)

        def advance(taken: int, task: object = task) -> None:
            progress.advance(task, taken)  # type: ignore[arg-type]

        result = Result(comparison, judge(*take(comparison, samples, advance)))
        results.append(result)
        mark = "[green]good[/]" if result.is_good else "[bold red]BAD[/]"
        progress.update(task, description=f"{comparison.name} |t| = {result.verdict.t:.2f} {mark}")
    return results


def main() -> int:
    """Run all of it."""
    parser = argparse.ArgumentParser(prog="python -m timing", description=__doc__)
    parser.add_argument("--samples", type=int, default=FULL, help=f"of each comparison (default: {FULL:,})")
    parser.add_argument("--requests", type=int, default=40_000, help="of each comparison over the network")
    parser.add_argument("--only", default="", help="comparisons whose name contains this")
    parser.add_argument("--sample", metavar="NAME", help=argparse.SUPPRESS)  # what `measure_anew` starts
    options = parser.parse_args()
    within = [*planted_leak.controls(), *verify_call.comparisons()]
    if options.sample:
        one, other = measure(next(each for each in within if each.name == options.sample), options.samples)
        sys.stdout.buffer.write(one.tobytes() + other.tobytes())
        return 0

    def chosen(comparisons: list[Comparison]) -> list[Comparison]:
        return [comparison for comparison in comparisons if options.only in comparison.name]

    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    console = Console()
    with Progress(*columns, console=console) as progress:
        results = run(chosen(within), options.samples, progress, measure_anew)
        with network.comparisons() as over_the_network:
            results += run(chosen(over_the_network), options.requests, progress, measure)
    if not results:
        parser.error("--only: no comparison is called so")
    console.print(table(results))
    write(results, ROOT / ".make" / "timing.json")
    if options.only or options.samples < FULL:
        console.print(
            f"Not the whole of it: fewer than {FULL:,} samples, or comparisons left out, are a look, no evidence."
        )
    return 0 if all(result.is_good for result in results) else 1


if __name__ == "__main__":
    sys.exit(main())
