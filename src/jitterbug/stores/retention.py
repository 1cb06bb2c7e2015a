"""How much history a channel keeps: by the first rule whose pattern is the channel's, else by the default."""

from collections.abc import Sequence
from functools import lru_cache
from typing import Final, NamedTuple

from jitterbug.config import HistoryRule
from jitterbug.patterns import compile_pattern

_REMEMBERED_CHANNELS: Final = 1_000
"""Whose limits need not be looked for again."""


class Limits(NamedTuple):
    """What one channel keeps.

    Attributes:
        size: Publications; 0 = none.
        ttl_s: For how long each, seconds; 0 = none.
    """

    size: int
    ttl_s: float

    @property
    def keeps_nothing(self) -> bool:
        """Whether there is no history at all."""
        return not self.size or not self.ttl_s


class Retention:
    """Limits by channel. Safe to use from any thread."""

    __slots__ = ("limits",)

    def __init__(self, size: int, ttl_s: float, rules: Sequence[HistoryRule] = ()) -> None:
        """Compile the rules.

        Args:
            size: Publications kept where no rule matches.
            ttl_s: For how long, seconds.
            rules: The first that matches counts.

        Raises:
            ValueError: A pattern names no channel.
        """
        compiled = [(compile_pattern(rule.pattern), Limits(rule.size, rule.ttl_s)) for rule in rules]
        default = Limits(size, ttl_s)

        @lru_cache(maxsize=_REMEMBERED_CHANNELS)
        def limits(channel: str) -> Limits:
            return next((found for pattern, found in compiled if pattern.fullmatch(channel)), default)

        self.limits = limits
