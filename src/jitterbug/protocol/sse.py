"""Server-sent events: an encoder nothing can be injected into, and an incremental decoder (WHATWG HTML §9.2).

Line ends are LF, CR or CRLF; a lone CR ends a line too, which is how data of others became fields (CWE-93). So data
is split at all three, and an id with CR, LF or NUL is refused, never cleaned.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from jitterbug.errors import CanonicalError

_LINE_END: Final = re.compile(rb"\r\n|\r|\n")
_FORBIDDEN: Final = re.compile(rb"[\r\n\0]")
_CURSOR: Final = re.compile(r"[A-Za-z0-9._~-]{1,128}", re.ASCII)
_BOM: Final = b"\xef\xbb\xbf"


def is_cursor(text: object) -> bool:
    """Tell whether this can be a ``Last-Event-ID`` of ours: bytes that need no CORS preflight, at most 128."""
    return isinstance(text, str) and _CURSOR.fullmatch(text) is not None


def event(data: bytes, event_id: bytes | None = None) -> bytes:
    """Encode one event: whatever the data holds, a reader sees exactly one event with that data.

    Args:
        data: UTF-8 text. CR and CRLF in it arrive as LF, as the standard has it.
        event_id: New ``Last-Event-ID``; None leaves the reader's as it is.

    Raises:
        ValueError: The id holds CR, LF or NUL.
    """
    head = id_line(event_id) if event_id is not None else b""
    if b"\n" in data or b"\r" in data:
        data = b"\ndata: ".join(_LINE_END.split(data))
    return b"%bdata: %b\n\n" % (head, data)


def id_line(event_id: bytes) -> bytes:
    """Encode the field that moves the reader's ``Last-Event-ID``. Raises ValueError for CR, LF or NUL."""
    if _FORBIDDEN.search(event_id):
        raise ValueError("An event id holds no CR, LF or NUL.")
    return b"id: %b\n" % event_id


def retry(delay_ms: int) -> bytes:
    """Encode the reconnection time, in milliseconds, as a block of its own that fires no event."""
    return b"retry: %d\n\n" % delay_ms


def comment() -> bytes:
    """An empty comment line: makes proxies send the response head, tells the reader nothing."""
    return b":\n\n"


@dataclass(frozen=True, slots=True)
class SseEvent:
    """One event as a reader sees it.

    Attributes:
        data: UTF-8 bytes, lines joined by LF.
        last_event_id: The id in force after this event.
        event: Its type, ``message`` by default.
    """

    data: bytes
    last_event_id: bytes
    event: bytes


class SseDecoder:
    """Turns chunks of bytes, cut anywhere, into events.

    Attributes:
        retry_ms: The last reconnection time the server asked for, in milliseconds; None if it never did.
    """

    __slots__ = (
        "_buffer",
        "_data",
        "_data_bytes",
        "_event",
        "_id",
        "_max_bytes",
        "_skip_lf",
        "_started",
        "retry_ms",
    )

    def __init__(self, *, max_event_bytes: int) -> None:
        """Start before the first byte.

        Args:
            max_event_bytes: Bound for one line, its field name included, and for the data of one event, with a line
                end for each of its lines. Anything longer ends the stream, wherever the bytes were cut: leave room
                for ``data: `` beside the largest frame.
        """
        self._max_bytes = max_event_bytes
        self._buffer = b""
        self._skip_lf = False
        self._started = False
        self._data: list[bytes] = []
        self._data_bytes = 0
        self._event = b""
        self._id = b""
        self.retry_ms: int | None = None

    def feed(self, chunk: bytes) -> list[SseEvent]:
        """Take the next bytes and return the events they complete.

        Raises:
            CanonicalError: An event outgrew its bound.
        """
        return [found for line in self._lines(chunk) if (found := self._line(line)) is not None]

    def _lines(self, chunk: bytes) -> Iterator[bytes]:
        if not chunk:
            return  # says nothing, and must not make the decoder forget that a CR came last
        data = self._buffer + chunk
        if not self._started:
            if len(data) < len(_BOM) and _BOM.startswith(data):
                self._buffer = data
                return
            self._started = True
            data = data.removeprefix(_BOM)
        if self._skip_lf:
            # The CR before it already ended the line.
            data = data.removeprefix(b"\n")
            self._skip_lf = False
        start = 0
        for match in _LINE_END.finditer(data):
            self._bounded(match.start() - start)
            yield data[start : match.start()]
            start = match.end()
        self._skip_lf = start == len(data) and data.endswith(b"\r")
        self._buffer = data[start:]
        self._bounded(len(self._buffer))

    def _bounded(self, size: int) -> None:
        if size > self._max_bytes:
            raise CanonicalError("A server-sent event outgrew its bound.")

    def _line(self, line: bytes) -> SseEvent | None:
        if not line:
            return self._dispatch()
        name, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if name == b"data":
            self._data.append(value)
            self._data_bytes += len(value) + 1
            self._bounded(self._data_bytes)
        elif name == b"event":
            self._event = value
        elif name == b"id" and b"\0" not in value:
            self._id = value
        elif name == b"retry" and value.isdigit() and len(value) < 10:
            self.retry_ms = int(value)
        return None

    def _dispatch(self) -> SseEvent | None:
        lines, self._data, self._data_bytes = self._data, [], 0
        event_type, self._event = self._event, b""
        if not lines:
            return None
        return SseEvent(b"\n".join(lines), self._id, event_type or b"message")
