"""Numbered publications, and the judge of what a reader made of them.

The promise (PROTOCOL §5, Delivery): per channel each number once and in order, or a ``gap`` that covers what is
missing; never a silent hole.
"""

import hashlib
from collections import Counter
from collections.abc import Mapping
from typing import Any

from jitterbug.client import Gap, Position, Publication

Data = dict[str, Any]


def numbered(channel: str, number: int, length: int = 40) -> Data:
    """What is published as a number of a channel: nothing else can be taken for it."""
    mark = hashlib.sha256(f"{channel}:{number}".encode()).hexdigest()
    return {"mark": (mark * (length // len(mark) + 1))[:length], "number": number}


class Ledger:
    """What one reader was given, judged as it comes. The n-th publication of a channel must be number n.

    Attributes:
        gaps: Those told, by reason.
        delivered, missed: Numbers delivered, and numbers that gaps told of.
        recovered: Of those delivered, how many came from history.
        faults: What broke the promise; stays empty.
    """

    def __init__(self, name: str, starts: Mapping[str, Position]) -> None:
        """Args: name: for messages. starts: channels, with the place after which the reader starts."""
        self.name = name
        self.places = dict(starts)
        self.gaps: Counter[str] = Counter()
        self.delivered = self.missed = self.recovered = 0
        self.faults: list[str] = []

    def take(self, channel: str, data: Any, position: Position, *, recovered: bool = False) -> None:
        """A publication was delivered."""
        last = self.places[channel]
        if position != Position(last.epoch, last.offset + 1):
            self._fault(f"{channel}: {position} after {last}")
        if data != numbered(channel, position.offset, len(data["mark"]) if isinstance(data, dict) else 0):
            self._fault(f"{channel}: at {position} stands {data!r}")
        self.places[channel] = position
        self.delivered += 1
        self.recovered += recovered

    def gap(self, channel: str, position: Position, reason: str) -> None:
        """A gap was told."""
        last = self.places[channel]
        if position.epoch != last.epoch or position.offset <= last.offset:
            self._fault(f"{channel}: a gap ({reason}) up to {position} after {last}")
        self.missed += max(0, position.offset - last.offset)
        self.places[channel] = position
        self.gaps[reason] += 1

    def take_item(self, item: object) -> None:
        """What the Python client hands on: a publication or a notice; of the notices only gaps count."""
        if isinstance(item, Publication):
            self.take(item.channel, item.data, item.position, recovered=item.recovered)
        elif isinstance(item, Gap):
            self.gap(item.channel, item.position, item.reason)

    def has(self, last: Mapping[str, int]) -> bool:
        """Whether it got as far as these numbers."""
        return all(self.places[channel].offset >= number for channel, number in last.items())

    def _fault(self, text: str) -> None:
        if len(self.faults) < 10:
            self.faults.append(f"{self.name}: {text}")

    def __repr__(self) -> str:
        stands = {channel: place.offset for channel, place in self.places.items()}
        return f"<{self.name}: {self.delivered} delivered, {self.missed} missed in {dict(self.gaps)}, at {stands}>"
