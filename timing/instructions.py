"""``make instructions``: does a refusal take as many machine instructions whatever is wrong with the frame?

Times say what an attacker can see, and drown what is small in noise. Instructions have none: with randomness from a
seed two runs differ only in the class of frame that is judged, and ``valgrind`` counts every instruction of both. The
two say different things. Equal counts may still differ in time, by a cache or a branch predictor, so this stands beside
``make timing`` and replaces none of it; but it names the function in which a difference arises.
"""

import argparse
import json
import os
import random
import re
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.progress import track
from rich.table import Table

from timing.comparison import Comparison, Expected

LIMIT: Final = 20.0
"""Instructions a call by which the classes may differ: what a look for an escape takes depends on the text it is in."""
BATCHES, PAIRS, REPEATS = 8, 5, 50
CALLS: Final = BATCHES * PAIRS * REPEATS
ROOT: Final = Path(__file__).resolve().parents[1]
_COLLECTED: Final = re.compile(r"Collected : (\d+)")
_LINE: Final = re.compile(r"^\s*([\d,]+) \(\s*[\d.]+%\)\s+(\S+)", re.MULTILINE)
_SEED: Final = 7


@dataclass(frozen=True, slots=True, kw_only=True)
class Counted:
    """What came out of a comparison.

    Attributes:
        name, one, other: Of the comparison and its classes.
        instructions: Of one call of the first class.
        difference: What a call of the first class takes beyond one of the other.
        where: The functions with most of it, and how much.
        good: Whether that is as it has to be.
    """

    name: str
    one: str
    other: str
    instructions: int
    difference: float
    where: dict[str, float]
    good: bool


def judge(name: str, which: int, repeats: int) -> None:
    """What ``valgrind`` watches: frames of one class (0 or 1) of a comparison, each judged so many times."""
    source = random.Random(_SEED)
    os.urandom = source.randbytes
    random._urandom = source.randbytes  # type: ignore[attr-defined]  # noqa: SLF001 - what `secrets` draws from
    comparison = next(each for each in all_comparisons() if each.name == name)
    batches = [comparison.batch(PAIRS) for _ in range(BATCHES)]
    for call, pairs in batches:  # as warm for one class as for the other
        for pair in pairs:
            for data in pair * 3:
                call(data)
    for call, pairs in batches:
        for data in [pair[which] for pair in pairs] * repeats:
            call(data)
    os._exit(0)  # what the interpreter takes down is not counted


def all_comparisons() -> list[Comparison]:
    """Those of ``make timing`` that run in this process."""
    from timing import planted_leak, verify_call  # noqa: PLC0415 - they make keys: only once randomness is seeded

    return [*planted_leak.controls(), *verify_call.comparisons()]


def count(name: str, run: tuple[int, int], into: Path) -> int:
    """Instructions of one run: of a class, with so many repeats. Raises RuntimeError with what it said."""
    command = ["valgrind", "--tool=callgrind", f"--callgrind-out-file={into}", sys.executable, "-m", __spec__.name]
    done = subprocess.run(
        [*command, "--judge", name, *map(str, run)],
        cwd=ROOT,
        env={**os.environ, "PYTHONHASHSEED": "0"},
        capture_output=True,
        text=True,
        check=False,
    )
    found = _COLLECTED.search(done.stderr)
    if done.returncode or found is None:
        raise RuntimeError(done.stderr[-2_000:])
    return int(found[1])


def by_function(profile: Path) -> dict[str, int]:
    """Instructions by function, from what callgrind wrote."""
    command = ["callgrind_annotate", "--threshold=100", str(profile)]
    report = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    found: dict[str, int] = {}
    for number, name in _LINE.findall(report):
        place = name.rpartition("/")[2]
        found[place] = found.get(place, 0) + int(number.replace(",", ""))
    return found


def compare(comparison: Comparison) -> Counted:
    """Count both classes, and what is there before the first call."""
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(os.cpu_count()) as pool:
        runs = [(0, REPEATS), (1, REPEATS), (0, 0)]
        profiles = [Path(folder) / f"{number}.out" for number in range(len(runs))]
        one, other, before = pool.map(partial(count, comparison.name), runs, profiles)
        functions = [by_function(profile) for profile in profiles[:2]]
    differences = {
        name: (functions[0].get(name, 0) - functions[1].get(name, 0)) / CALLS
        for name in {*functions[0], *functions[1]} - {"PROGRAM"}
    }
    most = sorted(differences.items(), key=lambda item: -abs(item[1]))[:3]
    difference = (one - other) / CALLS
    return Counted(
        name=comparison.name,
        one=comparison.one,
        other=comparison.other,
        instructions=round((one - before) / CALLS),
        difference=round(difference, 1),
        where={name: round(value, 1) for name, value in most if abs(value) >= 1},
        good=(abs(difference) > LIMIT) is (comparison.expected is Expected.LEAK),
    )


def table(rows: list[Counted]) -> Table:
    """For people."""
    shown = Table(title=f"Machine instructions a call, by callgrind; {LIMIT:g} may be the difference")
    for heading in ("comparison", "instructions", "difference", "where", ""):
        shown.add_column(heading, justify="right" if heading in {"instructions", "difference"} else "left")
    for row in rows:
        where = ", ".join(f"{name} {value:+}" for name, value in row.where.items())
        mark = "[green]good[/]" if row.good else "[bold red]BAD[/]"
        shown.add_row(row.name, f"{row.instructions:,}", f"{row.difference:+}", where, mark)
    return shown


def main() -> int:
    """Count all of it. Exit status 1 when classes differ, or a planted leak does not show."""
    parser = argparse.ArgumentParser(prog="python -m timing.instructions", description=__doc__)
    parser.add_argument("--only", default="", help="comparisons whose name contains this")
    parser.add_argument("--judge", nargs=3, metavar=("NAME", "CLASS", "REPEATS"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.judge:
        judge(options.judge[0], int(options.judge[1]), int(options.judge[2]))
    if shutil.which("valgrind") is None:
        print("valgrind is not here: apt-get install valgrind", file=sys.stderr)
        return 1
    chosen = [each for each in all_comparisons() if options.only in each.name]
    if not chosen:
        parser.error(f"--only: no comparison is called so: {', '.join(each.name for each in all_comparisons())}")
    rows = [compare(each) for each in track(chosen, "Counting instructions")]
    Console().print(table(rows))
    into = ROOT / ".make" / "instructions.json"
    into.parent.mkdir(exist_ok=True)
    into.write_text(json.dumps([asdict(row) for row in rows], indent=1) + "\n")
    return 0 if all(row.good for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
