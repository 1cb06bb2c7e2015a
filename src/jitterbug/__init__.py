"""Jitterbug: real-time push in which every frame is signed and the browser verifies it.

::

    push = Jitterbug(session=resolve, authorize=rule)
    app = FastAPI(lifespan=push.lifespan)
    push.install(app)
"""

from typing import TYPE_CHECKING, Any

from jitterbug.config import Config
from jitterbug.errors import FrameTooLargeError, JitterbugError, PublishError, SecurityError, SettingError, StoreError
from jitterbug.hub.sessions import Session
from jitterbug.protocol.position import Position
from jitterbug.server.app import Jitterbug

if TYPE_CHECKING:
    from jitterbug.client import connect

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
    "connect",
]


def __getattr__(name: str) -> Any:
    # The client brings an HTTP library with it: loaded when it is asked for.
    if name == "connect":
        from jitterbug.client import connect  # noqa: PLC0415

        return connect
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
