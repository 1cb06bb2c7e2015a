"""What is aimed at, as ratios within one run."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from bench.results import OURS, Case, Results


@dataclass(frozen=True, slots=True)
class Target:
    """One aim.

    Attributes:
        text: What is compared.
        value: Where it stands; None = not measured in this run.
        limit: Where it should stand.
        at_least: The limit is a least value, not a most.
        unit: Of both; empty for a ratio.
    """

    text: str
    value: float | None
    limit: float
    at_least: bool = False
    unit: str = ""

    @property
    def is_met(self) -> bool | None:
        """Whether; None = not measured."""
        if self.value is None:
            return None
        return self.value >= self.limit if self.at_least else self.value <= self.limit


def targets(results: Results) -> list[Target]:
    """All of them, in the order of the report."""
    return [target for group in _GROUPS for target in group(results)]


def _against(results: Results, scenario: str, peer: str, subscribers: int, *, tls: bool = False) -> float | None:
    ours = Case(scenario, OURS, subscribers, tls)
    return results.ratio(ours, ours.of(peer), "cpu_us")


def _deliveries(results: Results) -> Iterator[Target]:
    for tls in (False, True):
        for count in (1_000, 5_000):
            where = f"{count:,} subscribers{', TLS' if tls else ''}"
            yield Target(
                f"CPU per delivery, of Nchan's; {where}", _against(results, "fan-out", "nchan", count, tls=tls), 1.0
            )
    for count in (1_000, 5_000):
        text = f"CPU per delivery, of the floor's; {count:,} subscribers"
        yield Target(text, _against(results, "fan-out", "floor", count), 1.5)
    theirs = Case("fan-out", "sse-starlette", 1_000)
    ratio = results.ratio(theirs, theirs.of(OURS), "cpu_us")
    yield Target("sse-starlette's CPU per delivery, of ours; 1,000 subscribers", ratio, 4.0, at_least=True)
    text = "CPU per delivery of a burst of 50, of Nchan's; 1,000 subscribers"
    yield Target(text, _against(results, "burst", "nchan", 1_000), 0.4)
    sse, socket = Case("fan-out", OURS, 1_000), Case("websocket", OURS, 1_000)
    yield Target("CPU per delivery over WebSocket, of that over SSE", results.ratio(socket, sse, "cpu_us"), 1.3)


def _scale(results: Results) -> Iterator[Target]:
    reference = Case("fan-out", OURS, 1_000)
    ratios = [results.ratio(Case("fan-out", OURS, count), reference, "cpu_us") for count in (100, 5_000, 15_000)]
    known = [abs(ratio - 1) * 100 for ratio in ratios if ratio is not None]
    text = "CPU per delivery from 100 to 15,000 subscribers, furthest from that at 1,000"
    yield Target(text, max(known) if known else None, 15, unit="%")
    memory_bytes = results.median(Case("idle", OURS, 5_000), "memory_bytes")
    yield Target("memory per idle stream", memory_bytes / 1_024 if memory_bytes is not None else None, 12, unit="KiB")


def _waiting(results: Results) -> Iterator[Target]:
    case = Case("latency", OURS, 10)
    for figure, limit in (("p50", 2), ("p99", 10)):
        us = results.median(case, f"{figure}_us")
        yield Target(
            f"publish to receipt on an idle hub, {figure}", us / 1_000 if us is not None else None, limit, unit="ms"
        )


def _storm(results: Results) -> Iterator[Target]:
    case = Case("storm", OURS, 10_000)
    failed, missing = results.by_round(case, "failed"), results.by_round(case, "missing")
    lost = [failed[number] + missing[number] for number in failed]
    text = "10,000 come back at once: failures, and publications not recovered"
    yield Target(text, max(lost) if lost else None, 0)
    ours, nchan = results.median(case, "cpu_us"), results.median(case.of("nchan"), "cpu_us")
    keys = results.median(Case("keys", OURS, 2_000), "cpu_us")
    ratio = ours / (nchan + keys) if ours is not None and nchan is not None and keys is not None else None
    yield Target("their CPU, of Nchan's and the cost of their keys", ratio, 1.0)


def _program(results: Results) -> Iterator[Target]:
    case = Case("start-up", OURS)
    yield Target("`import jitterbug`", results.median(case, "import_ms"), 150, unit="ms")
    yield Target("`jitterbug --help`", results.median(case, "help_ms"), 250, unit="ms")
    browser = Case("browser", OURS)
    text = "frames verified in Chromium on one core, a second"
    yield Target(text, results.median(browser, "frames_per_s"), 20_000, at_least=True)
    yield Target(
        "longest time the page is blocked meanwhile", results.median(browser, "longest_task_ms"), 50, unit="ms"
    )


_GROUPS: tuple[Callable[[Results], Iterator[Target]], ...] = (_deliveries, _scale, _waiting, _storm, _program)
