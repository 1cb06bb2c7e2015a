"""The arguments for mutants that survive stay true to the code they argue about (mutation/equivalent.toml)."""

import tomllib
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
ENTRIES: list[dict[str, Any]] = tomllib.loads((ROOT / "mutation/equivalent.toml").read_text("utf-8"))["survivors"]


def lines(entry: dict[str, Any]) -> list[str]:
    """The module's lines without the white space around them."""
    return [line.strip() for line in (ROOT / "src/jitterbug" / entry["module"]).read_text("utf-8").split("\n")]


def name(entry: dict[str, Any]) -> str:
    return f"{entry['module']}: {entry['line']}"


@pytest.mark.parametrize("entry", ENTRIES, ids=name)
def test_every_argument_points_at_a_line_of_its_module(entry: dict[str, Any]) -> None:
    assert entry["line"] in lines(entry), "the line is gone: run scripts/mutation.py and argue anew"


@pytest.mark.parametrize("entry", ENTRIES, ids=name)
def test_every_argument_has_a_sentence_and_changes_its_line(entry: dict[str, Any]) -> None:
    assert entry.keys() == {"module", "line", "reason", "mutants"}
    assert entry["reason"].endswith(".")
    assert entry["mutants"]
    for operator, occurrence, becomes in entry["mutants"]:
        assert operator
        assert occurrence >= 0
        assert becomes != entry["line"]


def test_no_mutant_is_argued_for_twice() -> None:
    counts = Counter(
        (entry["module"], entry["line"], operator, occurrence)
        for entry in ENTRIES
        for operator, occurrence, _ in entry["mutants"]
    )

    assert set(counts.values()) == {1}
