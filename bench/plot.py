"""Plots as SVG, by hand: they follow the reader's light or dark scheme, and need no library."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from math import log10
from typing import Final

_WIDTH: Final = 760
_STYLE: Final = """<style>
svg {
  font: 13px system-ui, sans-serif; --text: #1f2328; --soft: #59636e; --grid: #d8dee4;
  --ours: #0a5fb4; --other: #8c959f; --third: #b45309
}
@media (prefers-color-scheme: dark) {
  svg { --text: #e6edf3; --soft: #9ea7b3; --grid: #343b44; --ours: #6cb6ff; --other: #7d8590; --third: #f0a35e }
}
text { fill: var(--text) } .soft { fill: var(--soft) } .title { font-size: 15px; font-weight: 600 }
.grid { stroke: var(--grid) } .ours { fill: var(--ours); stroke: var(--ours) }
.other { fill: var(--other); stroke: var(--other) } .third { fill: var(--third); stroke: var(--third) }
.line { fill: none; stroke-width: 2 } .spread { stroke: var(--text) }
text.ours, text.other, text.third { stroke: none }
</style>"""


@dataclass(frozen=True, slots=True)
class Bar:
    """A value with its least and greatest, by name."""

    name: str
    value: float
    least: float
    most: float
    is_ours: bool = False


def bars(title: str, unit: str, shown: Sequence[Bar], cut_at: float) -> str:
    """Horizontal bars from zero, with the spread of the rounds as a line.

    Args:
        title: Above.
        unit: Below.
        shown: From top to bottom.
        cut_at: Bars end here, above 0, so that one that is far longer does not make all others look alike; their
            figures are the whole ones.
    """
    left, right, top, step = 210, 90, 52, 30
    height = top + step * len(shown) + 44
    most = min(cut_at, max(bar.most for bar in shown))
    scale = (_WIDTH - left - right) / most
    parts = [_text(16, 26, title, "title")]
    for tick in _ticks(most):
        x = left + tick * scale
        parts += [_line("grid", x, top - 6, x, height - 38)]
        parts += [_text(x, height - 22, f"{tick:g}", "soft", "middle")]
    for number, bar in enumerate(shown):
        y = top + number * step
        kind = "ours" if bar.is_ours else "other"
        value, least, greatest = (left + min(x, most) * scale for x in (bar.value, bar.least, bar.most))
        figure = f"{bar.value:.1f}" if bar.value <= most else f"{bar.value:.0f}, cut"
        parts += [
            _text(left - 10, y + 15, bar.name, "", "end"),
            f'<rect class="{kind}" x="{left}" y="{y + 2}" width="{value - left:.1f}" height="18" rx="2"/>',
            _line("spread", least, y + 11, greatest, y + 11),
            _text(greatest + 8, y + 15, figure),
        ]
    parts += [_text(left, height - 6, unit, "soft")]
    return _svg(title, height, parts)


def lines(title: str, unit: str, shown: Mapping[str, Sequence[tuple[float, float]]]) -> str:
    """Curves over a number of subscribers on a logarithmic axis; the first is ours."""
    left, right, top, height, floor = 60, 120, 52, 320, 270
    xs = sorted({x for points in shown.values() for x, _ in points})
    most = max(y for points in shown.values() for _, y in points) * 1.1
    low, high = log10(xs[0]), log10(xs[-1]) if len(xs) > 1 else log10(xs[0]) + 1

    def place(x: float, y: float) -> tuple[float, float]:
        return left + (log10(x) - low) / (high - low) * (_WIDTH - left - right), floor - y / most * (floor - top)

    parts = [_text(16, 26, title, "title")]
    for tick in _ticks(most):
        _, y = place(xs[0], tick)
        parts += [_line("grid", left, y, _WIDTH - right, y)]
        parts += [_text(left - 8, y + 4, f"{tick:g}", "soft", "end")]
    parts += [_text(place(x, 0)[0], floor + 20, f"{x:,.0f}", "soft", "middle") for x in xs]
    for kind, (name, points) in zip(("ours", "other", "third"), shown.items(), strict=False):
        placed = [place(x, y) for x, y in points]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in placed)
        parts += [f'<polyline class="{kind} line" style="fill:none" points="{path}"/>']
        parts += [f'<circle class="{kind}" cx="{x:.1f}" cy="{y:.1f}" r="3.5"/>' for x, y in placed]
        parts += [_text(placed[-1][0] + 10, placed[-1][1] + 4, name, kind)]
    parts += [_text(left, height - 8, unit, "soft")]
    return _svg(title, height, parts)


def _ticks(most: float) -> list[float]:
    """About five round numbers from 0 on."""
    raw = most / 5
    power = 10 ** int(log10(raw) // 1) if raw > 0 else 1
    step = next(factor * power for factor in (1, 2, 2.5, 5, 10) if factor * power >= raw)
    return [number * step for number in range(int(most / step) + 1)]


def _text(x: float, y: float, text: str, kind: str = "", anchor: str = "start") -> str:
    return f'<text class="{kind}" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(text)}</text>'


def _line(kind: str, x1: float, y1: float, x2: float, y2: float) -> str:
    return f'<line class="{kind}" x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"/>'


def _svg(title: str, height: int, parts: Sequence[str]) -> str:
    size = f'viewBox="0 0 {_WIDTH} {height}" width="{_WIDTH}" height="{height}"'
    head = f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img">'
    return "\n".join([head, f"<title>{escape(title)}</title>", _STYLE, *parts, "</svg>"]) + "\n"
