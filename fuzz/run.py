"""Fuzz every target in turn: ``make fuzz``, or ``python -m fuzz.run [--seconds N] [TARGET…]``.

What was found stays in ``.make/fuzz``: ``corpus/TARGET`` for the next run, ``TARGET.log`` of the last one, ``findings``
for inputs that broke a promise. Exits with 1 when there is one, or when a target did not run.
"""

import argparse
import importlib.util
import os
import re
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from fuzz import targets

_HERE = Path(__file__).resolve().parent
_ROOT = _HERE.parent
_KEPT = _ROOT / ".make" / "fuzz"
_DEFAULT_S = 30
"""Nine targets in five minutes."""
_START_S = 60
"""Until libFuzzer has begun, and for what it does once its time is up."""
_LOOK_S = 0.5
_MAX_INPUT_BYTES = 2_048
_MAX_ONE_INPUT_S = 10
"""An input that takes longer is a finding: somebody could send it."""
_MAX_MEMORY_MIB = 2_048
_STATUS = re.compile(rb"^#(\d+)\t\w+\s+cov: (\d+) ft: \d+ corp: (\d+)/", re.MULTILINE)
_SHOWN_BYTES = 300


class _Figures(NamedTuple):
    """Inputs tried, edges of the code covered, inputs kept because each covers something more."""

    runs: int = 0
    edges: int = 0
    kept: int = 0


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a target did.

    Attributes:
        target: Its name.
        seconds: It ran.
        executions: Inputs tried.
        at_start, at_end: Edges covered by the seeds and kept inputs, and after the run.
        kept: Inputs kept because each covers something more.
        status: Of the process; 0 = no finding.
        findings: Inputs that broke a promise.
    """

    target: str
    seconds: float
    executions: int
    at_start: int
    at_end: int
    kept: int
    status: int
    findings: tuple[Path, ...]

    def __str__(self) -> str:
        per_s = self.executions / max(self.seconds, 1)
        state = "ok" if self.status == 0 else f"FAILED (status {self.status})"
        return (
            f"{self.target:<16}{self.seconds:>5.0f} s{self.executions:>11,} runs{per_s:>8,.0f} /s"
            f"  edges {self.at_start:>4} → {self.at_end:>4}{self.kept:>6} kept  {state}"
        )


def fuzz(target: str, seconds: int, progress: Progress, task: TaskID) -> Outcome:
    """Run one target in a process of its own, which libFuzzer ends."""
    corpus, found = _KEPT / "corpus" / target, _KEPT / "findings" / target
    corpus.mkdir(parents=True, exist_ok=True)
    found.mkdir(parents=True, exist_ok=True)
    before = set(found.iterdir())
    log = _KEPT / f"{target}.log"
    command = [
        sys.executable, "-m", "fuzz.guided", target, str(corpus), str(_HERE / "seeds" / target),
        f"-max_total_time={seconds}", f"-max_len={_MAX_INPUT_BYTES}", f"-timeout={_MAX_ONE_INPUT_S}",
        f"-rss_limit_mb={_MAX_MEMORY_MIB}", f"-artifact_prefix={found}/", f"-dict={_HERE / 'words.dict'}",
    ]  # fmt: skip
    started_s = time.monotonic()
    with log.open("wb") as output:
        process = subprocess.Popen(command, cwd=_ROOT, stdout=output, stderr=subprocess.STDOUT)
        try:
            _watch(process, log, seconds, progress, task)
        finally:
            if process.poll() is None:
                process.kill()
            process.wait()
    figures = _figures(log)
    start, end = (figures[0], figures[-1]) if figures else (_Figures(), _Figures())
    return Outcome(
        target,
        seconds=time.monotonic() - started_s,
        executions=end.runs,
        at_start=start.edges,
        at_end=end.edges,
        kept=end.kept,
        status=process.returncode or (0 if figures else 1),
        findings=tuple(sorted(set(found.iterdir()) - before)),
    )


def _watch(process: subprocess.Popen[bytes], log: Path, seconds: int, progress: Progress, task: TaskID) -> None:
    """Show how far it is until it ends or has overrun its time."""
    started_s = time.monotonic()
    while process.poll() is None:
        past_s = time.monotonic() - started_s
        if past_s > seconds + _START_S:
            return
        progress.update(task, completed=min(past_s, seconds), figures=_last_status(log))
        time.sleep(_LOOK_S)
    progress.update(task, completed=seconds, figures=_last_status(log))


def _figures(log: Path) -> list[_Figures]:
    """What libFuzzer wrote about its progress, from the inputs it was given to the end."""
    return [_Figures(*map(int, match)) for match in _STATUS.findall(log.read_bytes())]


def _last_status(log: Path) -> str:
    figures = _figures(log)
    if not figures:
        return "starting"
    return f"{figures[-1].runs:,} runs, {figures[-1].edges} edges, {figures[-1].kept} kept"


def _tell_findings(console: Console, outcome: Outcome) -> None:
    """Show what went wrong, and how to see it again."""
    log = _KEPT / f"{outcome.target}.log"
    text = log.read_text(errors="replace")
    console.print(text[-3_000:] if "Traceback" not in text else text[text.index("Traceback") :][:3_000], markup=False)
    for path in outcome.findings:
        shown = path.read_bytes()[:_SHOWN_BYTES]
        name = path.relative_to(_ROOT)
        console.print(f"{name}: {shown!r}\n  again: python -m fuzz.guided {outcome.target} {name}", markup=False)
    console.print(f"The whole log: {log.relative_to(_ROOT)}", markup=False)


def main() -> int:
    """Run what the command line names; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m fuzz.run", description="Fuzz what strangers send.")
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=f"of {', '.join(targets.names())}; none = all")
    parser.add_argument("--seconds", type=int, default=int(os.environ.get("FUZZ_S") or _DEFAULT_S), help="per target")
    options = parser.parse_args()
    chosen = options.targets or targets.names()
    if not set(chosen) <= set(targets.names()) or options.seconds < 1:
        parser.error("no such target, or no time")
    if importlib.util.find_spec("atheris") is None:
        parser.error("atheris is not installed here; it is in the dependency group fuzz")
    console = Console(soft_wrap=True)
    outcomes: list[Outcome] = []
    bar = (
        TextColumn("{task.description:<16}"),
        BarColumn(),
        TextColumn("{task.fields[figures]}"),
        TimeRemainingColumn(),
    )
    with Progress(*bar, console=console, transient=True) as progress:
        for target in chosen:
            task = progress.add_task(target, total=options.seconds, figures="")
            outcomes.append(fuzz(target, options.seconds, progress, task))
            progress.remove_task(task)
            console.print(str(outcomes[-1]), markup=False, highlight=False)
    failed = [outcome for outcome in outcomes if outcome.status]
    for outcome in failed:
        _tell_findings(console, outcome)
    console.print(f"{len(failed)} of {len(outcomes)} targets with findings.", highlight=False)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
