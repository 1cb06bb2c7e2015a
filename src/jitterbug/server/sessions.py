"""From a request to a :class:`~jitterbug.hub.sessions.Session`, and the logins a standalone hub keeps itself."""

import inspect
import os
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final

from starlette.requests import Request

from jitterbug.clock import Clock
from jitterbug.hub.sessions import Session
from jitterbug.protocol import base64

Resolver = Callable[[Request], Session | Awaitable[Session | None] | None]
"""An application's function from a request to its login; None = not logged in. Plain or async."""

COOKIE: Final = "__Host-jitterbug"
DEVELOPMENT_COOKIE: Final = "jitterbug"
_ID_BYTES: Final = 24
IDLE_S: Final = 12 * 3_600
MAX_SESSIONS: Final = 100_000


async def resolve(resolver: Resolver, request: Request) -> Session | None:
    """Ask a resolver, plain or async."""
    found = resolver(request)
    if inspect.isawaitable(found):
        found = await found
    return found


@dataclass(slots=True)
class _Entry:
    session: Session
    address: str | None
    idle_at_ns: int


class OwnSessions:
    """Logins by cookie. Ids are made here and never adopted from a request (R40).

    Bounded: ``MAX_SESSIONS`` in all, beyond which the one not seen for longest goes, and a cap for each address. Idle
    ones end after 12 hours, all at their ``expires_at``.
    """

    __slots__ = ("_by_address", "_clock", "_per_address", "_secure", "_sessions")

    def __init__(self, clock: Clock, *, secure: bool, per_address: int) -> None:
        """Start without any.

        Args:
            clock: Judges idleness.
            secure: The cookie is ``__Host-jitterbug`` with ``Secure``; False only in development, on loopback HTTP.
            per_address: Live sessions one address may hold.
        """
        self._clock = clock
        self._secure = secure
        self._per_address = per_address
        self._sessions: OrderedDict[str, _Entry] = OrderedDict()
        self._by_address: dict[str, int] = {}

    @property
    def cookie_name(self) -> str:
        """Name of the cookie."""
        return COOKIE if self._secure else DEVELOPMENT_COOKIE

    def __call__(self, request: Request) -> Session | None:
        """Find the session of the request's cookie."""
        session_id = request.cookies.get(self.cookie_name)
        entry = self._sessions.get(session_id) if session_id else None
        if entry is None:
            return None
        if self._is_over(entry):
            self.end(entry.session)
            return None
        entry.idle_at_ns = self._idle_at_ns()
        self._sessions.move_to_end(entry.session.id)
        return entry.session

    def create(
        self, address: str | None, *, subject: str | None = None, expires_at: float | None = None, data: Any = None
    ) -> Session | None:
        """Open a new one under a new id.

        Args:
            address: Whose cap it counts against; None = nobody's.
            subject: Who it is.
            expires_at: Its end in Unix seconds; None = idleness alone.
            data: For the rule.

        Returns:
            None when the address holds as many as it may.
        """
        if address is not None:
            if self._by_address.get(address, 0) >= self._per_address:
                self._sweep()
            if self._by_address.get(address, 0) >= self._per_address:
                return None
            self._by_address[address] = self._by_address.get(address, 0) + 1
        session = Session(base64.encode_url(os.urandom(_ID_BYTES)), subject, expires_at, data)
        self._sessions[session.id] = _Entry(session, address, self._idle_at_ns())
        if len(self._sessions) > MAX_SESSIONS:
            self.end(next(iter(self._sessions.values())).session)
        return session

    def change(self, session: Session) -> None:
        """Replace a login by what it has become. An id that is not here is ignored."""
        entry = self._sessions.get(session.id)
        if entry is not None:
            entry.session = session

    def end(self, session: Session) -> None:
        """Log out. An id that is not here is ignored."""
        entry = self._sessions.pop(session.id, None)
        if entry is None or entry.address is None:
            return
        left = self._by_address[entry.address] - 1
        if left:
            self._by_address[entry.address] = left
        else:
            del self._by_address[entry.address]

    def cookie(self, session: Session) -> str:
        """The ``Set-Cookie`` text (R40; ASVS 3.3)."""
        return f"{self.cookie_name}={session.id}; {self._attributes()}"

    def expired_cookie(self) -> str:
        """The ``Set-Cookie`` text that removes it."""
        return f"{self.cookie_name}=; Max-Age=0; {self._attributes()}"

    def __len__(self) -> int:
        return len(self._sessions)

    def _attributes(self) -> str:
        return f"{'Secure; ' if self._secure else ''}HttpOnly; SameSite=Strict; Path=/"

    def _idle_at_ns(self) -> int:
        return self._clock.monotonic_ns() + IDLE_S * 1_000_000_000

    def _is_over(self, entry: _Entry) -> bool:
        expires_at = entry.session.expires_at
        over = expires_at is not None and self._clock.now_ms() >= expires_at * 1_000
        return over or entry.idle_at_ns <= self._clock.monotonic_ns()

    def _sweep(self) -> None:
        for entry in [entry for entry in self._sessions.values() if self._is_over(entry)]:
            self.end(entry.session)
