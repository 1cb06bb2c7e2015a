"""Writes ``docs/performance.md`` and its plots, and shows the same tables in a terminal."""

import re
from pathlib import Path
from typing import Final

import rich.table

from bench.plot import Bar, bars, lines
from bench.results import OURS, Case, Results
from bench.tables import Table, tables

_SPREAD: Final = re.compile(r" \(\S+ to \S+\)")
ROUNDS: Final = 5
"""Fewer are no evidence."""
_CUT_AT: Final = 5
"""Times the middle one."""
_TEMPLATE: Final = Path(__file__).resolve().parent / "performance.md.in"
PROFILE: Final = Path(__file__).resolve().parent / "profile.md"
"""Tables of `make bench-profile`, kept for the page."""


def rows(results: Results) -> list[rich.table.Table]:
    """For a terminal."""
    shown = []
    for table in tables(results):
        one = rich.table.Table(title=table.title or None, title_justify="left")
        for number, heading in enumerate(table.headings):
            one.add_column(heading, justify="left" if number == 0 else "right")
        for row in table.rows:
            one.add_row(*(_SPREAD.sub("", cell).replace("**no**", "[bold red]no[/]") for cell in row))
        shown.append(one)
    return shown


def markdown(results: Results) -> str:
    """The page."""
    made = {table.name: _markdown(table) for table in tables(results)}
    names = ("targets", "delivery", "websocket", "speed", "scale", "burst", "opening", "waiting", "other")
    filled = {name: made.get(name, "") for name in names}
    machine = "\n".join(
        ["| machine | |", "| --- | --- |", *(f"| {name} | {text} |" for name, text in results.machine.items())]
    )
    settings = ["| server | version | settings |", "| --- | --- | --- |"]
    settings += [f"| {name} | {version} | {results.settings[name]} |" for name, version in results.versions.items()]
    absent = ["Not measured:", "", *(f"- {name}: {reason}." for name, reason in results.absent.items())]
    failures = (
        ["Failed in this run:", "", *(f"- {failure}" for failure in results.failures)] if results.failures else []
    )
    rounds = "1 round" if results.rounds() == 1 else f"{results.rounds()} rounds"
    caution = f"**{rounds}, fewer than {ROUNDS}: a look, no evidence.**" if results.rounds() < ROUNDS else ""
    page = _TEMPLATE.read_text().format(
        **filled,
        profile=PROFILE.read_text().strip() if PROFILE.exists() else "",
        caution=caution,
        rounds=rounds,
        machine=machine,
        settings="\n".join(settings),
        absent="\n".join(absent),
        failures="\n".join(failures),
    )
    while "\n\n\n" in page:
        page = page.replace("\n\n\n", "\n\n")
    return page


def delivery_plot(results: Results) -> str:
    """Bars: everybody at 1,000 subscribers."""
    shown = []
    for scenario, suffix in (("fan-out", ""), ("websocket", ", WebSocket")):
        for peer in results.versions:
            case = Case(scenario, peer, 1_000)
            value, spread = results.median(case, "cpu_us"), results.spread(case, "cpu_us")
            if value is not None and spread is not None:
                shown.append(Bar(f"{peer}{suffix}", value, *spread, is_ours=peer == OURS))
    shown.sort(key=lambda bar: bar.value)
    title, unit = (
        "Server CPU per delivery, 1,000 subscribers",
        "µs, median and spread of the rounds; only jitterbug signs",
    )
    return bars(title, unit, shown, cut_at=_CUT_AT * shown[len(shown) // 2].value)


def scale_plot(results: Results) -> str:
    """Lines: ours, Nchan and the floor by number of subscribers."""
    shown = {}
    for peer in (OURS, "nchan", "floor"):
        counts = sorted({sample.case.subscribers for sample in results.samples if sample.case.scenario == "fan-out"})
        points = [(float(count), results.median(Case("fan-out", peer, count), "cpu_us")) for count in counts]
        known = [(count, value) for count, value in points if value is not None]
        if known:
            shown[peer] = known
    return lines("Server CPU per delivery by number of subscribers", "subscribers; µs", shown)


def write_report(results: Results, root: Path) -> None:
    """Write the page, its plots and the figures that `make bench-guard` compares with."""
    images = root / "docs" / "images"
    images.mkdir(parents=True, exist_ok=True)
    (root / "docs" / "performance.md").write_text(markdown(results))
    (images / "performance-delivery.svg").write_text(delivery_plot(results))
    (images / "performance-scale.svg").write_text(scale_plot(results))


def _markdown(table: Table) -> str:
    rule = " | ".join("---" if number == 0 else "---:" for number in range(len(table.headings)))
    lines_ = [f"| {' | '.join(table.headings)} |", f"| {rule} |"]
    if table.title:
        lines_ = [f"**{table.title}**", "", *lines_]
    return "\n".join([*lines_, *(f"| {' | '.join(row)} |" for row in table.rows)])
