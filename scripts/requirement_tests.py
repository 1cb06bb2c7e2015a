"""Finds the tests that name requirement ids: Python by its syntax tree, TypeScript by its text.

A test names an id in its title or function name, in its docstring or the comment directly above it, or through what it
stands in (class, state machine, ``describe``). What a module's docstring says does not count: it would let every test of
a file claim every id.
"""

import ast
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeGuard

_IN_TEXT: Final = re.compile(r"\b([RO])(\d{1,3})(?:\s?[-\u2013]\s?\1(\d{1,3}))?\b")
_IN_NAME: Final = re.compile(r"(?<![a-z0-9])([ro])(\d{1,3})(?:_to_\1(\d{1,3}))?(?![a-z0-9])")
_CALL: Final = re.compile(r"^(?P<indent> *)(?P<kind>describe|it|test)\b(?P<each>(?:\.\w+)*)(?:<.*?>)?\(", re.MULTILINE)
_STRING: Final = re.compile(r"""\s*("(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'|`(?:\\.|[^`\\])*`)""")
_COMMENT_LINE: Final = re.compile(r"^\s*(//|/?\*)")
_PLACEHOLDER: Final = re.compile(r"\\\$\\\{.*?\\\}|\\\$\w+(?:\\\.\w+)*|%[sdifjoO#$%]")
_BRACKETS: Final = {"(": 1, "[": 1, "{": 1, ")": -1, "]": -1, "}": -1}


@dataclass(frozen=True, slots=True)
class NamedTest:
    """A test and the ids it names.

    Attributes:
        file: Path from the root, with slashes.
        name: What a reader looks for: ``Class::function`` or the title after those it stands in.
        ids: Requirement ids, ranges spelt out.
        suite: Key of its results: dotted class name in JUnit XML, or the file.
        title: Pattern that the whole name in a result matches.
    """

    file: str
    name: str
    ids: frozenset[str]
    suite: str
    title: re.Pattern[str]


def ids_in(text: str) -> set[str]:
    """Ids in prose: ``R32``, ``R5, R49``, ``R14-R16``."""
    return _spelt_out(_IN_TEXT.finditer(text))


def ids_in_name(name: str) -> set[str]:
    """Ids in a function name: ``test_x_r58``, ``test_x_r51_to_r53``."""
    return _spelt_out(_IN_NAME.finditer(name))


def collect(root: Path) -> list[NamedTest]:
    """The tests that name an id."""
    return [test for test in every(root) if test.ids]


def every(root: Path) -> list[NamedTest]:
    """All tests below ``tests/`` and ``js/test/``, in the order of their files."""
    python = (root / "tests").rglob("test_*.py")
    script = (root / "js" / "test").rglob("*.test.ts")
    found = [test for path in sorted(python) for test in _in_python(path, root)]
    found += [test for path in sorted(script) for test in _in_typescript(path, root)]
    return found


def meant(node: str, tests: Iterable[NamedTest]) -> list[NamedTest]:
    """The tests that ``file::name`` stands for, or a file alone: all of it. Raises ValueError when there is none."""
    file, _, name = node.partition("::")
    found = [test for test in tests if test.file == file and name in {"", test.name}]
    if not found:
        raise ValueError(f"There is no test {node}.")
    return found


def _spelt_out(matches: Iterable[re.Match[str]]) -> set[str]:
    found: set[str] = set()
    for match in matches:
        first, last = int(match[2]), int(match[3] or match[2])
        found |= {f"{match[1].upper()}{number}" for number in {first, last, *range(first, last)}}
    return found


# Python.


def _in_python(path: Path, root: Path) -> Iterator[NamedTest]:
    file = path.relative_to(root).as_posix()
    module = file.removesuffix(".py").replace("/", ".")
    body = ast.parse(path.read_text("utf-8")).body
    classes = {node.name: node for node in body if isinstance(node, ast.ClassDef)}
    for node in body:
        if _is_test(node):
            yield _named(file, module, (node.name,), ids_of(node))
        elif isinstance(node, ast.ClassDef) and node.name.startswith("Test"):
            for method in filter(_is_test, node.body):
                yield _named(file, f"{module}.{node.name}", (node.name, method.name), ids_of(node) | ids_of(method))
        elif isinstance(node, ast.Assign) and (machine := classes.get(_machine(node.value))) is not None:
            for target in node.targets:
                if isinstance(target, ast.Name):
                    suite = f"{module}.{target.id}"
                    yield _named(file, suite, (target.id, "runTest"), ids_of(machine).union(*map(ids_of, machine.body)))


def ids_of(node: ast.AST) -> set[str]:
    """Ids in the name and the docstring of a function or class."""
    if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return set()
    return ids_in_name(node.name) | ids_in(ast.get_docstring(node) or "")


def _is_test(node: ast.stmt) -> TypeGuard[ast.FunctionDef | ast.AsyncFunctionDef]:
    return isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_")


def _machine(value: ast.expr) -> str:
    """``Machine`` where the value is ``Machine.TestCase``, as Hypothesis has state machines run."""
    is_case = isinstance(value, ast.Attribute) and value.attr == "TestCase" and isinstance(value.value, ast.Name)
    return ast.unparse(value).removesuffix(".TestCase") if is_case else ""


def _named(file: str, suite: str, names: tuple[str, ...], ids: set[str]) -> NamedTest:
    return NamedTest(file, "::".join(names), frozenset(ids), suite, re.compile(re.escape(names[-1])))


# TypeScript. The files are formatted, so indentation is nesting.


def _in_typescript(path: Path, root: Path) -> Iterator[NamedTest]:
    file = path.relative_to(root).as_posix()
    text = path.read_text("utf-8")
    around: list[tuple[int, str, set[str]]] = []
    for match in _CALL.finditer(text):
        title = _title(text, match)
        if title is None:
            continue
        indent = len(match["indent"])
        around = [outer for outer in around if outer[0] < indent]
        ids = ids_in(title) | ids_in(_comment_above(text, match.start()))
        if match["kind"] == "describe":
            around.append((indent, title, ids))
            continue
        names = [*(outer[1] for outer in around), title]
        pattern = " > ".join(_PLACEHOLDER.sub(".*", re.escape(name)) for name in names)
        all_ids = ids.union(*(outer[2] for outer in around))
        yield NamedTest(file, " > ".join(names), frozenset(all_ids), file, re.compile(pattern, re.DOTALL))


def _title(text: str, match: re.Match[str]) -> str | None:
    """The string a call starts with; after the table, where there is one."""
    at = match.end()
    if match["each"].endswith((".each", ".for")):
        at = _behind_brackets(text, at - 1)
        at = at + 1 if text[at : at + 1] == "(" else len(text)
    found = _STRING.match(text, at)
    if found is None:
        return None
    return re.sub(r"\\(.)", r"\1", found[1][1:-1])


def _behind_brackets(text: str, at: int) -> int:
    """The place after the bracket that closes the one at ``at``; strings are jumped over."""
    depth = 0
    while at < len(text):
        string = _STRING.match(text, at) if text[at] in "\"'`" else None
        if string is not None:
            at = string.end()
            continue
        depth += _BRACKETS.get(text[at], 0)
        at += 1
        if depth == 0:
            return at
    return at


def _comment_above(text: str, at: int) -> str:
    lines: list[str] = []
    for line in reversed(text[:at].split("\n")[:-1]):
        if _COMMENT_LINE.match(line) is None:
            break
        lines.append(line)
    return "\n".join(lines)
