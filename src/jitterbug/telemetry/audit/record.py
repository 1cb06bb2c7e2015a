"""What stands in an audit record: who, when, what, how it ended (R83-R87)."""

import hashlib
from datetime import UTC, datetime
from typing import Any, Final

from jitterbug.telemetry.events import Fact, FactCode

_REFUSALS: Final = {
    FactCode.AUTH_FAILED,
    FactCode.CONNECTION_REFUSED,
    FactCode.EMITTER_FAILED,
    FactCode.FRAME_REFUSED,
    FactCode.INTERNAL_ERROR,
    FactCode.KEY_REFUSED,
    FactCode.PUBLISH_REFUSED,
    FactCode.RATE_LIMITED,
    FactCode.SUBSCRIBE_REFUSED,
}


def utc(at_ms: int) -> str:
    """Unix milliseconds as RFC 3339 text in UTC, to the millisecond."""
    return datetime.fromtimestamp(at_ms / 1_000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def kid_hash(kid: str) -> str:
    """A short name for a key id that cannot be used as one."""
    # A stranger may claim anything for a kid, lone surrogates too.
    return hashlib.sha256(b"jitterbug kid\0" + kid.encode(errors="surrogatepass")).hexdigest()[:16]


def members_of(fact: Fact, at_ms: int, node: str) -> dict[str, Any]:
    """A fact as the members of a record. No secret, no payload, no raw session id or kid.

    Args:
        fact: What happened.
        at_ms: When, Unix milliseconds.
        node: Where.
    """
    members = {
        "at": utc(at_ms),
        "event": fact.code.value,
        "outcome": "refused" if fact.code in _REFUSALS else "done",
        "reason": fact.reason,
        "kid": kid_hash(fact.kid) if fact.kid else None,
        "session": fact.session,
        "address": fact.address,
        "conn": fact.conn,
        "channel": fact.channel,
        "request": fact.request_id,
        "count": fact.count,
        "figures": dict(fact.figures) if fact.figures is not None else None,
        "node": node,
    }
    return {name: value for name, value in members.items() if value is not None}
