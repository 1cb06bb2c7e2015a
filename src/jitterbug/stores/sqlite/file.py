"""The file: made for its owner alone, held by one hub at a time, and never another program's."""

import os
import sqlite3
import stat
from pathlib import Path
from typing import Final

from jitterbug.errors import SettingError

SETTING: Final = "JITTERBUG_ENGINE"
APPLICATION_ID: Final = 0x4A425547
"""``JBUG``; see https://sqlite.org/pragma.html#pragma_application_id."""
VERSION: Final = 1
_PAGE_BYTES: Final = 4_096
_SCHEMA: Final = f"""
CREATE TABLE meta (name TEXT PRIMARY KEY, value) WITHOUT ROWID;
CREATE TABLE channels (
    id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, epoch TEXT NOT NULL, offset INTEGER NOT NULL,
    used_ms INTEGER NOT NULL
);
CREATE TABLE publications (
    seq INTEGER PRIMARY KEY, channel INTEGER NOT NULL, offset INTEGER NOT NULL, expires_ms INTEGER NOT NULL,
    publication_id BLOB, data BLOB NOT NULL
);
CREATE UNIQUE INDEX publication_place ON publications (channel, offset);
CREATE INDEX publication_end ON publications (expires_ms);
CREATE INDEX publication_name ON publications (channel, publication_id) WHERE publication_id IS NOT NULL;
CREATE TABLE nonces (
    id INTEGER PRIMARY KEY, kid TEXT NOT NULL, nonce TEXT NOT NULL, ts INTEGER NOT NULL, claimed_ms INTEGER NOT NULL,
    ends_ms INTEGER NOT NULL
);
CREATE INDEX nonce_end ON nonces (ends_ms);
PRAGMA application_id = {APPLICATION_ID};
PRAGMA user_version = {VERSION};
"""


def open_file(path: Path) -> sqlite3.Connection:
    """Open the file, or make it, and hold it until the connection is closed or the process ends.

    Args:
        path: Its folder must be there.

    Returns:
        A connection that any thread may use, one at a time; transactions are begun and ended by hand.

    Raises:
        SettingError: It cannot be made or read, others may read it, another process holds it, or another program or
            a later version made it.
    """
    connection: sqlite3.Connection | None = None
    try:
        _make(path)
        # Never waits for a lock: two hubs on one file is a mistake, not a queue.
        connection = sqlite3.connect(path, timeout=0, isolation_level=None, check_same_thread=False)
        _hold(connection)
    except BaseException as error:
        if connection is not None:
            connection.close()
        if isinstance(error, OSError):
            raise SettingError(
                SETTING,
                f"names a file that cannot be made or read ({type(error).__name__})",
                remedy="Make its folder, and give the hub's user the right to read and write there.",
            ) from None
        if isinstance(error, sqlite3.Error):
            raise _refusal(error) from None
        raise
    return connection


def _make(path: Path) -> None:
    """Make an empty file unless there is one.

    One that is there is only looked at: closing a descriptor of it would let go of the locks that another store in this
    process holds (POSIX ``fcntl``; https://sqlite.org/howtocorrupt.html#_posix_advisory_locks_canceled).
    """
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
    except FileExistsError:
        mode = path.stat().st_mode
        if not stat.S_ISREG(mode):
            raise SettingError(SETTING, "names something that is not a file", remedy="Name another.") from None
        if os.name == "posix" and mode & 0o077:
            raise SettingError(
                SETTING, "names a file that other users may open", remedy="Make it the hub's alone: chmod 600."
            ) from None


def _hold(connection: sqlite3.Connection) -> None:
    execute = connection.execute
    # Held from the first lock on until the connection is closed. No -shm file is needed then.
    execute("PRAGMA locking_mode = EXCLUSIVE")
    execute(f"PRAGMA page_size = {_PAGE_BYTES}")
    execute("BEGIN EXCLUSIVE")
    is_new = not execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
    made_by, version = (execute(f"PRAGMA {name}").fetchone()[0] for name in ("application_id", "user_version"))
    execute("COMMIT")
    if made_by != APPLICATION_ID and not (is_new and made_by == 0):
        raise SettingError(SETTING, "names a file of another program", remedy="Name another, or a new one.")
    if not is_new and version != VERSION:
        raise SettingError(
            SETTING, "names a file of another version of the hub", remedy="Run that version, or name a new file."
        )
    execute("PRAGMA journal_mode = WAL")
    execute("PRAGMA synchronous = NORMAL")
    # What is over is overwritten where that costs no further write.
    execute("PRAGMA secure_delete = FAST")
    if is_new:
        connection.executescript(f"BEGIN EXCLUSIVE; {_SCHEMA} COMMIT;")


def _refusal(error: sqlite3.Error) -> SettingError:
    if primary_code(error) in {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}:
        return SettingError(
            SETTING, "names a file that another process holds", remedy="Give each hub a file of its own, or end it."
        )
    if primary_code(error) == sqlite3.SQLITE_NOTADB:
        return SettingError(SETTING, "names a file that is no SQLite database", remedy="Name another, or a new one.")
    return SettingError(
        SETTING, f"names a file that cannot be opened ({error_name(error)})", remedy=remedy_of(error)
    )  # fmt: skip


def primary_code(error: sqlite3.Error) -> int:
    """SQLite's primary result code, 0 where it is not SQLite's own error."""
    return int(getattr(error, "sqlite_errorcode", 0)) & 0xFF


def error_name(error: BaseException) -> str:
    """SQLite's name of an error, such as ``SQLITE_FULL``; else that of its class."""
    return str(getattr(error, "sqlite_errorname", type(error).__name__))


def remedy_of(error: BaseException) -> str:
    """What the person on call can do, one sentence."""
    code = primary_code(error) if isinstance(error, sqlite3.Error) else 0
    return {
        sqlite3.SQLITE_FULL: "Free space on the disk that holds the history file.",
        sqlite3.SQLITE_READONLY: "Give the hub's user the right to write to the history file and its folder.",
        sqlite3.SQLITE_CANTOPEN: "Give the hub's user the right to write to the history file and its folder.",
        sqlite3.SQLITE_BUSY: "End the other program that holds the history file.",
        sqlite3.SQLITE_CORRUPT: "Stop the hub and move the history file away; readers are told that history is lost.",
        sqlite3.SQLITE_NOTADB: "Stop the hub and move the history file away; readers are told that history is lost.",
    }.get(code, "Check the disk that holds the history file; the system's log may say more.")
