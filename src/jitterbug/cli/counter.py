"""How a run of publications goes, on standard error."""

import sys
import time
from typing import Final

from jitterbug.cli.output import complain

_REDRAW_S: Final = 0.1


class Counter:
    """Counts; shows the numbers on one line of a terminal, and once at the end anywhere.

    Attributes:
        published, refused: So far.
        at_line: Line in hand; 0 = none.
    """

    __slots__ = ("_drawn_at_s", "_is_live", "_said", "_shown", "at_line", "published", "refused")

    def __init__(self, *, shown: bool) -> None:
        """Args: shown: False for a single publication, which needs no counting."""
        self.published = 0
        self.refused = 0
        self.at_line = 0
        self._shown = shown
        self._is_live = shown and sys.stderr.isatty()
        self._drawn_at_s = 0.0
        self._said: set[str] = set()

    def publish(self) -> None:
        """One more went through."""
        self.published += 1
        self._draw()

    def refuse(self, text: str, code: str) -> None:
        """One more was refused: say which and why."""
        self.refused += 1
        self._wipe()
        complain(code, text)
        self._draw()

    def say_once(self, code: str, text: str) -> None:
        """Tell something that is true for the whole run."""
        if code not in self._said:
            self._said.add(code)
            self._wipe()
            complain(code, text)

    def finish(self) -> None:
        """The last word: the numbers, and how far it got where something ended it."""
        if self._shown and (self.published or self.refused or self.at_line):
            self._wipe()
            stopped = f"; stopped at line {self.at_line}" if self.at_line else ""
            sys.stderr.write(f"{self._text()}{stopped}\n")

    def _text(self) -> str:
        return f"{self.published:,} published, {self.refused:,} refused"

    def _draw(self) -> None:
        now_s = time.monotonic()
        if self._is_live and now_s - self._drawn_at_s >= _REDRAW_S:
            self._drawn_at_s = now_s
            sys.stderr.write(f"\r{self._text()}")
            sys.stderr.flush()

    def _wipe(self) -> None:
        if self._is_live:
            sys.stderr.write("\r\x1b[K")
