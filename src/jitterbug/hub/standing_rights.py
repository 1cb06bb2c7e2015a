"""Channels that every login may read or write, from the settings ``SUBSCRIBE`` and ``PUBLISH`` (PROTOCOL §9)."""

import re
from collections.abc import Sequence
from typing import Literal

from jitterbug.patterns import compile_pattern


class StandingRights:
    """Patterns that hold whoever asks, beside what an application's rule or a token allows."""

    __slots__ = ("_patterns",)

    def __init__(self, *, subscribe: Sequence[str] = (), publish: Sequence[str] = ()) -> None:
        """Args: patterns of channels. Raises ValueError for what is none."""
        self._patterns: dict[str, tuple[re.Pattern[str], ...]] = {
            "subscribe": tuple(map(_compile, subscribe)),
            "publish": tuple(map(_compile, publish)),
        }

    def allow(self, action: Literal["subscribe", "publish"], channel: str) -> bool:
        """Whether one of the patterns is the channel's."""
        return any(pattern.fullmatch(channel) for pattern in self._patterns[action])


def _compile(text: str) -> re.Pattern[str]:
    pattern = compile_pattern(text)
    # Whoever opens ``**`` to everybody hardly means the hub's own channels, alerts among them: those are named.
    return pattern if text.startswith("$") else re.compile(rf"(?!\$){pattern.pattern}", pattern.flags)
