"""The connection that is open now, for those who send over it."""

import asyncio
from collections.abc import Callable
from typing import Final

from jitterbug.client.wire import Wire
from jitterbug.errors import JitterbugError

STRICT_FRAME_BYTES: Final = 1_024
"""Frame limit assumed of a hub that does not tell one (R58)."""


class Link:
    """What is known of the open connection. Touched by the stream's own tasks alone.

    Attributes:
        conn: Its id; None while none is open.
        kid: Key that signs its frames now.
        channels: Channels it carries, or was asked to.
        max_frame_bytes: Largest frame the hub takes, UTF-8 bytes.
        wire: What carries it; None while there is none.
        is_asked: Every channel wanted when it opened has been asked for on it.
    """

    __slots__ = ("_error", "_moved", "_opened", "channels", "conn", "is_asked", "kid", "max_frame_bytes", "wire")

    def __init__(self) -> None:
        self.conn: str | None = None
        self.kid: str | None = None
        self.channels: set[str] = set()
        self.max_frame_bytes = STRICT_FRAME_BYTES
        self.wire: Wire | None = None
        self.is_asked = True
        self._opened = asyncio.Event()
        self._moved = asyncio.Event()
        self._error: JitterbugError | None = None

    @property
    def is_open(self) -> bool:
        """A connection is open now."""
        return self.conn is not None

    def open(self, conn: str, kid: str, channels: set[str], max_frame_bytes: int) -> None:
        """``hello`` was verified."""
        self.conn, self.kid, self.channels = conn, kid, channels
        self.max_frame_bytes = max_frame_bytes
        self._opened.set()
        self._moved.set()

    def close(self) -> None:
        """The connection ended; another may follow."""
        self.conn = self.kid = self.wire = None
        self.channels = set()
        if self._error is None:
            self._opened.clear()

    def fail(self, error: JitterbugError) -> None:
        """None will follow: whoever waits is told."""
        self.conn = self.kid = self.wire = None
        self._error = error
        self._opened.set()
        self._moved.set()

    def tell(self) -> None:
        """Something moved that others may wait for with :meth:`until`."""
        self._moved.set()

    async def until(self, holds: Callable[[], bool]) -> None:
        """Wait until something holds, looking each time :meth:`tell` is called.

        Raises:
            JitterbugError: The stream ended for good.
        """
        while not holds():
            if self._error is not None:
                raise self._error
            self._moved.clear()
            await self._moved.wait()

    async def wait(self) -> str:
        """Wait for an open connection and return its id.

        Raises:
            JitterbugError: None will come.
        """
        while self.conn is None:
            if self._error is not None:
                raise self._error
            await self._opened.wait()
        return self.conn
