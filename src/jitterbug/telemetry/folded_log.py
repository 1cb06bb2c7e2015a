"""Facts as log lines, of a flood only the first: strangers must not be able to fill a disk with refusals (§2.25)."""

from jitterbug.clock import Clock
from jitterbug.telemetry.audit.fold import Fold
from jitterbug.telemetry.events import Fact
from jitterbug.telemetry.log import is_refusal, log_fact


class FoldedLog:
    """A listener of facts: ten lines of a kind within a second, the rest as one line with their count.

    What was folded is written with the next refusal or figure, which comes once a minute at least.
    """

    __slots__ = ("_clock", "_fold")

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._fold = Fold()

    def __call__(self, fact: Fact) -> None:
        """Log a fact."""
        now_ns = self._clock.monotonic_ns()
        if is_refusal(fact):
            for due in self._fold.take(fact, now_ns):
                log_fact(due)
            return
        for due in self._fold.due(now_ns):
            log_fact(due)
        log_fact(fact)
