"""Jitterbug: real-time push in which every frame is signed and the browser verifies it.

::

    push = Jitterbug(session=resolve, authorize=rule)
    app = FastAPI(lifespan=push.lifespan)
    push.install(app)
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

from jitterbug.errors import (
    FrameTooLargeError,
    JitterbugError,
    PublishError,
    SecurityError,
    SettingError,
    StoreError,
    UnfitError,
)

if TYPE_CHECKING:
    from jitterbug.client import connect
    from jitterbug.config import Config
    from jitterbug.hub.sessions import Session
    from jitterbug.protocol.position import Position
    from jitterbug.server.app import Jitterbug

__all__ = [
    "Config",
    "FrameTooLargeError",
    "Jitterbug",
    "JitterbugError",
    "Position",
    "PublishError",
    "SecurityError",
    "Session",
    "SettingError",
    "StoreError",
    "UnfitError",
    "connect",
]

_HOMES: Final = {
    "Config": "jitterbug.config",
    "Jitterbug": "jitterbug.server.app",
    "Position": "jitterbug.protocol.position",
    "Session": "jitterbug.hub.sessions",
    "connect": "jitterbug.client",
}
"""Loaded when asked for: a hub needs no HTTP client, a client no web framework, the command line's help neither."""


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = globals()[name] = getattr(import_module(_HOMES[name]), name)
    return found
