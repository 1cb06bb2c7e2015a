"""What a stream reads: the channels, where each stands, and the asking for them (PROTOCOL §4, §5)."""

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
        leaving: Those of them that this side has given up and the hub may still send.
    """

    __slots__ = ("_keys", "_link", "_notify", "_upstream", "leaving", "positions")

    def __init__(
        self,
        positions: dict[str, Position | None],
        link: Link,
        upstream: Upstream,
        keys: KeyKeeper,
        notify: Callable[[Notice], None],
    ) -> None:
        self.positions = positions
        self.leaving: set[str] = set()
        self._link = link
        self._upstream = upstream
        self._keys = keys
        self._notify = notify

    async def add(self, channel: str, since: Position | None) -> None:
        """Read one more; see :meth:`jitterbug.client.Stream.subscribe`."""
        if channel not in self.positions or channel in self.leaving:
            self.leaving.discard(channel)
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
        self.leaving.add(channel)
        await self._link.wait()
        if channel in self._link.channels:
            await self._upstream.unsubscribe(channel)

    async def placed(self, channels: Iterable[str]) -> None:
        """Wait until each of these stands at a place, or is not read any more.

        A channel without a place starts anew with the next connection, from a later now: what was published meanwhile
        would be missed, and no gap would tell of it. From a place on, every connection resumes.

        Raises:
            JitterbugError: The stream ended for good.
        """
        names = list(channels)
        await self._link.until(
            lambda: all(self.positions.get(name, name) is not None or name in self.leaving for name in names)
        )

    def begin(self) -> None:
        """A connection is about to be opened: what was given up is not asked for again."""
        for channel in self.leaving:
            self.positions.pop(channel, None)
        self.leaving.clear()

    async def ask(self) -> None:
        """Ask for every channel that the wire's request did not name, one after the other: each takes a token (R53)."""
        await self._link.wait()
        for channel, since in list(self.positions.items()):
            if channel in self.leaving:
                continue
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

    def _drop(self, channel: str) -> None:
        self.positions.pop(channel, None)
        self._link.channels.discard(channel)
