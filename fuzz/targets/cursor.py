"""Positions and the cursor in ``Last-Event-ID``: hints, read without trust (PROTOCOL §5)."""

import re

from fuzz import reading
from jitterbug.protocol.codes import MAX_SAFE_INTEGER
from jitterbug.protocol.position import CURSOR_MAX_CHARS, Position, channel_tag, decode_cursor
from jitterbug.protocol.publication import Place, join_cursor
from jitterbug.protocol.sse import is_cursor

_CHANNELS = ("a", "orders/42", "$sys/telemetry")
_TAGS = {f"{{{number}}}": channel_tag(channel) for number, channel in enumerate(_CHANNELS)}
"""``{0}`` in the input stands for the first channel's tag: no fuzzer finds 48 bits of SHA-256."""
_EPOCH = re.compile(r"[A-Za-z0-9_-]{1,32}", re.ASCII)


def check(data: bytes) -> None:
    """Any text is a cursor that says something of the channels asked for, or nothing; never an error."""
    text = data.decode("latin-1")
    for mark, tag in _TAGS.items():
        text = text.replace(mark, tag)
    found = decode_cursor(text, _CHANNELS)
    assert found.keys() <= set(_CHANNELS), "a channel that was not asked for"
    assert not found or (is_cursor(text) and len(text) <= CURSOR_MAX_CHARS), "read what is not a cursor"
    for channel, position in found.items():
        assert 0 <= position.offset <= MAX_SAFE_INTEGER
        assert re.search(rf"{channel_tag(channel)}\.0*{position.offset}(~|$)", text), (
            "a place that does not stand there"
        )
        assert f"{position.epoch}~" in text, "an epoch that does not stand there"
    _comes_back({name: at for name, at in found.items() if _EPOCH.fullmatch(at.epoch)})
    _position(data)


def _comes_back(found: dict[str, Position]) -> None:
    cursor = join_cursor([Place(channel, position) for channel, position in found.items()])
    if cursor is not None:
        assert decode_cursor(cursor.decode(), _CHANNELS) == found, "written and read again, another place"


def _position(data: bytes) -> None:
    try:
        value = reading.read(data)
    except ValueError:
        return
    position = Position.from_json(value)
    assert position is None or position.to_json() == value, "another position"
