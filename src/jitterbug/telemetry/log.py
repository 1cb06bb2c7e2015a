"""Facts as log lines: the cause of every refusal, under the request id the peer was given (R64)."""

import logging
from typing import Final

from jitterbug.telemetry.events import Fact, FactCode

_LOG = logging.getLogger("jitterbug.security")
_QUIET: Final = {
    FactCode.FRAME_VERIFIED,
    FactCode.KEY_CONFIRMED,
    FactCode.KEY_ISSUED,
    FactCode.CONNECTION_OPENED,
    FactCode.CONNECTION_CLOSED,
    FactCode.SESSION_OPENED,
    FactCode.PERFORMANCE,
    FactCode.PUBLISHED,
}


def is_refusal(fact: Fact) -> bool:
    """Whether it is written as a warning."""
    return fact.code not in _QUIET


def log_fact(fact: Fact) -> None:
    """Write one line: refusals as warnings, the ordinary at debug level."""
    level = logging.WARNING if is_refusal(fact) else logging.DEBUG
    if not _LOG.isEnabledFor(level):
        return
    members = {
        "reason": str(fact.reason) if fact.reason is not None else None,
        "request": fact.request_id,
        "address": fact.address,
        "session": fact.session,
        "conn": fact.conn,
        "kid": f"{fact.kid[:8]}…" if fact.kid else None,
        "channel": fact.channel,
        "count": fact.count if fact.count > 1 else None,
        "figures": dict(fact.figures) if fact.figures is not None else None,
    }
    # %r: whatever a peer wrote stays on this line.
    text = " ".join(f"{name}={value!r}" for name, value in members.items() if value is not None)
    _LOG.log(level, "%s %s", fact.code.value, text)
