"""Who reads a channel, by subject, where the channel has presence on (PROTOCOL §4, ``join`` and ``leave``).

A member is a subject with at least one subscribed connection. Several tabs are one member. One that goes is announced
only when it has not come back for a while: a page that is loaded anew neither leaves nor joins.
"""

import re
from collections import OrderedDict
from collections.abc import Iterable
from typing import Final

from jitterbug.patterns import compile_pattern

GRACE_S: Final = 5
"""How long a member that went is still there."""
MAX_MEMBERS: Final = 100
"""Of a channel. Who comes beyond that reads it, and is not told to the others."""
_MAX_SUBJECT_CHARS: Final = 128
_MAX_SUBJECT_BYTES: Final = 256
_NS_PER_S: Final = 1_000_000_000


def is_subject(subject: str | None) -> bool:
    """Tell whether a subject can be shown: its frame must keep within every frame limit."""
    if subject is None or not 0 < len(subject) <= _MAX_SUBJECT_CHARS:
        return False
    return len(subject.encode("utf-8", "replace")) <= _MAX_SUBJECT_BYTES and subject.isprintable()


class Presence:
    """Members of this node's channels. Told who comes and goes; answers what is to be announced."""

    __slots__ = ("_leaving", "_members", "_patterns")

    def __init__(self, patterns: Iterable[str]) -> None:
        """Start empty.

        Args:
            patterns: Channels that have presence on.

        Raises:
            ValueError: One is no pattern.
        """
        self._patterns: tuple[re.Pattern[str], ...] = tuple(map(compile_pattern, patterns))
        self._members: dict[str, dict[str, int]] = {}
        self._leaving: OrderedDict[tuple[str, str], int] = OrderedDict()

    def covers(self, channel: str) -> bool:
        """Whether a channel has presence on."""
        return any(pattern.fullmatch(channel) for pattern in self._patterns)

    def enter(self, channel: str, subject: str) -> bool | None:
        """Count one more connection of a subject.

        Returns:
            True when it joins: announce it. False when it was there already. None when there is no room: it is not
            counted, and must not be counted out.
        """
        members = self._members.setdefault(channel, {})
        if subject in members:
            members[subject] += 1
            self._leaving.pop((channel, subject), None)
            return False
        if len(members) >= MAX_MEMBERS:
            return None
        members[subject] = 1
        return True

    def leave(self, channel: str, subject: str, now_ns: int) -> None:
        """Count out a connection that was counted."""
        members = self._members[channel]
        members[subject] -= 1
        if not members[subject]:
            self._leaving[channel, subject] = now_ns + GRACE_S * _NS_PER_S

    def due(self, now_ns: int) -> list[tuple[str, str]]:
        """Members, by channel and subject, that have been gone long enough: announce that they left."""
        gone: list[tuple[str, str]] = []
        while self._leaving and (first := next(iter(self._leaving.items())))[1] <= now_ns:
            channel, subject = first[0]
            del self._leaving[channel, subject]
            members = self._members[channel]
            del members[subject]
            if not members:
                del self._members[channel]
            gone.append((channel, subject))
        return gone

    def members(self, channel: str) -> list[str]:
        """Who is there, in alphabetical order."""
        return sorted(self._members.get(channel, ()))

    def subject_count(self) -> int:
        """Different subjects in all channels together."""
        return len({subject for members in self._members.values() for subject in members})
