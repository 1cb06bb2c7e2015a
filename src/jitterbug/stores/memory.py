"""The store of a single node: everything in this process, gone with it.

Bounds: ``history_size`` publications a channel, each within the frame limit; ``max_history_bytes`` over all channels,
beyond which the channel not published to for longest gives up its oldest, and history that is over goes with the next
thing that happens, wherever that is; ``max_channels`` channels, beyond which the one untouched for longest is
forgotten, and its readers are told by a new epoch.
"""

import os
from collections import OrderedDict, deque
from collections.abc import Sequence
from typing import Final

from jitterbug.clock import Clock
from jitterbug.config import HistoryRule
from jitterbug.protocol import base64
from jitterbug.protocol.codes import GapReason
from jitterbug.protocol.position import Position
from jitterbug.protocol.publication import PreparedPublication
from jitterbug.protocol.replay import Claim
from jitterbug.stores.base import Backlog, Deliver
from jitterbug.stores.nonce_room import NONCES_PER_KID, nonce_window
from jitterbug.stores.retention import Limits, Retention
from jitterbug.stores.window import MovingWindows

_EPOCH_BYTES: Final = 6
_NS_PER_S: Final = 1_000_000_000
_PUBLICATION_BYTES: Final = 1_200
"""What one takes besides its data, which it holds twice: alone, and ready to be sent."""


def new_epoch() -> str:
    """Eight random characters."""
    return base64.encode_url(os.urandom(_EPOCH_BYTES))


class _Log:
    """One channel: its position, which outlives its data, and the data."""

    __slots__ = ("entries", "epoch", "ids", "limits", "offset", "recorded_ns")

    def __init__(self, epoch: str, limits: Limits) -> None:
        self.epoch = epoch
        self.limits = limits
        self.recorded_ns = 0  # when it was last published to
        self.offset = 0
        # Each: when it expires, the publication, the id it was published under.
        self.entries: deque[tuple[int, PreparedPublication, str | None]] = deque()
        self.ids: dict[str, Position] = {}

    def forget(self, now_ns: int) -> int:
        """Drop what is over or too much; return the bytes that freed."""
        freed = 0
        while self.entries and (len(self.entries) > self.limits.size or self.entries[0][0] <= now_ns):
            freed += self.drop()
        return freed

    def drop(self) -> int:
        """Drop the oldest; return the bytes that freed."""
        _, publication, publication_id = self.entries.popleft()
        if publication_id is not None:
            self.ids.pop(publication_id, None)
        return _size(publication)

    def since(self, position: Position) -> Backlog:
        here = Position(self.epoch, self.offset)
        if position.epoch != self.epoch or position.offset > self.offset:
            return Backlog(here, lost=GapReason.EPOCH)
        missing = self.offset - position.offset
        if missing > len(self.entries):
            return Backlog(here, lost=GapReason.EXPIRED)
        first = len(self.entries) - missing
        return Backlog(here, [self.entries[index][1] for index in range(first, len(self.entries))])


def _size(publication: PreparedPublication) -> int:
    return 2 * len(publication.data) + _PUBLICATION_BYTES


class MemoryStore:
    """Implements :class:`jitterbug.stores.base.Store` without leaving the process."""

    def __init__(
        self,
        clock: Clock,
        *,
        history_size: int = 100,
        history_ttl_s: float = 300,
        history_rules: Sequence[HistoryRule] = (),
        replay_window_ms: int = 10_000,
        nonces_per_session: int = NONCES_PER_KID,
        max_channels: int = 100_000,
        max_history_bytes: int = 268_435_456,
    ) -> None:
        """Create an empty store.

        Args:
            clock: Judges the age of history.
            history_size: Publications kept per channel; 0 = none.
            history_ttl_s: How long each is kept, seconds; 0 = not at all.
            history_rules: Other limits for the channels of a pattern; the first that matches counts.
            replay_window_ms: See :class:`jitterbug.protocol.replay.ReplayWindow`.
            nonces_per_session: See :func:`jitterbug.stores.nonce_room.nonces_per_session`.
            max_channels: Channels whose position is remembered.
            max_history_bytes: What the history of all channels together may take.
        """
        self._clock = clock
        self._retention = Retention(history_size, history_ttl_s, history_rules)
        self._max_channels = max_channels
        self._max_history_bytes = max_history_bytes
        self._history_bytes = 0
        self._logs: OrderedDict[str, _Log] = OrderedDict()
        # Those with history, by how long it is kept, in the order in which they were last published to: so the history
        # of the first in each is over before that of any other in it.
        self._recorded: dict[float, OrderedDict[str, _Log]] = {}
        self._replay = nonce_window(replay_window_ms, nonces_per_session)
        self._windows = MovingWindows()
        self._epoch = new_epoch()
        self._deliver: Deliver | None = None

    async def start(self) -> None:
        """Nothing to connect to."""

    async def stop(self) -> None:
        """Nothing to let go of."""

    def attach(self, deliver: Deliver) -> None:
        """See :class:`jitterbug.stores.base.Broker`."""
        self._deliver = deliver

    async def append(self, channel: str, data: bytes, *, publication_id: str | None = None) -> Position:
        """See :class:`jitterbug.stores.base.Broker`."""
        now_ns = self._clock.monotonic_ns()
        log = self._log(channel)
        self._forget(now_ns, log)
        if publication_id is not None and publication_id in log.ids:
            return log.ids[publication_id]
        log.offset += 1
        position = Position(log.epoch, log.offset)
        publication = PreparedPublication(channel, position, data)
        if not log.limits.keeps_nothing:
            log.entries.append((now_ns + int(log.limits.ttl_s * _NS_PER_S), publication, publication_id))
            if publication_id is not None:
                log.ids[publication_id] = position
            self._history_bytes += _size(publication)
            log.recorded_ns = now_ns
            recorded = self._recorded.setdefault(log.limits.ttl_s, OrderedDict())
            recorded[channel] = log
            recorded.move_to_end(channel)
            self._forget(now_ns, log)
        if self._deliver is not None:
            self._deliver(publication)
        return position

    async def read(self, channel: str, since: Position | None) -> Backlog:
        """See :class:`jitterbug.stores.base.Broker`."""
        # A name that nobody has published to is not remembered: asking for many must not push out those with history.
        log = self._log(channel) if channel in self._logs else self._new_log(channel)
        self._forget(self._clock.monotonic_ns(), log)
        return log.since(since) if since is not None else Backlog(Position(log.epoch, log.offset))

    async def claim(self, kid: str, nonce: str, ts: int, now_ms: int, share: str | None = None) -> Claim:
        """See :class:`jitterbug.stores.base.ReplayStore`."""
        return self._replay.claim(kid, nonce, ts, now_ms, share)

    async def admit(self, key: str, limit: int, window_s: float) -> float:
        """See :class:`jitterbug.stores.base.LimitStore`."""
        return self._windows.admit(key, limit, window_s, self._clock.monotonic_ns())

    def channel_count(self) -> int:
        """Channels whose position is remembered."""
        return len(self._logs)

    def _forget(self, now_ns: int, log: _Log) -> None:
        """Drop what is over in this channel and in those not published to for longest; and what is too much in all."""
        self._history_bytes -= log.forget(now_ns)
        for recorded in self._recorded.values():
            while recorded:
                channel, oldest = next(iter(recorded.items()))
                if oldest.entries and oldest.entries[-1][0] > now_ns:
                    break
                self._history_bytes -= oldest.forget(now_ns)
                del recorded[channel]
        while self._history_bytes > self._max_history_bytes:
            self._give_up_oldest()

    def _give_up_oldest(self) -> None:
        firsts = [next(iter(recorded.items())) for recorded in self._recorded.values() if recorded]
        channel, oldest = min(firsts, key=lambda first: first[1].recorded_ns)
        self._history_bytes -= oldest.drop()
        if not oldest.entries:
            del self._recorded[oldest.limits.ttl_s][channel]

    def _log(self, channel: str) -> _Log:
        log = self._logs.get(channel)
        if log is not None:
            self._logs.move_to_end(channel)
            return log
        if len(self._logs) >= self._max_channels:
            gone, forgotten = self._logs.popitem(last=False)
            if forgotten.limits.ttl_s in self._recorded:
                self._recorded[forgotten.limits.ttl_s].pop(gone, None)
            self._history_bytes -= sum(_size(publication) for _, publication, _ in forgotten.entries)
            # Offsets of a channel that comes back start again: only another epoch tells its readers so.
            self._epoch = new_epoch()
        log = self._logs[channel] = self._new_log(channel)
        return log

    def _new_log(self, channel: str) -> _Log:
        return _Log(self._epoch, self._retention.limits(channel))
