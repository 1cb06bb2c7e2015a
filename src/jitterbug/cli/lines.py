"""Lines from standard input, whatever it is, without holding up the loop or an interrupt."""

import asyncio
import os
import threading
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Final

_CHUNK_BYTES: Final = 65_536
_CHUNKS_AHEAD: Final = 4
MAX_LINE_BYTES: Final = 1_048_576
"""No hub takes a larger frame."""


@dataclass(frozen=True, slots=True)
class Line:
    """One line.

    Attributes:
        number: 1 for the first.
        data: Without its end; None where it is longer than any frame can be.
    """

    number: int
    data: bytes | None


class Splitter:
    """Cuts chunks into lines. A line end is LF or CRLF; what is longer than the bound is skipped, not kept."""

    __slots__ = ("_buffer", "_limit", "_number", "_too_long")

    def __init__(self, limit: int = MAX_LINE_BYTES) -> None:
        """Args: limit: most bytes of a line."""
        self._buffer = b""
        self._limit = limit
        self._number = 0
        self._too_long = False

    def feed(self, chunk: bytes) -> list[Line]:
        """Take bytes and return the lines they complete."""
        *whole, self._buffer = (self._buffer + chunk).split(b"\n")
        lines = [self._line(data) for data in whole]
        if len(self._buffer) > self._limit + 1:  # one more for a CR
            self._too_long, self._buffer = True, b""
        return lines

    def end(self) -> list[Line]:
        """The last line, where it had no end."""
        return [self._line(self._buffer)] if self._buffer or self._too_long else []

    def _line(self, data: bytes) -> Line:
        self._number += 1
        data = data.removesuffix(b"\r")
        too_long, self._too_long = self._too_long or len(data) > self._limit, False
        return Line(self._number, None if too_long else data)


async def read_lines(descriptor: int) -> AsyncIterator[Line]:
    """Read a file, pipe or terminal to its end.

    A thread of its own does the reading: the loop cannot watch regular files, and the loop's own threads are waited
    for at exit, which would hold an interrupt up until the next line.
    """
    chunks: asyncio.Queue[bytes] = asyncio.Queue()
    ahead = threading.Semaphore(_CHUNKS_AHEAD)
    loop = asyncio.get_running_loop()

    def read() -> None:
        data = b"-"
        while data:
            ahead.acquire()
            try:
                data = os.read(descriptor, _CHUNK_BYTES)
            except OSError:
                data = b""
            try:
                loop.call_soon_threadsafe(chunks.put_nowait, data)
            except RuntimeError:  # the loop is gone, and nobody listens
                return

    threading.Thread(target=read, name="standard input", daemon=True).start()
    splitter = Splitter()
    while chunk := await chunks.get():
        ahead.release()
        for line in splitter.feed(chunk):
            yield line
    for line in splitter.end():
        yield line
