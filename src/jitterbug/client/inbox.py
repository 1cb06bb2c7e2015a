"""Between the wire, which must be read at once, and the application, which takes its time."""

import asyncio
from collections import deque
from typing import Final

from jitterbug.protocol.session import Gap, Publication

CAPACITY: Final = 1_000
"""Publications that may wait. A fuller one closes the stream; what follows comes from the hub's history."""


class Inbox:
    """A bounded queue with one reader and an end."""

    __slots__ = ("_capacity", "_error", "_items", "_moved")

    def __init__(self, capacity: int = CAPACITY) -> None:
        self._capacity = capacity
        self._items: deque[Publication | Gap] = deque()
        self._moved = asyncio.Event()
        self._error: Exception | None = None

    def put(self, item: Publication | Gap) -> None:
        """Add one. Goes over the capacity rather than lose what was verified: look at :attr:`is_full` after it."""
        self._items.append(item)
        self._moved.set()

    def drop(self, channel: str) -> None:
        """Throw away what waits of a channel."""
        self._items = deque(item for item in self._items if item.channel != channel)
        self._moved.set()

    @property
    def is_full(self) -> bool:
        """No more should come now."""
        return len(self._items) >= self._capacity

    async def wait_for_room(self) -> None:
        """Wait until half of it is free."""
        while len(self._items) * 2 > self._capacity and self._error is None:
            self._moved.clear()
            await self._moved.wait()

    def finish(self, error: Exception) -> None:
        """Nothing more comes. The first end counts."""
        self._error = self._error or error
        self._moved.set()

    async def get(self) -> Publication | Gap:
        """Take the next one, waiting for it; after the last, raise what :meth:`finish` was told."""
        while not self._items:
            if self._error is not None:
                raise self._error
            self._moved.clear()
            await self._moved.wait()
        item = self._items.popleft()
        self._moved.set()
        return item
