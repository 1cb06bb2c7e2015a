"""Channels and their publications in tables. Runs in the writer's thread, inside its transactions."""

import sqlite3
from typing import Final

from jitterbug.protocol.codes import GapReason
from jitterbug.protocol.position import Position
from jitterbug.protocol.publication import PreparedPublication
from jitterbug.stores.base import Backlog
from jitterbug.stores.memory import new_epoch
from jitterbug.stores.retention import Retention
from jitterbug.stores.sqlite.life import meta, set_meta

_TIDY_ROWS: Final = 1_000
_FORGET_CHANNELS: Final = 100
_CHANNEL: Final = "SELECT id, epoch, offset FROM channels WHERE name = ?"
_NEW_CHANNEL: Final = "INSERT INTO channels (name, epoch, offset, used_ms) VALUES (?, ?, 0, ?)"
_MOVE: Final = "UPDATE channels SET offset = ?, used_ms = ? WHERE id = ?"
_ADD: Final = (
    "INSERT INTO publications (channel, offset, expires_ms, publication_id, data) VALUES (?, ?, ?, ?, ?)"
)  # fmt: skip
_TOO_MANY: Final = "DELETE FROM publications WHERE channel = ? AND offset <= ?"
_NAMED: Final = """
SELECT max(offset) FROM publications WHERE channel = ? AND publication_id = ? AND expires_ms > ? AND offset > ?
"""
_SINCE: Final = "SELECT offset, expires_ms, data FROM publications WHERE channel = ? AND offset > ? ORDER BY offset"
_OVER: Final = """
DELETE FROM publications WHERE seq IN (
    SELECT seq FROM publications WHERE expires_ms <= ? ORDER BY expires_ms LIMIT ?)
"""
_OLDEST: Final = "DELETE FROM publications WHERE seq IN (SELECT seq FROM publications ORDER BY seq LIMIT ?)"
_UNUSED: Final = "SELECT id FROM channels ORDER BY used_ms LIMIT ?"


class History:
    """See :class:`jitterbug.stores.base.Broker`."""

    def __init__(
        self,
        connection: sqlite3.Connection,
        epoch: str,
        retention: Retention,
        *,
        max_channels: int,
        max_file_bytes: int,
    ) -> None:
        """Args: epoch: for new channels; the rest as :class:`jitterbug.stores.sqlite.SqliteStore` has it."""
        self._execute = connection.execute
        self._connection = connection
        self._epoch = epoch
        self._retention = retention
        self._max_channels = max_channels
        self._max_pages = max_file_bytes // self._number("PRAGMA page_size")
        self._channel_count = self._number("SELECT count(*) FROM channels")

    def append(
        self, channel: str, data: bytes, publication_id: bytes | None, now_ms: int
    ) -> tuple[Position, PreparedPublication | None]:
        """Append; None for a repetition, which is delivered to nobody."""
        size, ttl_s = limits = self._retention.limits(channel)
        row = self._execute(_CHANNEL, (channel,)).fetchone()
        key, epoch, offset = row or self._new_channel(channel, now_ms)
        if publication_id is not None and not limits.keeps_nothing:
            first = self._number(_NAMED, key, publication_id, now_ms, offset - size)
            if first:
                return Position(epoch, first), None
        offset += 1
        self._execute(_MOVE, (offset, now_ms, key))
        if not limits.keeps_nothing:
            self._execute(_ADD, (key, offset, now_ms + int(ttl_s * 1_000), publication_id, data))
            self._execute(_TOO_MANY, (key, offset - size))
        position = Position(epoch, offset)
        return position, PreparedPublication(channel, position, data)

    def read(self, channel: str, since: Position | None, now_ms: int) -> Backlog:
        """Read what came after a position."""
        key, epoch, offset = self._execute(_CHANNEL, (channel,)).fetchone() or (0, self._epoch, 0)
        here = Position(epoch, offset)
        if since is None or since == here:
            return Backlog(here)
        if since.epoch != epoch or since.offset > offset:
            return Backlog(here, lost=GapReason.EPOCH)
        limits, missing = self._retention.limits(channel), offset - since.offset
        if limits.keeps_nothing or missing > limits.size:
            return Backlog(here, lost=GapReason.EXPIRED)
        rows = self._execute(_SINCE, (key, since.offset)).fetchall()
        # Complete or nothing, whatever was tidied up when, and however long each was to be kept.
        if len(rows) != missing or any(expires_ms <= now_ms for _, expires_ms, _ in rows):
            return Backlog(here, lost=GapReason.EXPIRED)
        return Backlog(here, [PreparedPublication(channel, Position(epoch, at), data) for at, _, data in rows])

    def tidy(self, now_ms: int) -> bool:
        """Delete some of what is over, and the oldest of all while the file is too large; tell if there may be more."""
        over = self._execute(_OVER, (now_ms, _TIDY_ROWS)).rowcount
        oldest = self._execute(_OLDEST, (_TIDY_ROWS,)).rowcount if self._used_pages() > self._max_pages else 0
        return _TIDY_ROWS in {over, oldest}

    def look_again(self) -> None:
        """Forget what was changed here in a transaction that came to nothing."""
        self._epoch = meta(self._connection, "epoch")
        self._channel_count = self._number("SELECT count(*) FROM channels")

    def _new_channel(self, channel: str, now_ms: int) -> tuple[int, str, int]:
        if self._channel_count >= self._max_channels:
            self._forget_channels()
        key = self._execute(_NEW_CHANNEL, (channel, self._epoch, now_ms)).lastrowid
        self._channel_count += 1
        return int(key or 0), self._epoch, 0

    def _forget_channels(self) -> None:
        """Make room: those not published to for longest go, and come back in another epoch."""
        unused = self._execute(_UNUSED, (min(_FORGET_CHANNELS, self._max_channels // 10 + 1),)).fetchall()
        self._connection.executemany("DELETE FROM publications WHERE channel = ?", unused)
        self._connection.executemany("DELETE FROM channels WHERE id = ?", unused)
        self._channel_count -= len(unused)
        self._epoch = new_epoch()
        set_meta(self._connection, "epoch", self._epoch)

    def _used_pages(self) -> int:
        return self._number("PRAGMA page_count") - self._number("PRAGMA freelist_count")

    def _number(self, statement: str, *values: object) -> int:
        return int(self._execute(statement, values).fetchone()[0] or 0)
