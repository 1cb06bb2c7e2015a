"""From one publication to all readers of its channel: the hot path (ARCHITECTURE, one frame down).

A publication that comes alone, as nearly all do, goes in the next pass straight to every reader on which nothing
waits: no ring, no queue, no look at what else there might be. Where several come before that pass they are put on the
rings, so that what is due to a reader leaves in one write; so it is for a reader who may not have it at once.
"""

from jitterbug.hub.channels import Channels
from jitterbug.hub.connection import Connection
from jitterbug.hub.moment import Moment
from jitterbug.hub.tick import Tick, cut
from jitterbug.protocol.publication import PreparedPublication


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
        late: list[Connection] = []
        for connection in list(self._channels.readers(publication.channel)):
            try:
                if not connection.send_now(publication, moment) and connection.offer(publication):
                    late.append(connection)
            except Exception:
                cut(connection)
        self._tick.put_all(late)

    def _queue(self, publication: PreparedPublication) -> None:
        readers = self._channels.readers(publication.channel)
        self._tick.put_all([connection for connection in readers if connection.offer(publication)])
