"""SIGHUP: settings are read again, and what can change under open streams changes (PROTOCOL §2, root keys)."""

import asyncio
import logging
import signal
from collections.abc import Callable, Iterator, Mapping
from dataclasses import fields
from typing import TYPE_CHECKING, Any, Final

from jitterbug.config import Config, PublisherKey, Secret
from jitterbug.errors import SettingError
from jitterbug.server.rules import check_rules
from jitterbug.settings import Settings, names

if TYPE_CHECKING:
    from jitterbug.server.app import Jitterbug

_LOG = logging.getLogger("jitterbug.server")
_TAKEN_OVER: Final = {
    "hmac_key_id": names.HMAC_KEY_ID,
    "hmac_secret": names.HMAC_SECRET,
    "hmac_previous_keys": names.HMAC_PREVIOUS_KEYS,
    "publisher_keys": names.PUBLISHER_KEYS,
    "allowed_origins": names.ALLOWED_ORIGINS,
}
Read = Callable[[], Settings]


class Reload:
    """Root keys, publisher keys and allowed origins change; whatever else differs is told to need a restart."""

    def __init__(self, read: Read, settings: Settings, push: "Jitterbug") -> None:
        """Start from the settings in force.

        Args:
            read: Reads all settings again. Raises SettingError.
            settings: What was read at the start.
            push: The hub.
        """
        self._read = read
        self._at_start = settings
        self._in_force = settings.config
        self._push = push

    def on_hangup(self) -> None:
        """Be called at SIGHUP from now on, in the running loop. Does nothing where there is no such signal."""
        if hasattr(signal, "SIGHUP"):
            asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, self)

    def __call__(self) -> None:
        """Read, check everything, then take over; settings that do not hold change nothing."""
        try:
            settings = self._read()
            check_rules(settings)
        except SettingError as error:
            _LOG.error("Settings not reloaded, the old ones stay: %s", error)
            return
        except Exception:
            _LOG.exception("Settings not reloaded, the old ones stay")
            return
        changed = [name for field, name in _TAKEN_OVER.items() if _differs(self._in_force, settings.config, field)]
        if changed:
            self._push.adopt(settings.config)
            self._in_force = settings.config
        _LOG.info("Settings reloaded: %s", ", ".join(changed) or "nothing changed")
        waiting = sorted(_need_a_restart(self._at_start, settings))
        if waiting:
            _LOG.warning("Changed, but not before a restart: %s", ", ".join(waiting))


def _need_a_restart(old: Settings, new: Settings) -> Iterator[str]:
    for item in fields(Settings):
        if item.name != "config" and _differs(old, new, item.name):
            yield names.full(item.name.upper())
    for item in fields(Config):
        if item.name not in _TAKEN_OVER and _differs(old.config, new.config, item.name):
            yield names.full(item.metadata.get("setting", item.name.upper()))


def _differs(old: object, new: object, field: str) -> bool:
    return bool(_plain(getattr(old, field)) != _plain(getattr(new, field)))


def _plain(value: Any) -> Any:
    """Secrets compare by what they are only when they are looked into."""
    if isinstance(value, Secret):
        return value.reveal()
    if isinstance(value, PublisherKey):
        return value.secret.reveal(), value.channels
    if isinstance(value, Mapping):
        return {name: _plain(item) for name, item in value.items()}
    return value
