"""Channel names, and who reads which (PROTOCOL §4)."""

import re
from collections.abc import Collection, Iterator
from typing import TYPE_CHECKING, Final, TypeVar

from jitterbug.protocol.publication import PreparedPublication

if TYPE_CHECKING:
    from jitterbug.hub.connection import Connection

T = TypeVar("T")
TELEMETRY: Final = "$sys/telemetry"
ACTIVITY: Final = "$sys/activity"
ALERTS: Final = "$sys/alerts"
PERFORMANCE: Final = "$sys/performance"
MAX_CHANNELS_PER_CONNECTION: Final = 100
_NAME: Final = re.compile(r"\$?[A-Za-z0-9_\-./]{1,128}", re.ASCII)


def is_channel(name: object) -> bool:
    """Tell whether this can name a channel: 1 to 128 of ``A-Z a-z 0-9 _ - . /``, perhaps a ``$`` first."""
    return isinstance(name, str) and len(name) <= 128 and _NAME.fullmatch(name) is not None


def is_reserved(name: str) -> bool:
    """Tell whether only the hub itself may publish here."""
    return name.startswith("$")


class Channels:
    """Subscriptions of this node, both ways round.

    A connection that is still being given its history stands in ``_joining``: live publications wait there, so that
    none comes before the history is out and none is missed in between.
    """

    __slots__ = ("_joining", "_readers", "_waiting_limit")

    def __init__(self, waiting_limit: int) -> None:
        """Args: waiting_limit: publications that may wait for a connection that is joining."""
        self._readers: dict[str, dict[Connection, None]] = {}
        self._joining: dict[str, dict[Connection, list[PreparedPublication]]] = {}
        self._waiting_limit = waiting_limit

    def readers(self, channel: str) -> Collection["Connection"]:
        """Connections that get the channel's publications now."""
        return self._readers.get(channel, ())

    def hold_back(self, publication: PreparedPublication) -> None:
        """Keep a live publication for those who are joining its channel. Beyond the bound the oldest goes."""
        for waiting in self._joining.get(publication.channel, {}).values():
            waiting.append(publication)
            if len(waiting) > self._waiting_limit:
                del waiting[0]

    def begin(self, channel: str, connection: "Connection") -> list[PreparedPublication]:
        """Start joining: from here on nothing live is missed. Returns the list in which it gathers."""
        waiting = self._joining.setdefault(channel, {})[connection] = []
        return waiting

    def complete(self, channel: str, connection: "Connection") -> None:
        """Become a reader."""
        self._drop(self._joining, channel, connection)
        self._readers.setdefault(channel, {})[connection] = None

    def leave(self, channel: str, connection: "Connection") -> None:
        """Stop reading, or joining."""
        self._drop(self._joining, channel, connection)
        self._drop(self._readers, channel, connection)

    def __len__(self) -> int:
        """Channels that somebody reads here."""
        return len(self._readers)

    def __iter__(self) -> Iterator[str]:
        return iter(self._readers)

    @staticmethod
    def _drop(table: dict[str, dict["Connection", T]], channel: str, connection: "Connection") -> None:
        members = table.get(channel)
        if members is None:
            return
        members.pop(connection, None)
        if not members:
            del table[channel]
