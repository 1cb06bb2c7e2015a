"""What came out, for people and for programs."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.table import Table

from timing.comparison import Comparison, Expected
from timing.welch import LIMIT, Verdict


@dataclass(frozen=True, slots=True)
class Result:
    """A comparison with its verdict."""

    comparison: Comparison
    verdict: Verdict

    @property
    def is_good(self) -> bool:
        """Whether the statistic says what it has to say."""
        return self.verdict.finds_leak is (self.comparison.expected is Expected.LEAK)

    def to_json(self) -> dict[str, Any]:
        """The figures."""
        worst = self.verdict.worst
        return {
            "name": self.comparison.name,
            "classes": [self.comparison.one, self.comparison.other],
            "expected": self.comparison.expected.value,
            "good": self.is_good,
            "samples": sum(self.verdict.counts),
            "median_ns": self.verdict.median_ns,
            "t": round(self.verdict.t, 2),
            "t_all_samples": round(self.verdict.tests[0].t, 2),
            "t_worst_crop": round(worst.t, 2),
            "worst_crop": round(worst.crop, 4),
            "t_spread": round(self.verdict.spread, 2),
            "difference_ns": round(worst.difference_ns, 2),
            "visible_ns": round(self.verdict.visible_ns, 2),
        }


def table(results: list[Result]) -> Table:
    """For people."""
    shown = Table(
        title=f"Welch's t-test, leak from |t| = {LIMIT} on",
        caption="visible: the smallest difference it would have found",
    )
    for heading in ("comparison", "classes", "samples", "median ns", "largest |t|", "visible ns", "expected", ""):
        shown.add_column(heading, justify="right" if heading in {"samples", "median ns", "visible ns"} else "left")
    for result in results:
        figures = result.to_json()
        shown.add_row(
            figures["name"],
            " / ".join(figures["classes"]),
            f"{figures['samples']:,}",
            f"{figures['median_ns']:,}",
            f"{figures['t']:.2f}",
            f"{figures['visible_ns']:.1f}",
            figures["expected"],
            "[green]good[/]" if result.is_good else "[bold red]BAD[/]",
        )
    return shown


def write(results: list[Result], path: Path) -> None:
    """Write the figures as JSON."""
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps([result.to_json() for result in results], indent=1) + "\n")
