"""Two kinds of input that must take the same time, or, as a control, must be told apart."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

Call = Callable[[bytes], object]
Pair = tuple[bytes, bytes]


class Expected(StrEnum):
    """What the statistic has to say."""

    ALIKE = "alike"
    LEAK = "leak found"


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """What is measured.

    Attributes:
        name: Short, for tables and results.
        one, other: What the two classes are.
        batch: From a number of pairs to the call to time and its inputs, one of each class. Everything in it is new:
            keys, kids, nonces. Otherwise a kid's letters or a key's address in memory would stand for its class, a
            difference that no number of samples takes away.
        expected: ``LEAK`` for a positive control.
    """

    name: str
    one: str
    other: str
    batch: Callable[[int], tuple[Call, list[Pair]]]
    expected: Expected = Expected.ALIKE
