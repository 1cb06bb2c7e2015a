"""The mutants of a module: which cosmic-ray makes, which of them are run, and how one is named for good."""

import ast
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from cosmic_ray.mutating import mutate_code  # type: ignore[import-untyped]
from cosmic_ray.plugins import get_operator  # type: ignore[import-untyped]
from cosmic_ray.work_db import WorkDB  # type: ignore[import-untyped]
from cosmic_ray.work_item import WorkerOutcome, WorkResult  # type: ignore[import-untyped]

from mutant_tests import TESTS

PACKAGE: Final = Path("src/jitterbug")

# "is" stands in the core for None, types and members of enumerations, where equality is identity; and where "==" stands
# for numbers and text, identity hangs on what the interpreter happens to keep once, not on what the code says.
_SAME_OR_CHANCE: Final = re.compile(r"core/ReplaceComparisonOperator_(Is_Eq|IsNot_NotEq|Eq_Is|NotEq_IsNot)")

# Of the eleven replacements of an arithmetic operator those two that are closest to it. The others are caught by
# whatever catches these, or end in a TypeError on the first bytes they meet, and would only raise the kill rate.
_CLOSE: Final = {
    ("Add", "Sub"), ("Add", "BitOr"), ("Sub", "Add"), ("Sub", "BitXor"), ("Mul", "Add"), ("Mul", "FloorDiv"),
    ("FloorDiv", "Div"), ("FloorDiv", "Mod"), ("Mod", "Add"), ("Pow", "Mul"), ("Pow", "Add"),
    ("BitXor", "BitOr"), ("BitXor", "BitAnd"), ("BitOr", "BitXor"), ("BitOr", "BitAnd"),
    ("BitAnd", "BitOr"), ("BitAnd", "BitXor"), ("LShift", "RShift"), ("LShift", "Mul"), ("RShift", "LShift"),
    ("RShift", "FloorDiv"),
}  # fmt: skip
_ARITHMETIC: Final = re.compile(r"core/ReplaceBinaryOperator_(\w+)_(\w+)")


@dataclass(frozen=True, slots=True)
class Mutant:
    """One change to one line.

    Attributes:
        module: Where it is below ``src/jitterbug``: ``protocol/replay.py``.
        operator: What cosmic-ray did, without its ``core/``.
        line: The line it did it to, white space at both ends taken off.
        occurrence: Which one, from 0, of those that the same operator makes of lines with this text.
        becomes: The line after the change; empty where it is gone.
    """

    module: str
    operator: str
    line: str
    occurrence: int
    becomes: str


@dataclass(frozen=True, slots=True)
class Job:
    """A mutant in cosmic-ray's work list.

    Attributes:
        id: cosmic-ray's job id.
        mutant: Its name.
        line_number: Where it is now, from 1.
        excluded: Why it is not run; None when it is.
    """

    id: str
    mutant: Mutant
    line_number: int
    excluded: str | None


Span = tuple[tuple[int, int], tuple[int, int]]


def jobs(work: WorkDB, source: str, module: str) -> Iterator[Job]:
    """Name every job of a work list that was made from this source, in the order of the text."""
    spans = list(_unseen(source))
    lines = source.split("\n")
    counted: Counter[tuple[str, str]] = Counter()
    items = [(item.job_id, item.mutations[0]) for item in work.work_items]
    for job_id, spec in sorted(items, key=lambda pair: (pair[1].operator_name, pair[1].occurrence)):
        try:
            mutated = mutate_code(source, get_operator(spec.operator_name)(), spec.occurrence)
        except AttributeError:
            mutated = None  # ExceptionReplacer knows no dotted names
        changed = spec.start_pos[0] - 1 if mutated is None else _first_difference(lines, mutated.split("\n"))
        operator = spec.operator_name.removeprefix("core/")
        line = lines[changed].strip()
        mutant = Mutant(module, operator, line, counted[operator, line], _becomes(lines, mutated, changed))
        counted[operator, line] += 1
        yield Job(job_id, mutant, changed + 1, _exclusion(spec.operator_name, mutated, spec.start_pos, spans))


def skip(work: WorkDB, job: Job) -> None:
    """Take an excluded job off the work list, as cosmic-ray's own filters do."""
    work.set_result(job.id, WorkResult(output=job.excluded, worker_outcome=WorkerOutcome.SKIPPED))


def _first_difference(before: list[str], after: list[str]) -> int:
    return next(i for i, line in enumerate(before) if i >= len(after) or line != after[i])


def _becomes(before: list[str], mutated: str | None, changed: int) -> str:
    """The changed line; empty where it is gone."""
    after = (mutated or "").split("\n")
    return "" if len(after) < len(before) else after[changed].strip()


def _exclusion(operator: str, mutated: str | None, start: tuple[int, int], spans: list[tuple[Span, str]]) -> str | None:
    if _SAME_OR_CHANCE.fullmatch(operator):
        return "identity for equality"
    if (arithmetic := _ARITHMETIC.fullmatch(operator)) and arithmetic.groups() not in _CLOSE:
        return "arithmetic far off"
    if mutated is None:
        return "cosmic-ray cannot make it"
    for (first, last), reason in spans:
        if first <= start < last:
            return reason
    try:
        ast.parse(mutated)
    except SyntaxError:
        return "no Python"  # cosmic-ray takes the bare * of a signature for a multiplication
    return None


def _unseen(source: str) -> Iterator[tuple[Span, str]]:
    """Parts of the text whose change no behaviour shows."""
    tree = ast.parse(source)
    for node in ast.walk(tree):
        match node:
            case ast.AnnAssign(annotation=annotation) | ast.arg(annotation=ast.expr() as annotation):
                yield _span(annotation), "annotation"
            case ast.FunctionDef(returns=ast.expr() as annotation):
                yield _span(annotation), "annotation"
            case ast.Raise(exc=ast.Call(args=[ast.JoinedStr() as text])):
                yield _span(text), "words of an exception"
    for node in tree.body:
        if isinstance(node, ast.Assign) and _is_union(node.value):
            yield _span(node.value), "annotation"


def _is_union(node: ast.expr) -> bool:
    """Whether this is ``A | B | …``: the name of a type."""
    if isinstance(node, ast.BinOp):
        return isinstance(node.op, ast.BitOr) and _is_union(node.left) and _is_union(node.right)
    return isinstance(node, ast.Name)


def _span(node: ast.expr) -> Span:
    return (node.lineno, node.col_offset), (node.end_lineno or node.lineno, node.end_col_offset or node.col_offset)


def module_names(root: Path) -> list[str]:
    """The modules that are mutated, by their names below ``src/jitterbug``."""
    core = sorted((root / PACKAGE / "protocol").glob("[!_]*.py"))
    return [*(path.relative_to(root / PACKAGE).as_posix() for path in core), *TESTS]
