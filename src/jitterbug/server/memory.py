"""The most memory a hub may take, as a sum: counts times bytes each (docs/memory.md; R57, REQUIREMENTS §2.26).

The bytes are those of CPython 3.11 on 64 bits, rounded up. ``tests/security/test_memory_costs.py`` measures each,
``tests/security/test_memory_attacks.py`` attacks a hub and holds what it takes against the sum.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from jitterbug.config import Config
from jitterbug.hub.channels import MAX_CHANNELS_PER_CONNECTION
from jitterbug.hub.fan_out import MOST_DUE
from jitterbug.hub.sessions import MAX_REVOKED
from jitterbug.stores.nonce_room import MAX_NONCES

CHANNELS: Final = 100_000
HISTORY_BYTES: Final = 268_435_456
"""Of all channels together."""
LOGINS: Final = 100_000
WINDOWS: Final = 100_000
STRAYS: Final = 10_000
FAILING_ADDRESSES: Final = 10_000
FACTS: Final = 10_000
HEAD_BYTES: Final = 65_536
"""Of a request, before it is complete."""
HEADERS: Final = 128
REQUESTS: Final = 17
"""One that is served, and those that may wait behind it on the same socket."""
OWN_FRAMES: Final = 1_024
PENDING_BYTES: Final = 65_536
OWN_FRAMES_A_FLUSH: Final = 256

_HEADER_BYTES: Final = 200
"""Two objects, a tuple and a place in a list, whatever is in it."""
_REQUEST_BYTES: Final = 5_000
_OWN_FRAME_BYTES: Final = 900
_FRAMING_BYTES: Final = 160
"""Cursor, field names and chunk length around a frame on the wire."""
_REFERENCE_BYTES: Final = 9
_SOCKET_BYTES: Final = 10_000
_STREAM_BYTES: Final = 35_000
_SUBSCRIPTION_BYTES: Final = 1_300
_CHANNEL_BYTES: Final = 1_400
_PUBLICATION_BYTES: Final = 1_200
_LOGIN_BYTES: Final = 600
_NONCE_BYTES: Final = 520
_WINDOW_BYTES: Final = 1_000
_HIT_BYTES: Final = 46
_STRAY_BYTES: Final = 450
_FAILING_ADDRESS_BYTES: Final = 1_400
_FAILING_PUBLISHER_BYTES: Final = 500
_FACT_BYTES: Final = 700
_REVOCATION_BYTES: Final = 230
_CHANGE_BYTES: Final = 500


@dataclass(frozen=True, slots=True)
class Term:
    """One summand.

    Attributes:
        name: What is counted.
        each_bytes: What one takes at most.
        most: The most there can be; None = no number stands against it, only time.
        bound: What the number comes from.
    """

    name: str
    each_bytes: int
    most: int | None
    bound: str


def terms(config: Config, sockets: int) -> list[Term]:
    """The formula for one hub.

    Args:
        config: Its settings.
        sockets: Connections the system lets the process accept (``ulimit -n``).
    """
    history_size = max([config.history_size, *(rule.size for rule in config.history_rules)])
    waiting = config.buffer_frames + MAX_CHANNELS_PER_CONNECTION * history_size
    joining = MAX_CHANNELS_PER_CONNECTION * config.buffer_frames
    flush = (
        config.max_frames_per_tick * (config.max_frame_bytes + _FRAMING_BYTES)
        + (OWN_FRAMES_A_FLUSH + MAX_CHANNELS_PER_CONNECTION) * _OWN_FRAME_BYTES
    )
    history = min(CHANNELS * history_size, HISTORY_BYTES // publication_bytes(config))
    streams, settings = config.max_connections, "MAX_CONNECTIONS"
    per_address = config.keys_per_minute * 60
    return [
        Term("socket", _SOCKET_BYTES, sockets, "ulimit -n"),
        Term("head", HEAD_BYTES + HEADERS * _HEADER_BYTES, sockets, "10 s each; a stream keeps its own"),
        Term("request", _REQUEST_BYTES, sockets * REQUESTS, "16 behind one; 30 s to take an answer"),
        Term("stream", _STREAM_BYTES, streams, settings),
        Term("unsent", PENDING_BYTES + flush, streams, settings),
        Term("own", OWN_FRAMES * _OWN_FRAME_BYTES, streams, settings),
        Term("waiting", (waiting + joining + MOST_DUE) * _REFERENCE_BYTES, streams, settings),
        Term("subscription", _SUBSCRIPTION_BYTES, streams * MAX_CHANNELS_PER_CONNECTION, "100 a stream"),
        Term(
            "publication",
            publication_bytes(config),
            history + MOST_DUE + streams * waiting,
            "history, and all that wait",
        ),
        Term("channel", _CHANNEL_BYTES, CHANNELS, "the store"),
        Term("nonce", _NONCE_BYTES, MAX_NONCES, "the store; then frames are refused"),
        Term("login", _LOGIN_BYTES, LOGINS, "the oldest goes"),
        Term("window", _WINDOW_BYTES, WINDOWS, "the oldest goes"),
        Term("hit", _HIT_BYTES, WINDOWS * per_address, "KEYS_PER_MINUTE, 60 times that an address"),
        Term("stray", _STRAY_BYTES, STRAYS, "the oldest goes"),
        Term("failing publisher", _FAILING_PUBLISHER_BYTES, FAILING_ADDRESSES, "the oldest goes"),
        Term("failing address", _FAILING_ADDRESS_BYTES, FAILING_ADDRESSES, "the oldest goes"),
        Term("fact", _FACT_BYTES, FACTS, "audit queue; then they are counted"),
        Term("revocation", _REVOCATION_BYTES, MAX_REVOKED, "the oldest goes"),
        Term("change", _CHANGE_BYTES, None, "logins the application changes in 605 s"),
    ]


def publication_bytes(config: Config) -> int:
    """What one publication takes, however many wait for it: its data alone, and ready to be sent."""
    return 2 * config.max_frame_bytes + _PUBLICATION_BYTES


def largest_bytes(config: Config, sockets: int, counts: Iterable[tuple[str, int]]) -> int:
    """What so many of each may take at most.

    Args:
        config: Settings of the hub.
        sockets: See :func:`terms`.
        counts: Names of terms, with how many there are.

    Raises:
        KeyError: No term has this name.
    """
    each = {term.name: term.each_bytes for term in terms(config, sockets)}
    return sum(each[name] * count for name, count in counts)
