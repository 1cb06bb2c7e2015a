"""What follows the end of a stream: a table from the way it ended to the next step. Pure (PROTOCOL §4, §5, §7)."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final, Literal

from jitterbug.client import refusals
from jitterbug.errors import JitterbugError
from jitterbug.protocol.codes import ByeReason

SPIN_MS: Final = 1_000
"""A stream this short does not earn coming back at once, or two sides at odds would spin."""
_MAX_RETRY_MS: Final = 3_600_000


@dataclass(frozen=True, slots=True)
class Step:
    """What to do next.

    Attributes:
        code: Why, for a status.
        stop: Never come back.
        another_key: Take another key than this stream's.
        wait: ``none`` = at once; ``exact`` = after ``asked_ms``, which the hub has jittered; ``backoff`` = full jitter,
            and not before ``asked_ms``.
        asked_ms: Milliseconds the hub asked for; 0 = none.
        error: What stopped or delayed it; None where the stream just ended.
    """

    code: str
    stop: bool = False
    another_key: bool = False
    wait: Literal["none", "exact", "backoff"] = "backoff"
    asked_ms: float = 0.0
    error: JitterbugError | None = None


CUT: Final = Step("JB_CUT")
"""It just ended."""
SILENT: Final = Step("JB_SILENT")
"""No good frame for two heartbeats."""
HELD: Final = Step("JB_HELD")
"""No ``hello`` came in time, though another transport may be faster."""
HOLE: Final = Step("JB_HOLE")
"""Frames are missing."""
BEHIND: Final = Step("JB_BEHIND", wait="none")
"""The application is too far behind; the rest is fetched from history once it has caught up."""
KEY_MISSING: Final = Step("JB_KEY_MISSING", another_key=True)
"""The hub goes on with a key this client does not hold."""
KEY_REFUSED: Final = Step("JB_KEY_REFUSED", another_key=True)
"""The hub did not take what a key of this client signed, though the connection is open."""

_BYE_CODES: Final[Mapping[ByeReason, str]] = {
    ByeReason.SHUTDOWN: "JB_SHUTDOWN",
    ByeReason.KEY_EXPIRED: "JB_KEY_EXPIRED",
    ByeReason.REVOKED: "JB_REVOKED",
    ByeReason.SLOW: "JB_SLOW",
    ByeReason.RATE: "JB_RATE_LIMITED",
    ByeReason.LIFETIME: "JB_LIFETIME",
}
_STOPS: Final = (refusals.ForbiddenError, refusals.RevokedError, refusals.InsecureError)
_STOPS_AT_FIRST: Final = (refusals.InvalidRequestError, refusals.UnreadableError, refusals.TooLargeError)
"""What worked once can fail in passing (a proxy during a deployment); what never worked is set up wrongly."""


def after_bye(payload: Mapping[str, Any], live_ms: float) -> Step:
    """The step after a verified ``bye``.

    Args:
        payload: Of the frame; an unknown reason counts as a plain end.
        live_ms: How long the stream was live.
    """
    reason, retry_ms = payload.get("reason"), payload.get("retry")
    if not isinstance(reason, str) or reason not in ByeReason.__members__.values():
        return CUT
    step = Step(_BYE_CODES[ByeReason(reason)])
    if reason == ByeReason.REVOKED:
        return replace(step, stop=True, error=refusals.RevokedError())
    if reason == ByeReason.LIFETIME:  # no key can be had any more, so none is asked for
        return replace(step, stop=True, error=refusals.LifetimeError())
    if reason == ByeReason.KEY_EXPIRED:
        return replace(step, another_key=True, wait="none" if live_ms >= SPIN_MS else "backoff")
    if type(retry_ms) is int and 0 < retry_ms <= _MAX_RETRY_MS:
        return replace(step, wait="exact", asked_ms=float(retry_ms))
    return step


def after_error(error: JitterbugError, *, keyless: bool, fresh_key: bool, may_pass: bool) -> Step:
    """The step after a try that did not get a stream.

    Args:
        error: What came instead.
        keyless: Already the key could not be had.
        fresh_key: The key was fetched for this very try.
        may_pass: A stream has been live before, or another transport comes next that has not failed yet.
    """
    asked_ms = error.retry_after_s * 1_000 if isinstance(error, refusals.HubError) else 0
    step = Step(error.code, asked_ms=float(asked_ms), error=error)
    if isinstance(error, _STOPS) or (isinstance(error, _STOPS_AT_FIRST) and not may_pass):
        return replace(step, stop=True)
    if isinstance(error, refusals.UnopenedError):
        # Not every server tells the hub's reason: it may have been the key. With another, the hub says so again.
        return replace(step, another_key=not fresh_key)
    if isinstance(error, refusals.UnauthorizedError):
        # A stream's 401 may be the key's: once with another. With a fresh one, or no key at all, it is the user's.
        return replace(step, stop=True) if keyless or fresh_key else replace(step, another_key=True, wait="none")
    return step
