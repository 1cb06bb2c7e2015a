"""Break the security core on purpose, one place at a time, and see whether the tests notice.

Works on copies; the checkout is not touched. Every change that the tests let through is either argued for in
mutation/equivalent.toml, or listed as a gap.
"""

import argparse
import contextlib
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from queue import SimpleQueue
from typing import Final

from cosmic_ray.commands.init import init  # type: ignore[import-untyped]
from cosmic_ray.config import serialize_config  # type: ignore[import-untyped]
from cosmic_ray.work_db import WorkDB, use_db  # type: ignore[import-untyped]
from cosmic_ray.work_item import TestOutcome, WorkerOutcome  # type: ignore[import-untyped]
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table

from mutant_tests import NOT_THE_COPY
from mutants import PACKAGE, Job, Mutant, jobs, module_names, skip
from mutation_arguments import FILE, read_arguments
from mutation_copy import ROOT, MutationCopy

EPILOG: Final = f"""\
examples:
  scripts/mutation.py
  scripts/mutation.py --workers 2 replay.py hub/limits.py

exit status: 0 when every mutant was killed or is argued for in {FILE}; 1 when one survived without; 2 when nothing
could be measured.
"""


@dataclass(slots=True)
class Tally:
    """What became of one module's mutants.

    Attributes:
        module: Its name below ``src/jitterbug``.
        killed: How many the tests noticed, endless runs included.
        endless: How many of those only by never ending.
        survivors: Those that passed every test.
        dead: Names of the killed, to tell arguments that no longer hold.
    """

    module: str
    killed: int = 0
    endless: int = 0
    survivors: list[Job] = field(default_factory=list)
    dead: set[Mutant] = field(default_factory=set)


class Session:
    """One module's work list, in one file that cosmic-ray's own tools can read as well.

    Attributes:
        name: The module's, below ``src/jitterbug``.
        wanted: Mutants to run.
    """

    def __init__(self, folder: Path, name: str) -> None:
        """Make the work list from the module as it is now."""
        self.name = name
        self._module = module = PACKAGE / name
        self._path = folder / f"{name.removesuffix('.py').replace('/', '-')}.sqlite"
        self._path.unlink(missing_ok=True)
        with use_db(self._path) as work, contextlib.chdir(ROOT):
            init([module], work, {})
            self._jobs = list(jobs(work, module.read_text("utf-8"), name))
            for job in self._jobs:
                if job.excluded is not None:
                    skip(work, job)
        self.wanted = [job for job in self._jobs if job.excluded is None]

    def run(self, copy: MutationCopy) -> None:
        """Run the tests against each mutant, in a copy. Raises ValueError or CalledProcessError."""
        timeout_s = copy.prove(self.name)
        config = copy.root / "cosmic-ray.toml"
        command = copy.test_command(self.name)
        config.write_text(
            serialize_config({
                "module-path": str(self._module), "timeout": timeout_s, "test-command": command,
                "distributor": {"name": "local"},
            }),
            "utf-8",
        )  # fmt: skip
        subprocess.run(
            [sys.executable, "-m", "cosmic_ray.cli", "exec", str(config), str(self._path)],
            cwd=copy.root, env=copy.environment(), check=True, capture_output=True, text=True,
        )  # fmt: skip

    def done(self) -> int:
        """How many of the wanted have a result."""
        with use_db(self._path, WorkDB.Mode.open) as work:
            return int(work.num_results) - (len(self._jobs) - len(self.wanted))

    def tally(self) -> Tally:
        """Read the results. Raises ValueError when one says nothing about its mutant."""
        with use_db(self._path, WorkDB.Mode.open) as work:
            results = dict(work.results)
        tally = Tally(self.name)
        for job in self.wanted:
            result = results[job.id]
            if result.worker_outcome != WorkerOutcome.NORMAL or NOT_THE_COPY in result.output:
                raise ValueError(f"{job.mutant}: {result.worker_outcome}\n{result.output}")
            if result.test_outcome == TestOutcome.SURVIVED:
                tally.survivors.append(job)
                continue
            tally.killed += 1
            tally.endless += result.output == "timeout"
            tally.dead.add(job.mutant)
        return tally


def run_all(sessions: Sequence[Session], workers: int, console: Console) -> None:
    """Run the sessions, each in one of as many copies as there are workers, behind a progress bar."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with tempfile.TemporaryDirectory(prefix="mutation-") as folder, ThreadPoolExecutor(workers) as pool:
        free: SimpleQueue[MutationCopy] = SimpleQueue()
        for number in range(workers):
            free.put(MutationCopy(Path(folder).resolve() / str(number)))
        stop = threading.Event()

        def run(session: Session) -> None:
            if stop.is_set():
                return
            copy = free.get()
            try:
                session.run(copy)
            except BaseException:  # an interrupt, too, ends the others
                stop.set()
                raise
            finally:
                free.put(copy)

        with Progress(*columns, console=console) as progress:
            bars = [progress.add_task(each.name, total=len(each.wanted)) for each in sessions]
            futures = [pool.submit(run, session) for session in sessions]
            while not all(future.done() for future in futures):
                time.sleep(2)
                for bar, session in zip(bars, sessions, strict=True):
                    progress.update(bar, completed=session.done())
            for future in futures:
                future.result()


def table(tallies: Sequence[Tally], argued: dict[Mutant, str]) -> Table:
    """Kill rates, per module and in total. An argued mutant counts as a survivor here: the rate is the tests' alone."""
    made = Table("Module", "Mutants", "Killed", "of these endless", "Argued", "Gaps", "Kill rate")
    rows: dict[str, tuple[int, ...]] = {
        tally.module: (
            tally.killed,
            tally.endless,
            sum(job.mutant in argued for job in tally.survivors),
            sum(job.mutant not in argued for job in tally.survivors),
        )
        for tally in tallies
    }
    rows["total"] = tuple(map(sum, zip(*rows.values(), strict=True)))
    for name, (killed, endless, held, open_) in rows.items():
        count = killed + held + open_
        rate = f"{100 * killed / count:.1f} %" if count else "-"
        made.add_row(name, *map(str, (count, killed, endless, held, open_)), rate)
    return made


def gaps(tallies: Sequence[Tally], argued: dict[Mutant, str]) -> Iterator[Job]:
    """Survivors that nobody argued for."""
    for tally in tallies:
        yield from (job for job in tally.survivors if job.mutant not in argued)


def describe(job: Job) -> str:
    """A survivor, as its entry in the file of arguments would have it."""
    mutant = job.mutant
    return (
        f"{mutant.module}:{job.line_number}\n  - {mutant.line}\n  + {mutant.becomes}\n"
        f"  [{mutant.operator!r}, {mutant.occurrence}, …]"
    )


def full_name(name: str, names: Sequence[str]) -> str:
    """The module that is meant: its name, or the one that ends in it. Raises ValueError when none or several do."""
    found = [each for each in names if each == name] or [each for each in names if each.endswith(f"/{name}")]
    if len(found) != 1:
        raise ValueError(f"{name} is none of: {', '.join(found or names)}.")
    return found[0]


def _arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="scripts/mutation.py",
        description=__doc__,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "modules",
        nargs="*",
        metavar="MODULE",
        help="names below src/jitterbug, or file names where only one has it; all when none is given",
    )
    parser.add_argument("--workers", type=int, default=1, metavar="N", help="copies to work in at once (default: 1)")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run, print, judge. Returns the exit status."""
    given = _arguments(arguments)
    console = Console(width=None if sys.stdout.isatty() else 160, highlight=False)
    names = module_names(ROOT)
    folder = ROOT / ".make" / "mutation"
    folder.mkdir(parents=True, exist_ok=True)
    try:
        argued = read_arguments(ROOT)
        wanted = [full_name(name, names) for name in given.modules] or names
        sessions = [Session(folder, name) for name in wanted]
        if not given.modules:
            sessions.sort(
                key=lambda session: -len(session.wanted)
            )  # so that no worker is left with a long one at the end
        run_all(sessions, max(1, given.workers), console)
        tallies = [session.tally() for session in sessions]
    except (OSError, ValueError, subprocess.CalledProcessError) as error:
        Console(stderr=True).print(f"[red]{escape(str(error))}[/]")
        return 2
    console.print(table(tallies, argued))
    unargued = list(gaps(tallies, argued))
    for job in unargued:
        console.print(escape(describe(job)), soft_wrap=True)
    for mutant in argued:
        if any(mutant in tally.dead for tally in tallies):
            console.print(f"argued for, and yet killed: {escape(str(mutant))}", soft_wrap=True)
    return 1 if unargued else 0


if __name__ == "__main__":
    sys.exit(main())
