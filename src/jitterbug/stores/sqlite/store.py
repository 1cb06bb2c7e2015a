"""The store of a single node that outlives its process: one SQLite file, one thread, write-ahead log.

**What is promised.** An append is answered and handed out once its transaction is committed, never before; a claim
likewise. A process that ends in order, or is killed, loses nothing: positions, history, publication ids and nonces
stand, and readers resume. ``synchronous=NORMAL``: when the *system* goes down (power, kernel), the last commits may be
lost. That is found at the next start (no mark of an end in order, and another run of the kernel; systems other than
Linux do not name their runs, so there a kill counts as one) and told: all channels start anew in another epoch, so
every older position is answered by the gap ``epoch`` and no offset is ever given out twice; and for half the replay
window frames are refused by StoreError, as their nonces may be lost. A file put back from a copy is not noticed: remove
it instead.

Bounds: ``max_channels``, ``max_file_bytes`` (beyond it the oldest publications of all go), 10,000 calls that wait for
the disk (beyond it they are refused). Counts of :meth:`SqliteStore.admit` stay in memory: a restart forgives them.
"""

import asyncio
import logging
import sqlite3
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Final

from jitterbug.clock import Clock
from jitterbug.config import HistoryRule
from jitterbug.errors import StoreError
from jitterbug.protocol.position import Position
from jitterbug.protocol.publication import PreparedPublication
from jitterbug.protocol.replay import Claim
from jitterbug.stores.base import Backlog, Deliver
from jitterbug.stores.nonce_room import NONCES_PER_KID, nonce_window
from jitterbug.stores.retention import Retention
from jitterbug.stores.sqlite import life
from jitterbug.stores.sqlite.file import error_name, open_file, remedy_of
from jitterbug.stores.sqlite.history import History
from jitterbug.stores.sqlite.nonces import Nonces
from jitterbug.stores.sqlite.writer import Writer
from jitterbug.stores.window import MovingWindows

_LOG = logging.getLogger("jitterbug.store")
_NS_PER_MS: Final = 1_000_000


class SqliteStore:
    """Implements :class:`jitterbug.stores.base.Store` in a file."""

    def __init__(
        self,
        path: Path,
        clock: Clock,
        *,
        history_size: int = 100,
        history_ttl_s: float = 300,
        history_rules: Sequence[HistoryRule] = (),
        replay_window_ms: int = 10_000,
        nonces_per_session: int = NONCES_PER_KID,
        max_channels: int = 100_000,
        max_file_bytes: int = 1_073_741_824,
    ) -> None:
        """Prepare the store; nothing is touched before :meth:`open` or :meth:`start`.

        Args:
            path: The file. Made if it is not there; its folder must be.
            clock: Judges the age of history.
            history_size: Publications kept per channel; 0 = none.
            history_ttl_s: How long each is kept, seconds; 0 = not at all.
            history_rules: Other limits for the channels of a pattern; the first that matches counts.
            replay_window_ms: See :class:`jitterbug.protocol.replay.ReplayWindow`.
            nonces_per_session: See :func:`jitterbug.stores.nonce_room.nonces_per_session`.
            max_channels: Channels whose position is remembered; beyond it those not published to for longest go.
            max_file_bytes: What the file may take, about; beyond it the oldest publications go.
        """
        self._path = path.absolute()
        self._clock = clock
        self._retention = Retention(history_size, history_ttl_s, history_rules)
        self._replay_window_ms = replay_window_ms
        self._nonces_per_session = nonces_per_session
        self._max_channels = max_channels
        self._max_file_bytes = max_file_bytes
        self._windows = MovingWindows()
        self._deliver: Deliver | None = None
        self._connection: sqlite3.Connection | None = None
        self._writer: Writer | None = None

    def open(self) -> None:
        """Open and hold the file, so that whoever starts a hub hears of a wrong one before it listens.

        Raises:
            SettingError: See :func:`jitterbug.stores.sqlite.file.open_file`.
        """
        if self._connection is None:
            self._connection = open_file(self._path)

    async def start(self) -> None:
        """Open the file unless that was done, and read what was accepted before. Safe to call twice.

        Raises:
            SettingError: See :meth:`open`.
            StoreError: The disk failed.
        """
        if self._writer is not None:
            return
        now_ms = self._clock.now_ms()
        # In this process the wall clock is read once: a step of it neither ends history early nor prolongs it.
        self._wall_ns = now_ms * _NS_PER_MS - self._clock.monotonic_ns()
        try:
            connection, lost_power = await asyncio.to_thread(self._begin)
        except sqlite3.Error as error:
            await self.stop()
            raise StoreError(f"The history file failed ({error_name(error)}).", remedy=remedy_of(error)) from error
        # No clock was more than half the window ahead when its frame was accepted.
        self._blind_until_ms = now_ms + self._replay_window_ms // 2 if lost_power else -1
        if lost_power:
            _LOG.warning("The system went down under the history file: all channels start anew, readers are told")
        self._writer = Writer(connection, tidy=self._tidy, on_undone=self._history.look_again, at_end=life.end)

    def _begin(self) -> tuple[sqlite3.Connection, bool]:
        self.open()
        connection = self._connection
        assert connection is not None  # noqa: S101 - for the type checker: open() sets it
        found = life.begin(connection)
        self._history = History(
            connection,
            found.epoch,
            self._retention,
            max_channels=self._max_channels,
            max_file_bytes=self._max_file_bytes,
        )
        self._nonces = Nonces(connection, self._replay_window_ms)
        self._replay = nonce_window(self._replay_window_ms, self._nonces_per_session)
        self._nonces.load(self._replay)
        return connection, found.lost_power

    async def stop(self) -> None:
        """Finish what waits, mark the end in order, and let the file go. Safe to call twice; may be started again."""
        writer, connection = self._writer, self._connection
        self._writer = self._connection = None
        if writer is not None:
            await writer.stop()
        elif connection is not None:
            connection.close()

    def attach(self, deliver: Deliver) -> None:
        """See :class:`jitterbug.stores.base.Broker`."""
        self._deliver = deliver

    async def append(self, channel: str, data: bytes, *, publication_id: str | None = None) -> Position:
        """See :class:`jitterbug.stores.base.Broker`. Answered once it is committed."""
        name = None if publication_id is None else publication_id.encode("utf-8", "surrogatepass")
        writer = self._running()
        work = partial(self._history.append, channel, data, name, self._now_ms())
        position, _ = await writer.do(work, self._hand_out)
        return position

    def _hand_out(self, appended: tuple[Position, PreparedPublication | None]) -> None:
        publication = appended[1]
        if publication is not None and self._deliver is not None:
            self._deliver(publication)

    async def read(self, channel: str, since: Position | None) -> Backlog:
        """See :class:`jitterbug.stores.base.Broker`. Sees every append that was asked for before."""
        writer = self._running()
        return await writer.do(partial(self._history.read, channel, since, self._now_ms()))

    async def claim(self, kid: str, nonce: str, ts: int, now_ms: int, share: str | None = None) -> Claim:
        """See :class:`jitterbug.stores.base.ReplayStore`. ``NEW`` is answered once it is committed."""
        writer = self._running()
        if ts <= self._blind_until_ms:
            raise StoreError("Nonces may have been lost with the system.", remedy="Frames are taken again in a moment.")
        claim = self._replay.claim(kid, nonce, ts, now_ms, share)
        if claim:
            await writer.do(partial(self._nonces.add, kid, nonce, ts, now_ms))
        return claim

    async def admit(self, key: str, limit: int, window_s: float) -> float:
        """See :class:`jitterbug.stores.base.LimitStore`. Counted in memory."""
        return self._windows.admit(key, limit, window_s, self._clock.monotonic_ns())

    def _running(self) -> Writer:
        if self._writer is None:
            raise StoreError("The store is not started.")
        return self._writer

    def _now_ms(self) -> int:
        return (self._wall_ns + self._clock.monotonic_ns()) // _NS_PER_MS

    def _tidy(self) -> bool:
        return self._history.tidy(self._now_ms()) | self._nonces.tidy()
