"""What became of tests: pytest's JUnit XML and vitest's JSON, read into one form."""

import json
import re
import xml.etree.ElementTree as ET
from collections import defaultdict
from collections.abc import Iterable
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

from requirement_tests import NamedTest


class Verdict(StrEnum):
    """What a test or a requirement came to. Of several, the first in this order stands for all."""

    FAILED = "failed"
    NOT_RUN = "not run"
    PASSED = "passed"
    SKIPPED = "skipped"


_ORDER: Final = list(Verdict)
_VITEST: Final = {"passed": Verdict.PASSED, "failed": Verdict.FAILED}
_PARAMETERS: Final = re.compile(r"\[.*", re.DOTALL)


def worst(verdicts: Iterable[Verdict]) -> Verdict:
    """One verdict for several: failures first; skipped only where all are."""
    return min(verdicts, key=_ORDER.index, default=Verdict.NOT_RUN)


class Results:
    """Verdicts by suite and name.

    Attributes:
        is_empty: Nothing was read, so nothing can be said about any test.
    """

    def __init__(self) -> None:
        self._verdicts: dict[str, list[tuple[str, Verdict]]] = defaultdict(list)

    @property
    def is_empty(self) -> bool:
        return not self._verdicts

    def read_junit(self, path: Path) -> None:
        """Add what ``pytest --junitxml`` wrote. Raises OSError or ValueError."""
        try:
            cases = list(ET.parse(path).iter("testcase"))
        except ET.ParseError as error:
            raise ValueError(f"{path} is not JUnit XML: {error}") from None
        for case in cases:
            name = _PARAMETERS.sub("", case.get("name", ""))
            self._verdicts[case.get("classname", "")].append((name, _junit_verdict(case)))

    def read_vitest(self, path: Path, root: Path) -> None:
        """Add what ``vitest --reporter=json`` wrote. Raises OSError or ValueError."""
        report: dict[str, Any] = json.loads(path.read_text("utf-8"))
        for suite in report.get("testResults", []):
            file = Path(suite["name"])
            key = file.relative_to(root).as_posix() if file.is_relative_to(root) else file.as_posix()
            for case in suite["assertionResults"]:
                name = " > ".join([*case["ancestorTitles"], case["title"]])
                self._verdicts[key].append((name, _VITEST.get(case["status"], Verdict.SKIPPED)))

    def of(self, test: NamedTest) -> Verdict:
        """What became of a test; all its parameters together."""
        return worst(verdict for name, verdict in self._verdicts.get(test.suite, ()) if test.title.fullmatch(name))


def _junit_verdict(case: ET.Element) -> Verdict:
    if case.find("failure") is not None or case.find("error") is not None:
        return Verdict.FAILED
    return Verdict.SKIPPED if case.find("skipped") is not None else Verdict.PASSED
