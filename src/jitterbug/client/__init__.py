"""The Python client: verified streams, and publishing from a back end.

Needs ``httpx2``, and ``websockets`` for a WebSocket: ``pip install "jitterbug-push[client]"``.
"""

from jitterbug.client.client import Stream, connect
from jitterbug.client.notices import Joined, Left, Notice, Paced, Rotated, Stats, Status, Unsubscribed
from jitterbug.client.publisher import Publisher
from jitterbug.client.refusals import (
    ClosedError,
    ForbiddenError,
    HubError,
    InsecureError,
    InternalError,
    InvalidRequestError,
    LifetimeError,
    MissingError,
    NetworkError,
    RateLimitedError,
    RevokedError,
    TooLargeError,
    UnauthorizedError,
    UnavailableError,
    UnconfirmedError,
    UnopenedError,
    UnreadableError,
)
from jitterbug.protocol.position import Position
from jitterbug.protocol.session import Gap, Publication
from jitterbug.protocol.verifying import Refused

__all__ = [
    "ClosedError",
    "ForbiddenError",
    "Gap",
    "HubError",
    "InsecureError",
    "InternalError",
    "InvalidRequestError",
    "Joined",
    "Left",
    "LifetimeError",
    "MissingError",
    "NetworkError",
    "Notice",
    "Paced",
    "Position",
    "Publication",
    "Publisher",
    "RateLimitedError",
    "Refused",
    "RevokedError",
    "Rotated",
    "Stats",
    "Status",
    "Stream",
    "TooLargeError",
    "UnauthorizedError",
    "UnavailableError",
    "UnconfirmedError",
    "UnopenedError",
    "UnreadableError",
    "Unsubscribed",
    "connect",
]
