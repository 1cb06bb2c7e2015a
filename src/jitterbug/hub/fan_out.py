"""From one publication to all readers of its channel: the hot path (ARCHITECTURE, one frame down).

A publication that comes alone, as nearly all do, goes in the next pass straight to every reader on which nothing
waits: no ring, no queue, no look at what else there might be. Where several come before that pass they are put on the
rings, so that what is due to a reader leaves in one write; so it is for a reader who may not have it at once.
"""

from typing import Final

from jitterbug.hub.channels import Channels
from jitterbug.hub.connection import Connection
from jitterbug.hub.moment import Moment
from jitterbug.hub.tick import Tick, cut
from jitterbug.protocol.publication import PreparedPublication
from jitterbug.protocol.signing import Unsealed, seal_all

_BATCH: Final = 256
"""Readers whose frames are signed before the first of them is written. Python and the kernel throw each other out of
the processor's caches, and the peer goes to sleep between two writes that are far apart: in turns both are spared."""


class FanOut:
    """Hands publications to connections."""

    __slots__ = ("_alone", "_channels", "_is_crowded", "_tick")

    def __init__(self, channels: Channels, tick: Tick) -> None:
        """Args: tick: whose passes call :meth:`deliver`."""
        self._channels = channels
        self._tick = tick
        self._alone: PreparedPublication | None = None
        self._is_crowded = False
        tick.on_pass = self.deliver

    def add(self, publication: PreparedPublication) -> None:
        """Take a live publication from the store."""
        self._channels.hold_back(publication)
        if self._alone is None and not self._is_crowded:
            self._alone = publication
            self._tick.wake()
        else:
            self.settle()
            self._is_crowded = True
            self._queue(publication)

    def settle(self) -> None:
        """Put what waits for the next pass on the rings: who begins to read after this must not get it."""
        alone, self._alone = self._alone, None
        if alone is not None:
            self._queue(alone)

    def deliver(self, moment: Moment) -> None:
        """Send what came alone since the last pass. The rings are the tick's business."""
        self._is_crowded = False
        publication, self._alone = self._alone, None
        if publication is None:
            return
        readers = list(self._channels.readers(publication.channel))
        for start in range(0, len(readers), _BATCH):
            self.deliver_to(readers[start : start + _BATCH], publication, moment)

    def deliver_to(self, readers: list[Connection], publication: PreparedPublication, moment: Moment) -> None:
        """Frame for each who may have it at once, then sign all, then write all; the others get it on their rings."""
        late: list[Connection] = []
        due: list[Connection] = []
        frames: list[Unsealed] = []
        for connection in readers:
            try:
                frame = connection.frame_now(publication, moment)
                if frame is not None:
                    due.append(connection)
                    frames.append(frame)
                elif connection.offer(publication):
                    late.append(connection)
            except Exception:  # one that fails must not cost the others their frame
                cut(connection)
        if frames:
            _write(due, frames, moment)
        self._tick.put_all(late)

    def _queue(self, publication: PreparedPublication) -> None:
        readers = self._channels.readers(publication.channel)
        self._tick.put_all([connection for connection in readers if connection.offer(publication)])


def _write(connections: list[Connection], frames: list[Unsealed], moment: Moment) -> None:
    try:
        events = seal_all(frames, moment.ts)
    except Exception:  # whatever it is, nobody may go on as if it had been sent
        # Their counters have moved on: what cannot be sent must end as a cut, which a client sees, not as a hole.
        for connection in connections:
            cut(connection)
        return
    for connection, event in zip(connections, events, strict=True):
        try:
            connection.sink.write(event)
        except Exception:  # as above
            cut(connection)
