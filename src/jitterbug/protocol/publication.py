"""A publication made ready to be signed for many connections (PROTOCOL §4, ``msg``).

The data is canonicalised once. Canonical JSON nests: the bytes of a value are the same alone and inside an object,
so a connection's payload is the shared bytes with its own ``conn`` and ``seq`` spliced in at the sorted places.
"""

from collections.abc import Collection
from typing import Final

from jitterbug.protocol import frames, keys
from jitterbug.protocol.position import CURSOR_MAX_CHARS, Position, channel_tag

CONN_CHARS: Final = 16
EPOCH_CHARS: Final = 8
_COUNTER_DIGITS: Final = 10
"""Room left for ``seq`` and ``offset`` when the size is judged: ten thousand million each."""
TAIL: Final = b',"t":"msg"}'
_EMPTY_MSG: Final = '{"ch":"","conn":"","data":,"pos":["",],"re":true,"seq":,"t":"msg"}'
_FIXED_BYTES: Final = (
    frames.ENVELOPE_BYTES
    + keys.KID_CHARS
    + len(_EMPTY_MSG)
    + CONN_CHARS
    + EPOCH_CHARS
    + 2 * _COUNTER_DIGITS
)  # fmt: skip


def largest_frame_bytes(channel: str, data: bytes) -> int:
    """What the signed frame of a publication takes at most on the wire, in bytes (R58)."""
    return _FIXED_BYTES + len(channel) + len(data)


class Place:
    """A position in a channel, with its share of a cursor ready.

    Attributes:
        channel: Name, by the grammar of PROTOCOL §4, so its JSON text needs no escapes.
        position: Where in the channel.
        epoch: The position's epoch as bytes.
        cursor_part: ``tag.offset``, to be joined with those of other channels.
    """

    __slots__ = ("channel", "cursor_part", "epoch", "position")

    def __init__(self, channel: str, position: Position) -> None:
        self.channel = channel
        self.position = position
        self.epoch = position.epoch.encode()
        self.cursor_part = b"%b.%d" % (channel_tag(channel).encode(), position.offset)


class PreparedPublication(Place):
    """Shared, unchanging bytes of one publication. Held by reference on every ring.

    Attributes:
        data: Canonical JSON.
        head, tail: What comes before ``conn``, and between ``conn`` and ``seq``, in the payload.
        cursor: ``epoch~tag.offset``: the whole cursor of a connection with this channel alone.
    """

    __slots__ = ("cursor", "data", "head", "tail")

    def __init__(self, channel: str, position: Position, data: bytes) -> None:
        super().__init__(channel, position)
        self.data = data
        self.head = b'{"ch":"%b","conn":"' % channel.encode()
        self.tail = b'","data":%b,"pos":["%b",%d],"seq":' % (data, self.epoch, position.offset)
        self.cursor = b"%b~%b" % (self.epoch, self.cursor_part)

    def recovered_tail(self) -> bytes:
        """The same as :attr:`tail` for a copy that comes from history: ``re`` is true."""
        return self.tail.removesuffix(b'"seq":') + b'"re":true,"seq":'

    def __repr__(self) -> str:
        return f"PreparedPublication({self.channel!r}, {self.position.offset})"


def join_cursor(places: Collection[Place]) -> bytes | None:
    """The cursor of a connection, from where each of its channels stands; None when it would not fit."""
    parts: list[bytes] = []
    epoch = b""
    for place in places:
        if place.epoch != epoch:
            epoch = place.epoch
            parts.append(epoch)
        parts.append(place.cursor_part)
    cursor = b"~".join(parts)
    return cursor if 0 < len(cursor) <= CURSOR_MAX_CHARS else None
