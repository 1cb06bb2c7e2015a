"""What waits for one connection: a bounded ring that drops the oldest and says so (R57)."""

from collections import deque

from jitterbug.protocol.publication import PreparedPublication


class Ring:
    """At most ``capacity`` publications, by reference. An empty one takes next to no memory: nearly all are empty.

    Attributes:
        dropped: How many were dropped since the connection opened.
    """

    __slots__ = ("_items", "capacity", "dropped")

    def __init__(self, capacity: int) -> None:
        """Args: capacity: publications, at least 1."""
        self.capacity = capacity
        self.dropped = 0
        self._items: deque[PreparedPublication] | None = None

    def push(self, publication: PreparedPublication) -> PreparedPublication | None:
        """Append; return the oldest when it had to go."""
        items = self._items
        if items is None:
            items = self._items = deque()
        items.append(publication)
        if len(items) <= self.capacity:
            return None
        self.dropped += 1
        return items.popleft()

    def pop(self) -> PreparedPublication:
        """Take the oldest. Raises IndexError when empty."""
        if self._items is None:
            raise IndexError("nothing waits")
        publication = self._items.popleft()
        if not self._items:
            self._items = None
        return publication

    def discard_channel(self, channel: str) -> None:
        """Forget what waits of a channel: its subscription ended."""
        if self._items is not None:
            self._items = deque(item for item in self._items if item.channel != channel) or None

    def clear(self) -> None:
        """Forget all of it."""
        self._items = None

    def __len__(self) -> int:
        return len(self._items) if self._items is not None else 0
