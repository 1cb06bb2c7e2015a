"""Server-sent events: bytes cut anywhere give what uncut bytes give (WHATWG HTML §9.2, CWE-93)."""

import re
from itertools import pairwise

from jitterbug.errors import CanonicalError
from jitterbug.protocol.sse import SseDecoder, SseEvent, event

_MAX_EVENT_BYTES = 64
"""Small, so that the bound is met often."""
_NO_BOUND = 1 << 20
_LINE_END = re.compile(rb"\r\n|\r|\n")
_CUTS = 8


def check(data: bytes) -> None:
    """The first eight bytes say where to cut the rest; the rest is read whole, cut, and by the standard."""
    stream = data[_CUTS:]
    places = sorted(byte * len(stream) // 255 for byte in data[:_CUTS])
    cut = [stream[start:end] for start, end in pairwise([0, *places, len(stream)])]
    single = [stream[at : at + 1] for at in range(len(stream))]
    for bound in (_MAX_EVENT_BYTES, _NO_BOUND):
        whole = _read([stream], bound)
        assert _read(cut, bound) == whole, "cut otherwise, read otherwise"
        assert _read(single, bound) == whole, "byte by byte, read otherwise"
    assert _read([stream], _NO_BOUND) == _by_the_standard(stream), "the standard reads otherwise"
    _stays_one_event(stream)


def _read(chunks: list[bytes], bound: int) -> tuple[list[SseEvent], int | None] | None:
    """Events and the last reconnection time; None where the stream outgrew its bound."""
    decoder = SseDecoder(max_event_bytes=bound)
    try:
        events = [found for chunk in chunks for found in decoder.feed(chunk)]
    except CanonicalError:
        return None
    return events, decoder.retry_ms


def _by_the_standard(stream: bytes) -> tuple[list[SseEvent], int | None]:
    """WHATWG HTML §9.2.6, step by step, over the whole."""
    *lines, _ = _LINE_END.split(stream.removeprefix(b"\xef\xbb\xbf"))
    events: list[SseEvent] = []
    data, kind, last_id = b"", b"", b""
    retry_ms: int | None = None
    for line in lines:
        field, colon, value = line.partition(b":")
        if colon and value.startswith(b" "):
            value = value[1:]
        if not line:
            if data:
                events.append(SseEvent(data[:-1], last_id, kind or b"message"))
            data, kind = b"", b""
        elif field == b"data":
            data += value + b"\n"
        elif field == b"event":
            kind = value
        elif field == b"id" and b"\0" not in value:
            last_id = value
        elif field == b"retry" and re.fullmatch(rb"[0-9]{1,9}", value):  # longer ones are left aside, by design
            retry_ms = int(value)
    return events, retry_ms


def _stays_one_event(data: bytes) -> None:
    """Whatever an event holds, its reader sees one event, and an id that could break out is refused."""
    text = event(data)
    expected = SseEvent(_LINE_END.sub(b"\n", data), b"", b"message")
    assert _read([text], _NO_BOUND) == ([expected], None), "data became something else"
    head = data[:32]
    if re.search(rb"[\r\n\0]", head):
        try:
            event(b"x", head)
        except ValueError:
            return
        raise AssertionError("an id with a line end passed")
    found = _read([event(b"x", head)], _NO_BOUND)
    # A reader takes one space after the colon away, and the encoder writes one.
    assert found == ([SseEvent(b"x", head, b"message")], None), "the id became something else"
