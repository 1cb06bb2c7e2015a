"""Floods become counts: the first few of a kind each second are told one by one, the rest as one record (§2.25)."""

from dataclasses import replace
from typing import Final

from jitterbug.telemetry.events import Fact

ONE_BY_ONE: Final = 10
"""Facts of one kind written out within a second."""
_MAX_KINDS: Final = 1_000
_NS_PER_S: Final = 1_000_000_000

Kind = tuple[str, str | None, str | None, str | None]


class Fold:
    """Counts what repeats. Bounded: beyond 1,000 kinds in a second the address and session are left out."""

    __slots__ = ("_counts", "_folded", "_second")

    def __init__(self) -> None:
        self._second = 0
        self._counts: dict[Kind, int] = {}
        self._folded: dict[Kind, Fact] = {}

    def take(self, fact: Fact, now_ns: int) -> list[Fact]:
        """Take a fact; return what is to be written now."""
        due = self.due(now_ns)
        kind: Kind = (fact.code, fact.reason, fact.address, fact.session)
        if kind not in self._counts and len(self._counts) >= _MAX_KINDS:
            kind = (fact.code, fact.reason, None, None)
        count = self._counts[kind] = self._counts.get(kind, 0) + 1
        if count <= ONE_BY_ONE:
            return [*due, fact]
        folded = self._folded.get(kind)
        if folded is None:
            self._folded[kind] = Fact(
                code=fact.code, reason=fact.reason, count=fact.count, address=kind[2], session=kind[3]
            )
        else:
            self._folded[kind] = replace(folded, count=folded.count + fact.count)
        return due

    def due(self, now_ns: int) -> list[Fact]:
        """The counts of the second that is over; empty while it goes on."""
        second = now_ns // _NS_PER_S
        if second == self._second:
            return []
        self._second = second
        return self.rest()

    def rest(self) -> list[Fact]:
        """The counts so far, whether or not the second is over."""
        folded = list(self._folded.values())
        self._counts.clear()
        self._folded.clear()
        return folded
