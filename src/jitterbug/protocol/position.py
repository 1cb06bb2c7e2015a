"""Where a channel stands, and the cursor that carries such places through ``Last-Event-ID`` (PROTOCOL §5)."""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from jitterbug.protocol import base64, sse
from jitterbug.protocol.codes import MAX_SAFE_INTEGER

CURSOR_MAX_CHARS: Final = 128
_TAG_BYTES: Final = 6
_MAX_EPOCH_CHARS: Final = 32


@dataclass(frozen=True, slots=True)
class Position:
    """A place in a channel's history.

    Attributes:
        epoch: Changes when the history starts anew.
        offset: Grows by one with each publication; 0 = before the first.
    """

    epoch: str
    offset: int

    def to_json(self) -> list[str | int]:
        """``[epoch, offset]``, as frames carry it."""
        return [self.epoch, self.offset]

    @classmethod
    def from_json(cls, value: Any) -> "Position | None":
        """Read ``[epoch, offset]``; None when it is anything else."""
        if not isinstance(value, list) or len(value) != 2:
            return None
        epoch, offset = value
        if not isinstance(epoch, str) or not 0 < len(epoch) <= _MAX_EPOCH_CHARS:
            return None
        if type(offset) is not int or not 0 <= offset <= MAX_SAFE_INTEGER:
            return None
        return cls(epoch, offset)


def channel_tag(channel: str) -> str:
    """Eight characters that stand for a channel in a cursor; collisions are one in 2^48."""
    return base64.encode_url(hashlib.sha256(channel.encode()).digest()[:_TAG_BYTES])


def decode_cursor(cursor: str, channels: Iterable[str]) -> Mapping[str, Position]:
    """Read a cursor for the channels asked for now. It is a hint: whatever it does not say is left out.

    A cursor is ``epoch~tag.offset~tag.offset~epoch~…``, an epoch once for all that follow and share it; see
    :func:`jitterbug.protocol.publication.join_cursor`.

    Args:
        cursor: Untrusted text.
        channels: Names to look for.
    """
    if not sse.is_cursor(cursor):
        return {}
    found: dict[str, Position] = {}
    names = {channel_tag(channel): channel for channel in channels}
    epoch = ""
    for part in cursor.split("~"):
        tag, dot, offset = part.partition(".")
        if not dot:
            epoch = part
        elif epoch and tag in names and offset.isascii() and offset.isdigit() and len(offset) <= 16:
            position = Position.from_json([epoch, int(offset)])
            if position is not None:
                found[names[tag]] = position
    return found
