"""Facts: frozen records of what happened. Log, metrics, audit and alerts are listeners of the same ones."""

import hashlib
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum

_LOG = logging.getLogger("jitterbug.telemetry")


class FactCode(StrEnum):
    """What can happen. Stable: dashboards and audit searches rely on them."""

    AUTH_FAILED = "auth_failed"
    KEY_ISSUED = "key_issued"
    KEY_REFUSED = "key_refused"
    KEY_CONFIRMED = "key_confirmed"
    KEY_EXPIRED = "key_expired"
    FRAME_VERIFIED = "frame_verified"
    FRAME_REFUSED = "frame_refused"
    RATE_LIMITED = "rate_limited"
    PUBLISHED = "published"
    PUBLISH_REFUSED = "publish_refused"
    CONNECTION_OPENED = "connection_opened"
    CONNECTION_CLOSED = "connection_closed"
    CONNECTION_REFUSED = "connection_refused"
    SUBSCRIBE_REFUSED = "subscribe_refused"
    SESSION_OPENED = "session_opened"
    SESSION_ENDED = "session_ended"
    CLIENT_REPORT = "client_report"
    EMITTER_FAILED = "emitter_failed"
    ALERT = "alert"
    INTERNAL_ERROR = "internal_error"
    PERFORMANCE = "performance"


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """One thing that happened.

    Attributes:
        code: What.
        reason: Why, for the operator; one of a small set of words for each code.
        count: How many the record stands for, at least 1.
        kid: Key id as it was claimed; not a secret.
        session: Hash of the session id, see :func:`session_hash`; None = no session.
        address: Client address; None when it came from inside.
        conn: Connection; None = none yet.
        channel: Channel, where one is concerned.
        request_id: The ``X-Request-Id`` the peer was given.
        figures: What was measured, by name with its unit; None for everything that is no measurement.
    """

    code: FactCode
    reason: str | None = None
    count: int = 1
    kid: str | None = None
    session: str | None = None
    address: str | None = None
    conn: str | None = None
    channel: str | None = None
    request_id: str | None = None
    figures: Mapping[str, int] | None = None


Listener = Callable[[Fact], None]


class Facts:
    """Hands each fact to every listener. A listener that fails neither stops the others nor the hub."""

    __slots__ = ("_listeners",)

    def __init__(self, *listeners: Listener) -> None:
        self._listeners = list(listeners)

    def listen(self, listener: Listener) -> None:
        """Add a listener."""
        self._listeners.append(listener)

    def emit(self, fact: Fact) -> None:
        """Tell every listener."""
        for listener in self._listeners:
            try:
                listener(fact)
            except Exception:  # whatever a listener does must not reach the hub
                _LOG.exception("A telemetry listener failed")


def session_hash(session_id: str) -> str:
    """A short name for a session that does not give its id away in logs."""
    return hashlib.sha256(b"jitterbug session\0" + session_id.encode()).hexdigest()[:16]
