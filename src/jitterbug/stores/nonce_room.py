"""How many nonces a node remembers, and whose (REQUIREMENTS §2.3): one login cannot refuse everybody else's frames."""

import math
from typing import Final

from jitterbug.config import Config
from jitterbug.protocol.replay import ReplayWindow

MAX_NONCES: Final = 1_000_000
"""In all; then frames are refused."""
RESERVED_NONCES: Final = 100_000
"""Of those, what is kept free for configured keys: no crowd of logins stops the back ends."""
NONCES_PER_KID: Final = 200_000
"""For one configured key."""
_LEAST_SESSIONS: Final = 10
"""Logins that it takes at least to use up what is there for logins."""
_RECONNECTS: Final = 2
"""A connection that is opened anew begins with a full bucket."""


def nonces_per_session(config: Config) -> int:
    """How many nonces of one login can be held at once when it keeps to its limits; beyond it the login is refused."""
    held_s = (config.skew_ms + config.replay_window_ms) / 1_000 + 1  # forgotten a second at a time
    per_connection = config.rate_capacity + math.ceil(config.rate_refill_per_s * held_s)
    connections = config.max_connections_per_session + 1  # and the frames that name none
    most = (MAX_NONCES - RESERVED_NONCES) // _LEAST_SESSIONS
    return min(most, _RECONNECTS * connections * per_connection)


def nonce_window(window_ms: int, per_session: int) -> ReplayWindow:
    """An empty window of that room. Args: window_ms: see ReplayWindow. per_session: :func:`nonces_per_session`."""
    return ReplayWindow(
        window_ms,
        max_entries=MAX_NONCES,
        max_entries_per_kid=NONCES_PER_KID,
        max_entries_per_share=per_session,
        reserved_entries=RESERVED_NONCES,
    )
