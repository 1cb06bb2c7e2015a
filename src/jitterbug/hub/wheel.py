"""Deadlines in slots of one tick: thousands of connections, one sleeper, no timer each."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from jitterbug.hub.connection import Connection


class Wheel:
    """Connections by the tick in which they are due.

    No entry is cancelled by itself, which would cost a search; those of closed connections are swept together.
    """

    __slots__ = ("_next", "_slots", "slot_ns")

    def __init__(self, slot_ns: int, now_ns: int) -> None:
        self.slot_ns = slot_ns
        self._slots: dict[int, list[Connection]] = {}
        self._next = now_ns // slot_ns + 1

    def add(self, connection: "Connection", at_ns: int) -> None:
        """Have a connection come up in the first tick at or after ``at_ns``."""
        slot = max(self._next, -(-at_ns // self.slot_ns))
        members = self._slots.get(slot)
        if members is None:
            self._slots[slot] = [connection]
        else:
            members.append(connection)

    def due(self, now_ns: int) -> list["Connection"]:
        """Take out every connection whose tick has come."""
        current = now_ns // self.slot_ns
        found: list[Connection] = []
        if current - self._next > len(self._slots):
            # The process slept: look at what there is instead of at each tick that passed.
            for slot in sorted(slot for slot in self._slots if slot <= current):
                found += self._slots.pop(slot)
        else:
            for slot in range(self._next, current + 1):
                found += self._slots.pop(slot, ())
        self._next = max(self._next, current + 1)
        return found

    def sweep(self) -> None:
        """Take out every closed connection."""
        left = {slot: [one for one in members if not one.is_closed] for slot, members in self._slots.items()}
        self._slots = {slot: members for slot, members in left.items() if members}

    def __len__(self) -> int:
        return sum(map(len, self._slots.values()))
