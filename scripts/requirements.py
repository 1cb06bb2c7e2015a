"""Which tests show which requirement, and whether they passed.

Reads docs/requirements.md, finds the tests that name each id, and fills in results where a file of results is given.
"""

import argparse
import re
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from requirement_results import Results, Verdict, worst
from requirement_tests import NamedTest, collect

ROOT: Final = Path(__file__).resolve().parents[1]
CATALOGUE: Final = "docs/requirements.md"
WRITTEN: Final = "docs/requirements-table.md"
GAP: Final = "no test"
_ROW: Final = re.compile(r"^\| *([RO]\d+) *\|(.+)\|(.+)\| *$", re.MULTILINE)
_SHOWN: Final = 3
_STYLES: Final = {GAP: "bold red", "failed": "red", "not run": "yellow", "skipped": "yellow", "passed": "green"}
EPILOG: Final = f"""\
examples:
  scripts/requirements.py --gaps
  pytest --junitxml=.make/pytest.xml; scripts/requirements.py --junit .make/pytest.xml
  scripts/requirements.py --junit .make/pytest.xml --vitest .make/vitest.json --write

exit status: 0 when every id has a test and, where results are given, every test that names it passed (a skipped one is
no failure where another of the same id passed); 1 otherwise; 2 for wrong usage. The ids stand in {CATALOGUE}.
"""


@dataclass(frozen=True, slots=True)
class Requirement:
    """A row of the catalogue."""

    id: str
    rule: str
    check: str


@dataclass(frozen=True, slots=True)
class Row:
    """A requirement with the tests that name it.

    Attributes:
        requirement: The rule.
        tests: Each with what became of it.
        result: ``no test``, or the worst verdict of the tests.
    """

    requirement: Requirement
    tests: tuple[tuple[NamedTest, Verdict], ...]

    @property
    def result(self) -> str:
        return worst(verdict for _, verdict in self.tests).value if self.tests else GAP


def catalogue(root: Path) -> list[Requirement]:
    """The rows of the catalogue. Raises ValueError for an id that stands there twice, or none at all."""
    found = [Requirement(*map(str.strip, row)) for row in _ROW.findall((root / CATALOGUE).read_text("utf-8"))]
    twice = [each for each, count in Counter(item.id for item in found).items() if count > 1]
    if twice or not found:
        raise ValueError(f"{CATALOGUE}: {'ids that stand there twice: ' + ', '.join(twice) if twice else 'no rows'}")
    return found


def trace(requirements: Sequence[Requirement], tests: Sequence[NamedTest], results: Results) -> list[Row]:
    """One row an id."""
    judged = [(test, results.of(test)) for test in tests]
    return [Row(item, tuple(pair for pair in judged if item.id in pair[0].ids)) for item in requirements]


def strangers(requirements: Sequence[Requirement], tests: Sequence[NamedTest]) -> dict[str, str]:
    """Ids that tests name and the catalogue does not have, each with one of the tests."""
    known = {item.id for item in requirements}
    return {each: f"{test.file}::{test.name}" for test in tests for each in sorted(test.ids - known)}


def is_shown(row: Row, results: Results) -> bool:
    """Whether a requirement can be claimed; without any results, whether a test for it exists."""
    return row.result != GAP if results.is_empty else row.result == Verdict.PASSED


def table(rows: Sequence[Row], shown: int) -> Table:
    """The rows for a terminal. Args: shown: tests listed for each."""
    made = Table(show_lines=False, pad_edge=False, header_style="bold")
    made.add_column("id", no_wrap=True)
    made.add_column("requirement", ratio=3)
    made.add_column("tests", ratio=4, overflow="fold")
    made.add_column("result", no_wrap=True)
    for row in rows:
        names = [_shown(test, verdict) for test, verdict in sorted(row.tests, key=_passed_last)[:shown]]
        if len(row.tests) > shown:
            names.append(f"… and {len(row.tests) - shown} more")
        style = _STYLES[row.result]
        id_style = style if row.result in {GAP, Verdict.FAILED} else ""
        made.add_row(
            f"[{id_style}]{row.requirement.id}[/]" if id_style else row.requirement.id,
            escape(row.requirement.rule),
            "\n".join(names),
            f"[{style}]{row.result}[/]",
        )
    return made


def _passed_last(pair: tuple[NamedTest, Verdict]) -> bool:
    return pair[1] in {Verdict.PASSED, Verdict.SKIPPED}


def _shown(test: NamedTest, verdict: Verdict) -> str:
    """A test for a terminal; in red when it is why the id cannot be claimed."""
    name = f"{test.file.rpartition('/')[2]}::{escape(test.name)}"
    return f"[red]{name}[/]" if verdict is Verdict.FAILED else name


def markdown(rows: Sequence[Row]) -> str:
    """The rows as a page."""
    lines = [
        "# Requirements and their tests",
        "",
        f"Written by `make requirements`: {summary(rows)}. What each id asks for: [requirements.md](requirements.md).",
        "",
        "| id | requirement | tests | result |",
        "| --- | --- | --- | --- |",
    ]
    for row in rows:
        tests = "<br>".join(link(test) for test, _ in row.tests)
        lines.append(f"| {row.requirement.id} | {row.requirement.rule} | {tests} | {row.result} |")
    return "\n".join(lines) + "\n"


def link(test: NamedTest) -> str:
    """A test as Markdown, for a page in ``docs/``."""
    name = test.name.replace("|", "\\|").replace("`", "'")
    return f"[`{name}`](../{test.file})"


def summary(rows: Sequence[Row]) -> str:
    """How many requirements came to what."""
    counts = Counter(row.result for row in rows)
    said = ", ".join(f"{counts[result]} {result}" for result in (*_STYLES,) if counts[result])
    return f"{len(rows)} requirements: {said}"


def read_results(junit: Sequence[Path], vitest: Sequence[Path], root: Path) -> Results:
    """All files of results together. Raises OSError or ValueError."""
    results = Results()
    for path in junit:
        results.read_junit(path)
    for path in vitest:
        results.read_vitest(path, root)
    return results


def add_result_options(parser: argparse.ArgumentParser) -> None:
    """The options that say where results are."""
    parser.add_argument(
        "--junit",
        metavar="FILE",
        type=Path,
        action="append",
        default=[],
        help="results of pytest, as --junitxml writes",
    )
    parser.add_argument(
        "--vitest", metavar="FILE", type=Path, action="append", default=[], help="results of vitest's json reporter"
    )
    parser.add_argument("--root", metavar="DIR", type=Path, default=ROOT, help="another checkout than this one")


def _arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="scripts/requirements.py",
        description=__doc__,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_result_options(parser)
    parser.add_argument("--gaps", action="store_true", help="list only the ids that cannot be claimed")
    parser.add_argument("--all", action="store_true", help=f"list every test of an id, not only {_SHOWN}")
    parser.add_argument("--write", action="store_true", help=f"write {WRITTEN} too")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the table. Returns the exit status."""
    given = _arguments(arguments)
    root: Path = given.root.resolve()
    console = Console(width=None if sys.stdout.isatty() else 160, highlight=False)
    try:
        requirements = catalogue(root)
        results = read_results(given.junit, given.vitest, root)
    except (OSError, ValueError) as error:
        Console(stderr=True).print(f"[red]{escape(str(error))}[/]")
        return 2
    tests = collect(root)
    rows = trace(requirements, tests, results)
    unshown = [row for row in rows if not is_shown(row, results)]
    listed = unshown if given.gaps else rows
    if listed:
        console.print(table(listed, sys.maxsize if given.all else _SHOWN))
    unknown = strangers(requirements, tests)
    for each, test in unknown.items():
        console.print(f"[bold red]{each}[/] is no requirement, but named by {escape(test)}")
    console.print(summary(rows))
    if given.write:
        (root / WRITTEN).write_text(markdown(rows), "utf-8")
    return 1 if unshown or unknown else 0


if __name__ == "__main__":
    sys.exit(main())
