"""From a publication to all readers of its channel: the hot path (ARCHITECTURE, one frame down).

What came since the last pass goes straight to every reader on which nothing waits, all that is due to it in one write:
no ring, no queue, no look at what else there might be. A reader who may not have all of it at once gets it on its ring.
"""

import contextlib
from bisect import bisect_left
from itertools import accumulate, islice
from typing import Final

from jitterbug.hub.channels import Channels
from jitterbug.hub.connection import Connection
from jitterbug.hub.moment import Moment
from jitterbug.hub.tick import Tick, cut
from jitterbug.protocol.publication import PreparedPublication
from jitterbug.protocol.signing import Unsealed, seal_all

_BATCH: Final = 256
"""Frames that are signed before the first of them is written. Python and the kernel throw each other out of the
processor's caches, and the peer goes to sleep between two writes that are far apart: in turns both are spared."""
_MANY: Final = 100
"""Readers for whom it pays to look at the sockets once more first, so that what came at the same time leaves in the
same writes: that look takes some µs, a write to one reader as many."""
MOST_DUE: Final = 256
"""Publications that may wait for the next pass. What is more goes on the rings, which are bounded and drop."""

Wanted = tuple[Connection, list[PreparedPublication]]
"""A reader, and what it is due, in the order of its coming."""


class FanOut:
    """Hands publications to connections."""

    __slots__ = ("_channels", "_due", "_tick")

    def __init__(self, channels: Channels, tick: Tick) -> None:
        """Args: tick: whose passes call :meth:`deliver`."""
        self._channels = channels
        self._tick = tick
        self._due: list[PreparedPublication] = []
        tick.on_pass = self.deliver

    def add(self, publication: PreparedPublication) -> None:
        """Take a live publication from the store."""
        self._channels.hold_back(publication)
        if len(self._due) >= MOST_DUE:
            self.settle()
        if not self._due:
            is_for_many = len(self._channels.readers(publication.channel)) >= _MANY
            (self._tick.wake_later if is_for_many else self._tick.wake)()
        self._due.append(publication)

    def settle(self) -> None:
        """Put what waits for the next pass on the rings: who begins to read after this must not get it."""
        due, self._due = self._due, []
        for publication in due:
            readers = self._channels.readers(publication.channel)
            self._tick.put_all([connection for connection in readers if connection.offer(publication)])

    def deliver(self, moment: Moment) -> None:
        """Send what came since the last pass. The rings are the tick's business.

        Raises whatever goes wrong beyond one reader, once all it was for are cut: a client sees a cut, and not a hole.
        """
        due, self._due = self._due, []
        try:
            self._deliver(due, moment)
        except Exception:
            for connection in {reader for publication in due for reader in self._channels.readers(publication.channel)}:
                with contextlib.suppress(Exception):
                    connection.abort()
            raise

    def _deliver(self, due: list[PreparedPublication], moment: Moment) -> None:
        wanted = list(self._wanted(due).items())
        ends = list(accumulate(len(publications) for _, publications in wanted))  # frames up to each reader
        start = framed = 0
        while start < len(wanted):
            end = bisect_left(ends, framed + _BATCH, start) + 1  # a batch is full with the reader who fills it
            self.deliver_to(wanted[start:end], moment)
            start, framed = end, ends[min(end, len(ends)) - 1]

    def _wanted(self, due: list[PreparedPublication]) -> dict[Connection, list[PreparedPublication]]:
        """What each reader gets, in the order of its coming."""
        if len({publication.channel for publication in due}) == 1:
            return dict.fromkeys(self._channels.readers(due[0].channel), due)
        wanted: dict[Connection, list[PreparedPublication]] = {}
        for publication in due:
            for connection in self._channels.readers(publication.channel):
                wanted.setdefault(connection, []).append(publication)
        return wanted

    def deliver_to(self, wanted: list[Wanted], moment: Moment) -> None:
        """Frame for each who may have all at once, then sign all, then write all; the others get it on their rings."""
        late: list[Connection] = []
        served: list[Connection] = []
        frames: list[Unsealed] = []
        for connection, publications in wanted:
            try:
                if connection.frame_now(publications, moment, frames):
                    served.append(connection)
                elif [publication for publication in publications if connection.offer(publication)]:
                    late.append(connection)
            except Exception:  # one that fails must not cost the others their frame
                cut(connection)
                del frames[sum(_counts(served, wanted)) :]
        if frames:
            _write(served, frames, wanted, moment)
        self._tick.put_all(late)


def _counts(served: list[Connection], wanted: list[Wanted]) -> list[int]:
    due = dict(wanted)
    return [len(due[connection]) for connection in served]


def _write(served: list[Connection], frames: list[Unsealed], wanted: list[Wanted], moment: Moment) -> None:
    try:
        events = seal_all(frames, moment.ts)
    except Exception:  # whatever it is, nobody may go on as if it had been sent
        # Their counters have moved on: what cannot be sent must end as a cut, which a client sees, not as a hole.
        for connection in served:
            cut(connection)
        return
    if len(events) > len(served):
        left = iter(events)
        events = [b"".join(islice(left, count)) for count in _counts(served, wanted)]
    for connection, event in zip(served, events, strict=True):
        try:
            connection.sink.write(event)
        except Exception:  # as above
            cut(connection)
