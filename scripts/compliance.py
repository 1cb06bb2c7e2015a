"""Write docs/compliance.md: public standards, what Jitterbug does for each control, and the tests that show it.

The rows are in compliance.toml beside this file. A row whose ids have no passing test says "not shown". Where an id is
wider than the control, the row names the tests themselves, which must exist, and shows those.
"""

import argparse
import re
import sys
import tomllib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import requirements
from requirement_results import Results, Verdict
from requirement_tests import NamedTest, collect, every, meant

ROWS: Final = Path(__file__).with_suffix(".toml")
WRITTEN: Final = "docs/compliance.md"
TESTS_FOR_AN_ID: Final = 2
_ID: Final = re.compile(r"[RO]\d+")
HEAD: Final = """\
# Standards and what shows them

Written by `make compliance` from the rows in `scripts/compliance.toml` and the results of the tests. *Shown*: every id has tests and all that ran passed, and
so did every test that the row itself names. *Partly*: some. *Not shown*: no passing test, whatever the sentence says. What each id asks for:
[requirements.md](requirements.md). No auditor has looked at this; it helps whoever does.
"""

Passing = Mapping[str, Sequence[NamedTest]]


@dataclass(frozen=True, slots=True)
class Control:
    """A row: the control of a standard.

    Attributes:
        name: Its number there.
        gist: What it asks for, in a few words.
        does: What Jitterbug does, one sentence.
        ids: Requirements that it rests on.
        nodes: Tests of this very control, ``file::name``; none = those of its ids.
    """

    name: str
    gist: str
    does: str
    ids: tuple[str, ...]
    nodes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Framework:
    """A standard."""

    name: str
    source: str
    controls: tuple[Control, ...]


def read_rows(path: Path = ROWS) -> list[Framework]:
    """The rows. Raises ValueError for a row of another form, or a control that stands twice."""
    frameworks = []
    for table in tomllib.loads(path.read_text("utf-8"))["framework"]:
        controls = tuple(_control(row) for row in table["rows"])
        twice = [name for name, count in Counter(control.name for control in controls).items() if count > 1]
        if twice:
            raise ValueError(f"{table['name']}: twice: {', '.join(twice)}")
        frameworks.append(Framework(table["name"], table["source"], controls))
    return frameworks


def _control(row: Sequence[str]) -> Control:
    name, gist, does, ids, nodes = (*row, "")[:5]
    if not all(map(_ID.fullmatch, ids.split())):
        raise ValueError(f"{name}: not requirement ids: {ids}")
    return Control(name, gist, does, tuple(ids.split()), tuple(nodes.split()))


def passing(rows: Sequence[requirements.Row]) -> dict[str, list[NamedTest]]:
    """The passing tests of each id that can be claimed."""
    return {
        row.requirement.id: [test for test, verdict in row.tests if verdict is Verdict.PASSED]
        for row in rows
        if row.result == Verdict.PASSED
    }


def passing_nodes(frameworks: Sequence[Framework], tests: Sequence[NamedTest], results: Results) -> Passing:
    """The same for the tests that rows name. Raises ValueError when one does not exist."""
    nodes = {node for framework in frameworks for control in framework.controls for node in control.nodes}
    found = {node: meant(node, tests) for node in sorted(nodes)}
    return {node: each for node, each in found.items() if all(results.of(test) is Verdict.PASSED for test in each)}


def result(control: Control, shown: Passing) -> str:
    """What may be claimed of a control."""
    needed = [*control.ids, *control.nodes]
    missing = [each for each in needed if each not in shown]
    if len(missing) == len(needed):
        return "not shown"
    return f"partly: not {', '.join(missing)}" if missing else "shown"


def evidence(control: Control, shown: Passing) -> str:
    """The tests that the row names; where it names none, each id with a few of its passing tests."""
    if control.nodes:
        found = (", ".join(map(requirements.link, shown.get(node, ()))) or node for node in control.nodes)
        return "<br>".join(filter(None, (" ".join(control.ids), *found)))
    return "<br>".join(
        f"{each}: {', '.join(requirements.link(test) for test in shown[each][:TESTS_FOR_AN_ID])}"
        if each in shown
        else each
        for each in control.ids
    )


def markdown(frameworks: Sequence[Framework], shown: Passing) -> str:
    """The page."""
    lines = [HEAD]
    for framework in frameworks:
        counts = Counter(result(control, shown).partition(":")[0] for control in framework.controls)
        said = ", ".join(f"{counts[word]} {word}" for word in ("shown", "partly", "not shown") if counts[word])
        lines += [f"## {framework.name}", "", f"<{framework.source}>: {said}.", ""]
        lines += ["| control | asks for | what Jitterbug does | tests | result |", "| --- | --- | --- | --- | --- |"]
        lines += [
            f"| {each.name} | {each.gist} | {each.does} | {evidence(each, shown)} | {result(each, shown)} |"
            for each in framework.controls
        ]
        lines.append("")
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the page. Returns the exit status."""
    parser = argparse.ArgumentParser(
        prog="scripts/compliance.py",
        description=__doc__,
        epilog="exit status: 0 written; 1 a row names what is no requirement or no test; 2 wrong usage or unreadable files",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    requirements.add_result_options(parser)
    given = parser.parse_args(arguments)
    root: Path = given.root.resolve()
    try:
        known = requirements.catalogue(root)
        results = requirements.read_results(given.junit, given.vitest, root)
        frameworks = read_rows()
    except (OSError, ValueError) as error:
        sys.stderr.write(f"{error}\n")
        return 2
    named = {each for framework in frameworks for control in framework.controls for each in control.ids}
    unknown = named - {item.id for item in known}
    if unknown:
        sys.stderr.write(f"No requirements: {', '.join(sorted(unknown))}\n")
        return 1
    try:
        nodes = passing_nodes(frameworks, every(root), results)
    except ValueError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    rows = requirements.trace(known, collect(root), results)
    (root / WRITTEN).write_text(markdown(frameworks, {**passing(rows), **nodes}), "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
