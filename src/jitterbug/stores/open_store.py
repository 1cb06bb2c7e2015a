"""A store by its URL (setting ``ENGINE``, PROTOCOL §9)."""

from pathlib import Path
from typing import Any, Final

from jitterbug.clock import Clock
from jitterbug.config import Config
from jitterbug.errors import SettingError
from jitterbug.stores.base import Store
from jitterbug.stores.memory import MemoryStore
from jitterbug.stores.nonce_room import nonces_per_session

SQLITE: Final = "sqlite:///"


def check_engine(url: str) -> None:
    """Tell whether a store can be opened by this URL, without opening it.

    Raises:
        SettingError: No store of this version has such a URL. The URL, which may hold a password, is not repeated.
    """
    if url == "memory://" or (url.startswith(SQLITE) and url != SQLITE):
        return
    raise SettingError(
        "JITTERBUG_ENGINE",
        "is no store of this version, which runs a single node",
        remedy="Use memory://, or sqlite:///history.db to keep history over a restart.",
    )


def open_store(url: str, clock: Clock, config: Config) -> Store:
    """Make the store that a URL names; a file is opened and held at once.

    Args:
        url: ``memory://``, or ``sqlite:///`` and a path: relative, or absolute with a fourth slash.
        clock: Time.
        config: Limits of history, and the replay window.

    Raises:
        SettingError: No such store, or its file cannot be used; see :func:`jitterbug.stores.sqlite.file.open_file`.
    """
    check_engine(url)
    limits: dict[str, Any] = {
        "history_size": config.history_size,
        "history_ttl_s": config.history_ttl_s,
        "history_rules": config.history_rules,
        "replay_window_ms": config.replay_window_ms,
        "nonces_per_session": nonces_per_session(config),
    }
    if not url.startswith(SQLITE):
        return MemoryStore(clock, **limits)
    from jitterbug.stores.sqlite import SqliteStore  # noqa: PLC0415 - for those who keep history in a file

    store = SqliteStore(Path(url.removeprefix(SQLITE)), clock, **limits)
    store.open()
    return store
