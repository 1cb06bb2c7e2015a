"""What was measured, and what follows: medians, spreads and paired ratios."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import median
from typing import Any, Final

OURS: Final = "jitterbug"
"""The name of the one that is compared with the others."""


@dataclass(frozen=True, slots=True)
class Case:
    """One thing that is measured.

    Attributes:
        scenario: ``fan-out``, ``burst``, …
        peer: Whose server.
        subscribers: How many; 0 where there are none.
        tls: Whether over TLS.
    """

    scenario: str
    peer: str
    subscribers: int = 0
    tls: bool = False

    def of(self, peer: str) -> "Case":
        """The same of another server."""
        return Case(self.scenario, peer, self.subscribers, self.tls)


@dataclass(frozen=True, slots=True)
class Sample:
    """Figures of one case in one round."""

    case: Case
    round: int
    figures: Mapping[str, float]


@dataclass(slots=True)
class Results:
    """A run.

    Attributes:
        machine: What it ran on, line by line: name and value.
        versions: Of each server that was measured.
        absent: Servers that were not, and why.
        settings: Of each server.
        samples: All of them.
        failures: Cases that failed, with the cause.
    """

    machine: dict[str, str] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)
    absent: dict[str, str] = field(default_factory=dict)
    settings: dict[str, str] = field(default_factory=dict)
    samples: list[Sample] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)

    def by_round(self, case: Case, figure: str) -> dict[int, float]:
        """A figure of a case, by round."""
        return {
            sample.round: sample.figures[figure]
            for sample in self.samples
            if sample.case == case and figure in sample.figures
        }

    def median(self, case: Case, figure: str) -> float | None:
        """Its median over the rounds; None = not measured."""
        values = self.by_round(case, figure)
        return median(values.values()) if values else None

    def spread(self, case: Case, figure: str) -> tuple[float, float] | None:
        """Its least and greatest; None = not measured."""
        values = self.by_round(case, figure).values()
        return (min(values), max(values)) if values else None

    def ratio(self, case: Case, other: Case, figure: str) -> float | None:
        """Median of the ratios within each round, so that what slows a whole round down weighs on neither.

        Returns:
            None when there is no round with both.
        """
        ours, theirs = self.by_round(case, figure), self.by_round(other, figure)
        ratios = [ours[number] / theirs[number] for number in ours if theirs.get(number)]
        return median(ratios) if ratios else None

    def rounds(self) -> int:
        """How many there were."""
        return 1 + max((sample.round for sample in self.samples), default=-1)

    def to_json(self) -> str:
        """As a file holds it: a sample a line, so that a change of one shows as one."""
        head = {name: getattr(self, name) for name in ("machine", "versions", "absent", "settings", "failures")}
        lines = [
            json.dumps({**asdict(sample.case), "round": sample.round, **sample.figures}) for sample in self.samples
        ]
        return (
            json.dumps({**head, "samples": []}, indent=1)[: -len("]\n}")] + "\n  " + ",\n  ".join(lines) + "\n ]\n}\n"
        )

    @classmethod
    def from_json(cls, text: str) -> "Results":
        """Read what :meth:`to_json` wrote."""
        read: dict[str, Any] = json.loads(text)
        samples = [
            Sample(
                Case(line.pop("scenario"), line.pop("peer"), line.pop("subscribers"), line.pop("tls")),
                line.pop("round"),
                line,
            )
            for line in read.pop("samples")
        ]
        return cls(**read, samples=samples)

    @classmethod
    def read(cls, path: Path) -> "Results":
        """Read a file."""
        return cls.from_json(path.read_text())
