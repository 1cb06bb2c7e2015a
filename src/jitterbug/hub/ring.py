"""What waits for one connection: a bounded ring that drops the oldest and says so (R57)."""

from collections import deque

from jitterbug.protocol.publication import PreparedPublication


class Ring:
    """At most ``capacity`` publications, by reference.

    Attributes:
        dropped: How many were dropped since the connection opened.
    """

    __slots__ = ("_items", "capacity", "dropped")

    def __init__(self, capacity: int) -> None:
        """Args: capacity: publications, at least 1."""
        self.capacity = capacity
        self.dropped = 0
        self._items: deque[PreparedPublication] = deque()

    def push(self, publication: PreparedPublication) -> PreparedPublication | None:
        """Append; return the oldest when it had to go."""
        items = self._items
        items.append(publication)
        if len(items) <= self.capacity:
            return None
        self.dropped += 1
        return items.popleft()

    def pop(self) -> PreparedPublication:
        """Take the oldest. Raises IndexError when empty."""
        return self._items.popleft()

    def discard_channel(self, channel: str) -> None:
        """Forget what waits of a channel: its subscription ended."""
        self._items = deque(item for item in self._items if item.channel != channel)

    def clear(self) -> None:
        """Forget all of it."""
        self._items.clear()

    def __len__(self) -> int:
        return len(self._items)
