"""Who reads a channel, as far as the hub has told (PROTOCOL §5, Presence)."""

from collections.abc import Callable
from typing import Any

from jitterbug.client.notices import Joined, Left, Notice
from jitterbug.protocol.codes import Down


class Presence:
    """Lists by channel. A list that starts anew empties first, so each subject comes and goes in turn."""

    __slots__ = ("_members", "_notify")

    def __init__(self, notify: Callable[[Notice], None]) -> None:
        """Args: notify: told of each change that is one."""
        self._notify = notify
        self._members: dict[str, set[str]] = {}

    def take(self, kind: Down, payload: dict[str, Any]) -> None:
        """Take a verified ``join`` or ``leave``; one without its members says nothing."""
        channel, subject = payload.get("ch"), payload.get("subject")
        if not isinstance(channel, str) or not isinstance(subject, str):
            return
        here = self._members.setdefault(channel, set())
        if kind is Down.JOIN and subject not in here:
            here.add(subject)
            self._notify(Joined(channel, subject))
        elif kind is Down.LEAVE and subject in here:
            here.remove(subject)
            self._notify(Left(channel, subject))

    def anew(self, channel: str) -> None:
        """The channel's list starts anew, or the channel is not read any more."""
        for subject in sorted(self._members.pop(channel, ())):
            self._notify(Left(channel, subject))
