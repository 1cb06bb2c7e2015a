"""Every word that crosses the wire or names a refusal, in one place (PROTOCOL §1, §4, §7)."""

from enum import StrEnum
from typing import Final

PROTOCOL_VERSION: Final = 1
MAX_SAFE_INTEGER: Final = 2**53 - 1
USUAL_HEARTBEAT_S: Final = 15
"""What a client expects unless ``hello`` names another interval."""
MAX_DEPTH: Final = 32
"""Nesting a frame may have, the frame object itself being 1."""


class Refusal(StrEnum):
    """Why a frame was refused. For logs, metrics and audit; never sent to a peer (R60).

    In the order in which the checks are made.
    """

    SIZE = "size"
    GRAMMAR = "grammar"
    RATE = "rate"
    KEY = "key"
    STALE = "stale"
    SIGNATURE = "signature"
    REPLAY = "replay"
    CLOCK = "clock"
    FULL = "full"
    TYPE = "type"
    ORDER = "order"


class ErrorCode(StrEnum):
    """The four things a peer is ever told (PROTOCOL §7)."""

    UNAUTHORIZED = "unauthorized"
    INVALID = "invalid request"
    RATE_LIMITED = "rate limited"
    INTERNAL = "internal error"


class Down(StrEnum):
    """Payload types from hub to client."""

    HELLO = "hello"
    SUBSCRIBED = "subscribed"
    UNSUBSCRIBED = "unsubscribed"
    MSG = "msg"
    GAP = "gap"
    HB = "hb"
    JOIN = "join"
    LEAVE = "leave"
    ACK = "ack"
    ERR = "err"
    REKEY = "rekey"
    BYE = "bye"


class Up(StrEnum):
    """Payload types from client to hub. Shares no word with :class:`Down`, so no frame can be reflected."""

    SUB = "sub"
    UNSUB = "unsub"
    PUB = "pub"
    CONFIRM = "confirm"
    REPORT = "report"
    PING = "ping"


PUBLISH: Final = "publish"
"""Payload type of a back end's publication (PROTOCOL §6)."""


class ByeReason(StrEnum):
    """Why a stream ends."""

    SHUTDOWN = "shutdown"
    KEY_EXPIRED = "key_expired"
    REVOKED = "revoked"
    SLOW = "slow"
    RATE = "rate"
    LIFETIME = "lifetime"


class GapReason(StrEnum):
    """Why publications were lost."""

    OVERFLOW = "overflow"
    EXPIRED = "expired"
    EPOCH = "epoch"


class ReportKind(StrEnum):
    """What a client may report having seen."""

    SIGNATURE = "signature"
    REPLAY = "replay"
    STALE = "stale"
    GAP = "gap"
    ORDER = "order"
