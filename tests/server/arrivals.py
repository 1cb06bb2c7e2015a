"""What comes down an open wire, stream or WebSocket, verified as a client would."""

import time
from collections.abc import Callable
from typing import Any, TypeVar

from jitterbug.protocol.codes import Down
from jitterbug.protocol.session import Control, Event, Gap, Hole, Publication, Receiver
from jitterbug.protocol.verifying import Refused
from tests.server.serving import PATIENCE_S

T = TypeVar("T")


class Arrivals:
    """Everything that came.

    Attributes:
        events: What the receiver made of it; publications, gaps and the hub's own frames in their order.
        arrivals: When each of these came, monotonic seconds.
        is_closed: The other side closed the connection.
    """

    def __init__(self, receiver: Receiver, now_ms: Callable[[], int]) -> None:
        self.receiver = receiver
        self._now_ms = now_ms
        self.events: list[Event] = []
        self.arrivals: list[float] = []
        self.is_closed = False

    def step(self, limit_s: float) -> None:
        """Read what is there, waiting for it no longer than that."""
        raise NotImplementedError

    def arrive(self, frame: bytes) -> None:
        """Verify one frame."""
        events = self.receiver.receive(frame, self._now_ms())
        self.events += events
        self.arrivals += [time.monotonic()] * len(events)

    def wait_for(self, condition: Callable[[], T], limit_s: float = PATIENCE_S) -> T:
        """Read until something holds; fails the test when it does not in time."""
        deadline_s = time.monotonic() + limit_s
        while not (found := condition()):
            left_s = deadline_s - time.monotonic()
            assert left_s > 0, f"not in time; came so far: {self.events[-5:]}"
            assert not self.is_closed, f"closed before it came; came so far: {self.head} {self.events[-5:]}"
            self.step(min(left_s, 0.25))
        return found

    def watch(self, for_s: float) -> None:
        """Read for so long."""
        deadline_s = time.monotonic() + for_s
        while not self.is_closed and (left_s := deadline_s - time.monotonic()) > 0:
            self.step(left_s)

    def control(self, kind: Down, limit_s: float = PATIENCE_S) -> dict[str, Any]:
        """Wait for the first of the hub's own frames of a type, and return its payload."""
        return self.wait_for(lambda: next(iter(self.controls(kind)), None), limit_s)

    def payloads(self) -> list[dict[str, Any]]:
        """Payloads of all of the hub's own frames."""
        return [event.payload for event in self.events if isinstance(event, Control)]

    def controls(self, kind: Down) -> list[dict[str, Any]]:
        """Payloads of all that came of a type."""
        return [event.payload for event in self.events if isinstance(event, Control) and event.type is kind]

    def publications(self, channel: str | None = None) -> list[Publication]:
        """All that came, of one channel or of all."""
        found = [event for event in self.events if isinstance(event, Publication)]
        return [item for item in found if channel in {None, item.channel}]

    def take(self, count: int, limit_s: float = PATIENCE_S) -> list[Any]:
        """Wait for so many publications; return the data of all that came."""
        self.wait_for(lambda: len(self.publications()) >= count, limit_s)
        return [item.data for item in self.publications()]

    def faults(self) -> list[Event]:
        """Whatever did not verify or did not follow."""
        return [event for event in self.events if isinstance(event, Refused | Hole)]

    def gaps(self) -> list[Gap]:
        """What the hub says is lost."""
        return [event for event in self.events if isinstance(event, Gap)]

    @property
    def conn(self) -> str:
        """Id of the connection; waits for ``hello``."""
        return str(self.control(Down.HELLO)["conn"])
