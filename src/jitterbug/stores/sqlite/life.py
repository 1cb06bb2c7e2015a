"""Where one life of the file ended and the next begins: what a power cut may have taken is never given out again."""

import sqlite3
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from jitterbug.stores.memory import new_epoch

_BOOT_ID: Final = Path("/proc/sys/kernel/random/boot_id")
_UNKNOWN: Final = "unknown"


@dataclass(frozen=True, slots=True)
class Life:
    """How the file was found.

    Attributes:
        epoch: For channels that are new.
        lost_power: Whether the system may have gone down with what was only in its memory.
    """

    epoch: str
    lost_power: bool


def boot_id() -> str | None:
    """What names this run of the system's kernel; None where the system does not say."""
    try:
        return _BOOT_ID.read_text("ascii").strip() or None
    except OSError:
        return None


def begin(connection: sqlite3.Connection) -> Life:
    """Mark the file as in use, on disk before anything is answered; after a power cut, start all channels anew.

    A process that was killed loses nothing that was committed: the system still has it. So without an end in order
    everything stands, if the system has been up since; if not, or if nobody knows, offsets that were given out may be
    missing here, and only another epoch keeps them from being given out again for other publications.

    Raises:
        sqlite3.Error: The disk did not take it.
    """
    boot = boot_id()
    connection.execute("PRAGMA synchronous = FULL")
    try:
        with connection:
            connection.execute("BEGIN")
            running, epoch = meta(connection, "running"), meta(connection, "epoch")
            lost_power = running is not None and (boot is None or running != boot)
            if lost_power:
                connection.execute("DELETE FROM publications")
                connection.execute("DELETE FROM channels")
            if epoch is None or lost_power:
                epoch = new_epoch()
                set_meta(connection, "epoch", epoch)
            set_meta(connection, "running", boot or _UNKNOWN)
    finally:
        connection.execute("PRAGMA synchronous = NORMAL")
    return Life(str(epoch), lost_power)


def end(connection: sqlite3.Connection) -> None:
    """Mark the end in order, once everything before is on disk.

    Raises:
        sqlite3.Error: The disk did not take it; the next start then tells by the system's run.
    """
    connection.execute("PRAGMA synchronous = FULL")
    with connection:
        connection.execute("BEGIN")
        set_meta(connection, "running", None)
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def meta(connection: sqlite3.Connection, name: str) -> Any:
    """Read one of the file's own values; None when it was never set."""
    row = connection.execute("SELECT value FROM meta WHERE name = ?", (name,)).fetchone()
    return row and row[0]


def set_meta(connection: sqlite3.Connection, name: str, value: str | int | None) -> None:
    """Write one of the file's own values."""
    connection.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (name, value))
