"""mutation/equivalent.toml: the mutants that no test can tell from the code, and why."""

import tomllib
from pathlib import Path
from typing import Final

from mutants import Mutant

FILE: Final = "mutation/equivalent.toml"


def read_arguments(root: Path) -> dict[Mutant, str]:
    """The reason for each argued mutant.

    A ``[[survivors]]`` table argues for one line of one module: ``module``, ``line``, ``reason``, and ``mutants``, each
    an array of operator, occurrence and the line it becomes.

    Raises:
        OSError: The file cannot be read.
        ValueError: It has another form, or argues twice for one mutant.
    """
    argued: dict[Mutant, str] = {}
    try:
        for entry in tomllib.loads((root / FILE).read_text("utf-8"))["survivors"]:
            for operator, occurrence, becomes in entry["mutants"]:
                mutant = Mutant(entry["module"], operator, entry["line"], occurrence, becomes)
                if argued.setdefault(mutant, entry["reason"]) is not entry["reason"]:
                    raise ValueError(f"{FILE} argues twice for {mutant}")
    except (KeyError, TypeError) as error:
        raise ValueError(f"{FILE}: an entry has module, line, mutants and reason") from error
    return argued
