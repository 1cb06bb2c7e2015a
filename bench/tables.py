"""The tables of the report, as text: for the terminal and for Markdown alike."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from bench.results import OURS, Case, Results
from bench.targets import targets

NOTHING: Final = "-"


@dataclass(frozen=True, slots=True)
class Table:
    """A table: all cells are text.

    Attributes:
        name: By which the report's text asks for it.
        title: Above it; empty where a heading says it already.
        headings: One a column.
        rows: One cell a column.
    """

    name: str
    title: str
    headings: tuple[str, ...]
    rows: Sequence[tuple[str, ...]]


def tables(results: Results) -> list[Table]:
    """Those for which there are figures."""
    made = [
        _targets(results),
        _cost(results, "fan-out", (1_000, 5_000), "delivery", "Server CPU per delivery, SSE, µs"),
        _cost(results, "websocket", (1_000,), "websocket", "Server CPU per delivery, WebSocket, µs"),
        _cost(results, "burst", (1_000, 5_000), "burst", "Server CPU per delivery, 50 published at once, µs"),
        _speed(results),
        _scale(results),
        _opening(results),
        _waiting(results),
        _other(results),
    ]
    return [table for table in made if table.rows]


def amount(value: float | None) -> str:
    """A figure with as many digits as mean something."""
    if value is None:
        return NOTHING
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


def _targets(results: Results) -> Table:
    found = []
    for target in targets(results):
        if target.is_met is not None:
            bound = f"{'≥' if target.at_least else '≤'} {target.limit:,g} {target.unit}".strip()
            stands = f"{amount(target.value)} {target.unit}".strip()
            found.append((target.text, bound, stands, "yes" if target.is_met else "**no**"))
    return Table("targets", "", ("what", "target", "stands at", "met"), found)


def _divided(value: float | None, by: float) -> str:
    return amount(value / by if value is not None else None)


def _peers(results: Results, scenario: str) -> list[str]:
    return list(dict.fromkeys(name for name in results.versions if any(
        sample.case.peer == name and sample.case.scenario == scenario for sample in results.samples
    )))  # fmt: skip


def _cell(results: Results, case: Case, figure: str) -> str:
    value, spread = results.median(case, figure), results.spread(case, figure)
    if value is None or spread is None:
        return NOTHING
    return f"{amount(value)} ({amount(spread[0])} to {amount(spread[1])})"


def _cost(results: Results, scenario: str, counts: tuple[int, ...], name: str, title: str) -> Table:
    columns = [(count, tls) for tls in (False, True) for count in counts]
    columns = [
        (count, tls)
        for count, tls in columns
        if any(sample.case == Case(scenario, sample.case.peer, count, tls) for sample in results.samples)
    ]
    headings: list[str] = ["server"]
    for count, tls in columns:
        headings += [f"{count:,}{' TLS' if tls else ''}", "ours / it"]
    found = []
    for peer in _peers(results, scenario):
        row = [peer]
        for count, tls in columns:
            case = Case(scenario, peer, count, tls)
            row += [_cell(results, case, "cpu_us"), amount(results.ratio(case.of(OURS), case, "cpu_us"))]
        found.append(tuple(row))
    return Table(name, title, tuple(headings), found)


def _speed(results: Results) -> Table:
    found = []
    for scenario, transport in (("fan-out", "SSE"), ("websocket", "WebSocket")):
        for peer in _peers(results, scenario):
            case = Case(scenario, peer, 1_000)
            if results.median(case, "deliveries_per_s") is None:
                continue
            rate, size = (amount(results.median(case, figure)) for figure in ("deliveries_per_s", "wire_bytes"))
            waits = [_divided(results.median(case, figure), 1_000) for figure in ("p50_us", "p99_us")]
            busy = results.median(case, "client_busy")
            found.append((peer, transport, rate, *waits, size, f"{busy:.0%}" if busy is not None else NOTHING))
    headings = ("server", "transport", "deliveries/s", "p50 ms", "p99 ms", "bytes each", "load client busy")
    return Table("speed", "One publication to 1,000 subscribers at a time", headings, found)


def _scale(results: Results) -> Table:
    counts = sorted({sample.case.subscribers for sample in results.samples if sample.case.scenario == "fan-out"})
    found = []
    for peer in _peers(results, "fan-out"):
        cells = [_cell(results, Case("fan-out", peer, count), "cpu_us") for count in counts]
        if sum(cell != NOTHING for cell in cells) > 1:
            found.append((peer, *cells))
    return Table(
        "scale", "Server CPU per delivery by subscribers, µs", ("server", *(f"{count:,}" for count in counts)), found
    )


def _opening(results: Results) -> Table:
    found = []
    for peer in _peers(results, "open"):
        for tls in (False, True):
            case = Case("open", peer, 1_000, tls)
            if (rate := results.median(case, "opens_per_s")) is not None:
                name = f"{peer}, TLS" if tls else peer
                found.append((name, amount(rate), amount(results.median(case, "cpu_us"))))
    return Table("opening", "Opening 1,000 streams, 128 at a time", ("server", "streams/s", "CPU µs each"), found)


def _waiting(results: Results) -> Table:
    found = []
    for peer in _peers(results, "latency"):
        case, idle = Case("latency", peer, 10), Case("idle", peer, 5_000)
        waits = [_divided(results.median(case, figure), 1_000) for figure in ("p50_us", "p99_us")]
        memory = _divided(results.median(idle, "memory_bytes"), 1_024)
        found.append((peer, *waits, memory, amount(results.median(idle, "cpu_us_per_s"))))
    headings = ("server", "p50 ms", "p99 ms", "KiB per idle stream", "CPU µs/s with 5,000 idle")
    return Table(
        "waiting",
        "An idle server: publish to receipt with 10 subscribers, and what 5,000 streams take",
        headings,
        found,
    )


def _other(results: Results) -> Table:
    found = list(_rows_of_others(results))
    return Table("other", "Other figures", ("what", "median", "least to most"), found)


def _rows_of_others(results: Results) -> Iterator[tuple[str, ...]]:
    wanted = [
        ("signing one frame, alone, CPU µs", Case("signing", OURS), "cpu_us"),
        ("one key, CPU µs", Case("keys", OURS, 2_000), "cpu_us"),
        ("10,000 come back at once: CPU µs each", Case("storm", OURS, 10_000), "cpu_us"),
        ("the same at Nchan, without logins and keys", Case("storm", "nchan", 10_000), "cpu_us"),
        ("10,000 come back at once: seconds until all have all", Case("storm", OURS, 10_000), "seconds"),
        ("the same at Nchan", Case("storm", "nchan", 10_000), "seconds"),
        ("Python alone, start, ms", Case("start-up", OURS), "python_ms"),
        ("`import jitterbug`, start included, ms", Case("start-up", OURS), "import_ms"),
        ("`jitterbug --help`, ms", Case("start-up", OURS), "help_ms"),
        ("frames verified in Chromium, a second", Case("browser", OURS), "frames_per_s"),
        ("signatures alone that its WebCrypto verifies in that page, a second", Case("browser", OURS), "bare_per_s"),
        ("longest task of the page meanwhile, ms (0 = none of 50)", Case("browser", OURS), "longest_task_ms"),
    ]
    for text, case, figure in wanted:
        value, spread = results.median(case, figure), results.spread(case, figure)
        if value is not None and spread is not None:
            yield text, amount(value), f"{amount(spread[0])} to {amount(spread[1])}"
