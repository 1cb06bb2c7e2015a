"""Welch's t-test as dudect does it (Reparaz, Balasch, Verbauwhede: "Dude, is my code constant time?", DATE 2017).

Times have a long upper tail from interrupts, which hides small differences. So the test is made on all samples and
again on those below each of 100 percentiles, fixed beforehand, of both classes together; once more on the squared
distances from the mean, which finds classes that differ in spread only. The largest |t| counts.
"""

import math
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Final

LIMIT: Final = 4.5
"""|t| from which on the classes are said to differ."""
PERCENTILES: Final = tuple(1 - 0.5 ** (10 * (step + 1) / 100) for step in range(100))
"""dudect's own: 6.7 % to 99.9 %."""
_LEAST: Final = 100
"""Samples a class needs below a percentile for its variance to mean something."""


@dataclass(frozen=True, slots=True)
class Test:
    """One t-test.

    Attributes:
        crop: Share of all samples it was made on; 1.0 = all of them.
        t: Welch's statistic; positive when the first class takes longer.
        difference_ns: Of the means.
        error_ns: Standard error of that difference.
    """

    crop: float
    t: float
    difference_ns: float
    error_ns: float


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the samples of two classes say.

    Attributes:
        counts: Samples of each class.
        median_ns: Of both together.
        tests: All samples first, then one a percentile, upwards.
        spread: t of the squared distances from each class's mean.
    """

    counts: tuple[int, int]
    median_ns: int
    tests: tuple[Test, ...]
    spread: float

    @property
    def worst(self) -> Test:
        """The crop with the largest |t|."""
        return max(self.tests, key=lambda test: abs(test.t))

    @property
    def t(self) -> float:
        """The largest |t| of all."""
        return max(abs(self.worst.t), abs(self.spread))

    @property
    def finds_leak(self) -> bool:
        return self.t >= LIMIT

    @property
    def visible_ns(self) -> float:
        """The smallest difference that the sharpest crop on at least half of the samples would have called a leak."""
        return LIMIT * min(test.error_ns for test in self.tests if test.crop >= 0.5)


def judge(one: Sequence[int], other: Sequence[int]) -> Verdict:
    """Test two classes. Args: one, other: times in ns, at least 1,000 of each. Raises ValueError for fewer."""
    if min(len(one), len(other)) < 1_000:
        raise ValueError("A class needs at least 1,000 samples.")
    classes = _Sorted(one), _Sorted(other)
    pooled = sorted([*one, *other])
    bounds = [(1.0, pooled[-1]), *((share, pooled[int(share * len(pooled))]) for share in PERCENTILES)]
    tests = [test for share, bound_ns in bounds if (test := _test(*classes, share, bound_ns)) is not None]
    spread = _welch(_moments(_squared_distances(one)), _moments(_squared_distances(other)))[0]
    return Verdict((len(one), len(other)), pooled[len(pooled) // 2], tuple(tests), spread)


class _Sorted:
    """A class in ascending order with running sums, so that each crop is a look-up. The sums are exact integers."""

    def __init__(self, times: Sequence[int]) -> None:
        self._times = sorted(times)
        self._sums = list(accumulate(self._times))
        self._squares = list(accumulate(time * time for time in self._times))

    def below(self, bound_ns: int) -> tuple[int, float, float]:
        """Number, mean and variance of the samples up to a bound."""
        count = bisect_right(self._times, bound_ns)
        if count < _LEAST:
            return count, 0.0, 0.0
        total, squares = self._sums[count - 1], self._squares[count - 1]
        return count, total / count, (squares * count - total * total) / (count * (count - 1))


def _test(one: _Sorted, other: _Sorted, share: float, bound_ns: int) -> Test | None:
    moments = one.below(bound_ns), other.below(bound_ns)
    if min(count for count, _, _ in moments) < _LEAST:
        return None
    return Test(share, *_welch(*moments))


def _welch(one: tuple[int, float, float], other: tuple[int, float, float]) -> tuple[float, float, float]:
    """T, difference of the means, and its standard error."""
    difference = one[1] - other[1]
    error = math.sqrt(one[2] / one[0] + other[2] / other[0])
    if error == 0:
        return (math.copysign(math.inf, difference) if difference else 0.0), difference, error
    return difference / error, difference, error


def _moments(values: Sequence[float]) -> tuple[int, float, float]:
    mean = math.fsum(values) / len(values)
    return len(values), mean, math.fsum((value - mean) ** 2 for value in values) / (len(values) - 1)


def _squared_distances(times: Sequence[int]) -> list[float]:
    mean = sum(times) / len(times)
    return [(time - mean) ** 2 for time in times]
