"""From a request to a :class:`~jitterbug.hub.sessions.Session`, and the hub's own anonymous logins in development."""

import inspect
import os
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from typing import Final

from starlette.requests import Request

from jitterbug.clock import Clock
from jitterbug.hub.sessions import Session
from jitterbug.protocol import base64

Resolver = Callable[[Request], Session | Awaitable[Session | None] | None]
"""An application's function from a request to its login; None = not logged in. Plain or async."""

DEVELOPMENT_COOKIE: Final = "jitterbug"
_ID_BYTES: Final = 24
_IDLE_S: Final = 12 * 3_600
_MAX_SESSIONS: Final = 10_000


async def resolve(resolver: Resolver, request: Request) -> Session | None:
    """Ask a resolver, plain or async."""
    found = resolver(request)
    if inspect.isawaitable(found):
        found = await found
    return found


class AnonymousSessions:
    """Logins of a development hub, for whoever asks. Ids are made here and never adopted from a request (R40).

    Bounded: 10,000; beyond that the one not seen for longest goes. Idle ones end after 12 hours.
    """

    __slots__ = ("_clock", "_sessions")

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._sessions: OrderedDict[str, tuple[Session, int]] = OrderedDict()

    def __call__(self, request: Request) -> Session | None:
        """Find the session of the request's cookie."""
        session_id = request.cookies.get(DEVELOPMENT_COOKIE)
        entry = self._sessions.get(session_id) if session_id else None
        if entry is None or entry[1] < self._clock.monotonic_ns():
            return None
        self._keep(entry[0])
        return entry[0]

    def create(self) -> Session:
        """Open a new one under a new id."""
        session = Session(base64.encode_url(os.urandom(_ID_BYTES)))
        self._keep(session)
        return session

    def end(self, session: Session) -> None:
        """Log out."""
        self._sessions.pop(session.id, None)

    def cookie(self, session: Session) -> str:
        """The ``Set-Cookie`` text. Without ``Secure``: a development hub speaks HTTP on loopback."""
        return f"{DEVELOPMENT_COOKIE}={session.id}; HttpOnly; SameSite=Strict; Path=/"

    def expired_cookie(self) -> str:
        """The ``Set-Cookie`` text that removes it."""
        return f"{DEVELOPMENT_COOKIE}=; Max-Age=0; HttpOnly; SameSite=Strict; Path=/"

    def _keep(self, session: Session) -> None:
        self._sessions[session.id] = (session, self._clock.monotonic_ns() + _IDLE_S * 1_000_000_000)
        self._sessions.move_to_end(session.id)
        if len(self._sessions) > _MAX_SESSIONS:
            self._sessions.popitem(last=False)
