"""Accepted nonces in a table, for the next life of the hub (PROTOCOL §1 step 5, R33)."""

import sqlite3
from typing import Final

from jitterbug.protocol.replay import ReplayWindow
from jitterbug.stores.sqlite.life import meta, set_meta

_TIDY_ROWS: Final = 1_000
_SLOT_MS: Final = 1_000
_FLOOR: Final = "nonce_floor_ms"
_ADD: Final = "INSERT INTO nonces (kid, nonce, ts, claimed_ms, ends_ms) VALUES (?, ?, ?, ?, ?)"
_ALL: Final = "SELECT kid, nonce, ts, claimed_ms FROM nonces ORDER BY id"
_OVER: Final = "DELETE FROM nonces WHERE id IN (SELECT id FROM nonces WHERE ends_ms <= ? ORDER BY ends_ms LIMIT ?)"


class Nonces:
    """What :class:`~jitterbug.protocol.replay.ReplayWindow` holds in memory, kept over a restart."""

    def __init__(self, connection: sqlite3.Connection, window_ms: int) -> None:
        """Args: window_ms: see :class:`~jitterbug.protocol.replay.ReplayWindow`."""
        self._connection = connection
        self._window_ms = window_ms
        self._now_ms = 0

    def load(self, window: ReplayWindow) -> None:
        """Claim again, in the order of old, whatever was accepted and is not over.

        Frames not newer than what was forgotten are refused, should the clock have stepped back meanwhile.
        """
        for kid, nonce, ts, claimed_ms in self._connection.execute(_ALL):
            window.claim(kid, nonce, ts, claimed_ms)
        window.distrust(int(meta(self._connection, _FLOOR) or -1))

    def add(self, kid: str, nonce: str, ts: int, now_ms: int) -> None:
        """Write down a nonce that was accepted."""
        self._now_ms = now_ms
        ends_ms = ((max(ts, now_ms) + self._window_ms) // _SLOT_MS + 1) * _SLOT_MS
        self._connection.execute(_ADD, (kid, nonce, ts, now_ms, ends_ms))

    def tidy(self) -> bool:
        """Delete some of what is over, by the time of the last claim as in memory; tell if there may be more."""
        newest = self._connection.execute("SELECT max(ts) FROM nonces WHERE ends_ms <= ?", (self._now_ms,)).fetchone()
        if newest[0] is None:
            return False
        set_meta(self._connection, _FLOOR, max(newest[0], int(meta(self._connection, _FLOOR) or -1)))
        return self._connection.execute(_OVER, (self._now_ms, _TIDY_ROWS)).rowcount == _TIDY_ROWS
