"""Logins. The hub keeps none itself: an application resolves them, or the server's own session store does."""

from dataclasses import dataclass, field
from typing import Any, Final

from jitterbug.errors import JitterbugError
from jitterbug.telemetry.events import session_hash

_MAX_ID_CHARS: Final = 1_024
MAX_REVOKED: Final = 100_000


@dataclass(frozen=True, slots=True)
class Session:
    """One login. Outlives the wires that are opened under it.

    Attributes:
        id: The server-side id, unguessable, new at each login. Keys are derived from it, so it must stay the same
            for the life of the login and end with it.
        subject: Who it is; shown to others where presence is on. None = anonymous.
        expires_at: End of the login in Unix seconds, as in a JWT's ``exp``; None = until the resolver says no.
        data: Whatever the application's rules need (claims, a user object). Not looked at here.
    """

    id: str = field(repr=False)
    subject: str | None = None
    expires_at: float | None = None
    data: Any = field(default=None, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Check the id. Raises JitterbugError when it is empty or too long."""
        if not 0 < len(self.id) <= _MAX_ID_CHARS:
            raise JitterbugError("A session id has 1 to 1,024 characters.")

    @property
    def hash(self) -> str:
        """Its name in logs and audit."""
        return session_hash(self.id)


class Changes:
    """What logins have become. A request may have resolved its session before the change, and be served after it.

    Bounded by time, as :class:`Revocations` is: kept until no key that was issued before the change could live.
    """

    __slots__ = ("_keep_ms", "_kept")

    def __init__(self, keep_ms: int) -> None:
        """Args: keep_ms: longest life of a key plus the skew, milliseconds."""
        self._keep_ms = keep_ms
        self._kept: dict[str, tuple[int, Session]] = {}

    def add(self, session: Session, now_ms: int) -> None:
        """Take a session over any of the same id that was resolved elsewhere."""
        self._forget(now_ms)
        self._kept.pop(session.id, None)
        self._kept[session.id] = (now_ms + self._keep_ms, session)

    def newest(self, session: Session, now_ms: int) -> Session:
        """What this session has become; itself where nothing is known."""
        self._forget(now_ms)
        kept = self._kept.get(session.id)
        return session if kept is None else kept[1]

    def __len__(self) -> int:
        return len(self._kept)

    def _forget(self, now_ms: int) -> None:
        while self._kept and (first := next(iter(self._kept.items())))[1][0] < now_ms:
            del self._kept[first[0]]


class Revocations:
    """Sessions that ended before their keys did: kept until no key of theirs could live, 100,000 of them at most.

    Beyond that the oldest is forgotten. It has no wire any more, and what makes a request pass is still that its
    resolver knows the session: the hub's own logins are gone from there, an application's should be.
    """

    __slots__ = ("_keep_ms", "_until_ms")

    def __init__(self, keep_ms: int) -> None:
        """Args: keep_ms: longest life of a key plus the skew, milliseconds."""
        self._keep_ms = keep_ms
        self._until_ms: dict[str, int] = {}

    def add(self, session_id: str, now_ms: int) -> None:
        """End a session."""
        # All are kept for the same time, so those that are over stand first: a flood of logouts costs each the same.
        while self._until_ms and (first := next(iter(self._until_ms.items())))[1] < now_ms:
            del self._until_ms[first[0]]
        self._until_ms.pop(session_id, None)
        self._until_ms[session_id] = now_ms + self._keep_ms
        if len(self._until_ms) > MAX_REVOKED:
            del self._until_ms[next(iter(self._until_ms))]

    def __contains__(self, session_id: str) -> bool:
        return session_id in self._until_ms
