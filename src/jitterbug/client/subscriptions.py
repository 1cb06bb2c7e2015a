"""What a stream reads: the channels, where each stands, and the asking for them (PROTOCOL §4, §5)."""

from collections import Counter
from collections.abc import Callable, Iterable

from jitterbug.client.keys import KeyKeeper
from jitterbug.client.link import Link
from jitterbug.client.notices import Notice, Unsubscribed
from jitterbug.client.refusals import UnauthorizedError
from jitterbug.client.upstream import Upstream
from jitterbug.errors import JitterbugError
from jitterbug.protocol.codes import ErrorCode
from jitterbug.protocol.position import Position


class Subscriptions:
    """The channels of one stream, over all its connections.

    Attributes:
        positions: Channels, with the place after which to go on; None = from now, until ``subscribed`` names it.
        leaving: ``unsubscribed`` frames still to come on this connection, by channel. What comes of a channel before
            the last of them belongs to a subscription given up earlier, also where the channel is wanted again.
    """

    __slots__ = ("_connection", "_keys", "_link", "_notify", "_upstream", "leaving", "positions")

    def __init__(
        self,
        positions: dict[str, Position | None],
        link: Link,
        upstream: Upstream,
        keys: KeyKeeper,
        notify: Callable[[Notice], None],
    ) -> None:
        self.positions = positions
        self.leaving: Counter[str] = Counter()
        self._connection = 0
        self._link = link
        self._upstream = upstream
        self._keys = keys
        self._notify = notify

    async def add(self, channel: str, since: Position | None) -> None:
        """Read one more; see :meth:`jitterbug.client.Stream.subscribe`."""
        if channel not in self.positions:
            self.positions[channel] = since
            try:
                await self._link.wait()
                await self._ask_for(channel, since)
            except JitterbugError:
                self._drop(channel)
                raise
        await self.placed([channel])

    async def remove(self, channel: str) -> None:
        """Read one no more; see :meth:`jitterbug.client.Stream.unsubscribe`."""
        if channel not in self.positions:
            return
        del self.positions[channel]
        self.leaving[channel] += 1
        self._link.tell()
        connection = self._connection
        conn = await self._link.wait()
        if connection != self._connection:
            return  # the next connection, whose request did not name it
        if channel not in self._link.channels:
            self._left(channel)
            return
        self._link.channels.discard(channel)  # and asked for anew, behind this, by whoever wants it again
        try:
            await self._upstream.unsubscribe(channel, conn)
        except JitterbugError:
            self._left(channel)
            raise

    async def placed(self, channels: Iterable[str]) -> None:
        """Wait until each of these stands at a place, or is not read any more.

        A channel without a place starts anew with the next connection, from a later now: what was published meanwhile
        would be missed, and no gap would tell of it. From a place on, every connection resumes.

        Raises:
            JitterbugError: The stream ended for good.
        """
        names = list(channels)
        await self._link.until(lambda: all(self.positions.get(name, name) is not None for name in names))

    def begin(self) -> None:
        """A connection is about to be opened: nothing is left to come of what was given up."""
        self._connection += 1
        self.leaving.clear()

    def ended(self, channel: str) -> bool:
        """``unsubscribed`` came. True = this side had not given it up, so the channel is not read any more."""
        if self.leaving[channel] > 0:
            self._left(channel)
            return False
        is_read = channel in self.positions
        self._drop(channel)
        return is_read

    async def ask(self) -> None:
        """Ask for every channel that the wire's request did not name, one after the other: each takes a token (R53)."""
        await self._link.wait()
        for channel in list(self.positions):
            if channel not in self.positions:
                continue
            since = self.positions[channel]
            try:
                await self._ask_for(channel, since)
            except JitterbugError as error:
                if self._keys.newest() is None:
                    return  # nothing can be signed, which says nothing about the channel: this connection ends soon
                self._drop(channel)
                reason = ErrorCode.UNAUTHORIZED if isinstance(error, UnauthorizedError) else ErrorCode.INVALID
                self._notify(Unsubscribed(channel, reason.value))
        self._link.is_asked = True
        self._link.tell()

    async def _ask_for(self, channel: str, since: Position | None) -> None:
        if channel not in self._link.channels:
            self._link.channels.add(channel)
            await self._upstream.subscribe(channel, since)

    def _left(self, channel: str) -> None:
        if self.leaving[channel] > 1:
            self.leaving[channel] -= 1
        else:
            del self.leaving[channel]

    def _drop(self, channel: str) -> None:
        self.positions.pop(channel, None)
        self._link.channels.discard(channel)
