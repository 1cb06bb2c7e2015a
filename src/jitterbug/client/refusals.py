"""What can go wrong between client and hub, one class for each way to go on (PROTOCOL §7).

The texts name no cause, as the hub's answers do not: the cause is in the hub's log, under the request id.
"""

import re
from collections.abc import Mapping
from typing import Final

from jitterbug.errors import JitterbugError

_RETRY_AFTER: Final = re.compile(r"[0-9]{1,6}", re.ASCII)
_DEFAULT_RETRY_AFTER_S: Final = 1


class NetworkError(JitterbugError):
    """No answer came.

    Attributes:
        sent: False when the request cannot have reached the hub, so that repeating it is safe.
    """

    code = "JB_NETWORK"
    remedy = "Check the address and that the hub runs."

    def __init__(self, text: str = "The hub cannot be reached.", *, sent: bool, remedy: str = "") -> None:
        super().__init__(text, remedy=remedy)
        self.sent = sent


class UnopenedError(NetworkError):
    """A WebSocket was not opened, and it was not the hub that said so."""

    code = "JB_UNOPENED"
    remedy = 'Let the proxy pass WebSockets, or leave transport at "auto".'

    def __init__(self) -> None:
        super().__init__("The WebSocket was not opened.", sent=False)


class UnconfirmedError(NetworkError):
    """A publication was sent, its answer was lost, and to send it again could be to publish it twice."""

    code = "JB_UNCONFIRMED"
    remedy = "Look whether it is in the channel before you publish it again."

    def __init__(self) -> None:
        super().__init__("It is not known whether this was published.", sent=True)


class MissingError(JitterbugError):
    """A library that an option needs is not installed."""

    code = "JB_MISSING"
    remedy = "Install jitterbug-push[client]."


class HubError(JitterbugError):
    """The hub said no.

    Attributes:
        retry_after_s: Seconds the hub asked to wait; 0 where it did not.
        request_id: Under which the hub's log has the cause; None where there is none.
    """

    code = "JB_REFUSED"
    text = "The hub refused."
    remedy = "Look for the request id in the hub's log."

    def __init__(self, *, retry_after_s: int = 0, request_id: str | None = None) -> None:
        super().__init__(self.text)
        self.retry_after_s = retry_after_s
        self.request_id = request_id


class RevokedError(HubError):
    """The session ended for good: logout or an operator (HTTP 204, ``bye`` ``revoked``)."""

    code = "JB_REVOKED"
    text = "The hub ended this session."
    remedy = "Log in again."


class LifetimeError(HubError):
    """The session came to the end it was given (``bye`` ``lifetime``)."""

    code = "JB_LIFETIME"
    text = "This session is over."
    remedy = "Log in again."


class UnauthorizedError(HubError):
    """No valid session or key, or no right to the channel (401)."""

    code = "JB_UNAUTHORIZED"
    text = "Unauthorized."
    remedy = "Log in, or ask for the right to the channel."


class ForbiddenError(HubError):
    """Not from here (403)."""

    code = "JB_FORBIDDEN"
    text = "Unauthorized."
    remedy = "Ask the hub's operator for the right to the channel."


class InvalidRequestError(HubError):
    """The hub cannot make sense of the request (400, 404, 405, 415)."""

    code = "JB_INVALID_REQUEST"
    text = "Invalid request."
    remedy = "Check the base path and the channel names."


class TooLargeError(HubError):
    """Larger than the hub's frame limit (413). Nothing is ever cut to fit (R58)."""

    code = "JB_FRAME_TOO_LARGE"
    text = "Larger than the hub's frame limit."
    remedy = "Send less data, or raise MAX_FRAME_BYTES on every node."


class RateLimitedError(HubError):
    """Too many requests (429)."""

    code = "JB_RATE_LIMITED"
    text = "Rate limited."
    remedy = "Wait."


class UnavailableError(HubError):
    """The hub is draining, full, or without its store (503)."""

    code = "JB_UNAVAILABLE"
    text = "The hub is not available now."
    remedy = "Wait."


class InternalError(HubError):
    """The hub failed (500)."""

    code = "JB_INTERNAL"
    text = "Internal error."
    remedy = "Look for the request id in the hub's log."


class UnreadableError(HubError):
    """Not a hub, or one of another version."""

    code = "JB_UNREADABLE"
    text = "The hub's answer cannot be read."
    remedy = "Check that the address is a Jitterbug hub of version 1."


class InsecureError(JitterbugError):
    """Keys would cross a network in the clear (R5, R49)."""

    code = "JB_INSECURE"
    remedy = "Use https://."


class ClosedError(JitterbugError):
    """The stream was closed on this side."""

    code = "JB_CLOSED"
    remedy = "Open a stream again."


_BY_STATUS: Final[Mapping[int, type[HubError]]] = {
    204: RevokedError,
    401: UnauthorizedError,
    403: ForbiddenError,
    413: TooLargeError,
    429: RateLimitedError,
    503: UnavailableError,
}


def of_status(status: int, *, retry_after: str | None, request_id: str | None) -> HubError:
    """The error for an HTTP status other than 200.

    Args:
        status: HTTP status.
        retry_after: The header as it came. Only whole seconds are understood (RFC 9110 §10.2.3); else one second.
        request_id: The header as it came.
    """
    kind = _BY_STATUS.get(status, InternalError if status >= 500 else InvalidRequestError)
    seconds = 0
    if kind in {RateLimitedError, UnavailableError}:
        seconds = int(retry_after) if retry_after and _RETRY_AFTER.fullmatch(retry_after) else _DEFAULT_RETRY_AFTER_S
    return kind(retry_after_s=seconds, request_id=request_id)
