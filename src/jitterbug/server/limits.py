"""Limits of the endpoints and caps on what may be open: per session, and per address besides (R41, §2.26-2.27)."""

import math
from typing import Final

from jitterbug.addresses import counted_as
from jitterbug.config import Config
from jitterbug.hub.sessions import Session
from jitterbug.server.handshake import is_loopback
from jitterbug.stores.base import Store

KEYS_PER_ADDRESS_FACTOR: Final = 60
"""Sessions behind one address that may each use their whole allowance."""
SUBJECT_SHARE: Final = 4
"""Of the logins a minute that one address has, a subject has a quarter, wherever it asks from: 64 by default."""
_MINUTE_S: Final = 60


class EndpointLimits:
    """The numbers of the configuration, applied."""

    __slots__ = ("_by_address", "_by_session", "_config", "_store", "_wires")

    def __init__(self, config: Config, store: Store) -> None:
        self._config = config
        self._store = store
        self._wires = 0
        self._by_session: dict[str, int] = {}
        self._by_address: dict[str, int] = {}

    def capped(self, address: str | None) -> str | None:
        """Whom caps apply to, see :func:`counted_as`; None on loopback in development, and without an address."""
        if address is None or (self._config.development and is_loopback(address)):
            return None
        return counted_as(address)

    async def admit_key(self, session: Session, address: str | None) -> int | None:
        """Count a key request, against its session first: what one login asks for in vain costs no neighbour anything.

        Returns:
            None when it may go on, else whole seconds after which it may be tried again.

        Raises:
            StoreError: The store is away.
        """
        limit = self._config.keys_per_minute
        capped = self.capped(address)
        wait_s = await self._store.admit(f"keys:s:{session.hash}", limit, _MINUTE_S)
        if wait_s == 0 and capped is not None:
            wait_s = await self._store.admit(f"keys:a:{capped}", limit * KEYS_PER_ADDRESS_FACTOR, _MINUTE_S)
        return math.ceil(wait_s) or None

    async def admit_login(self, address: str | None) -> int | None:
        """Count a request for a session, before its token is looked at: as many a minute as there may be sessions.

        Returns and raises as :meth:`admit_key` does.
        """
        capped = self.capped(address)
        if capped is None:
            return None
        limit = self._config.max_sessions_per_address
        return math.ceil(await self._store.admit(f"login:a:{capped}", limit, _MINUTE_S)) or None

    async def admit_subject(self, subject: str) -> int | None:
        """Count a login of somebody whose token holds. Returns and raises as :meth:`admit_key` does."""
        limit = max(1, self._config.max_sessions_per_address // SUBJECT_SHARE)
        return math.ceil(await self._store.admit(f"login:s:{subject}", limit, _MINUTE_S)) or None

    def admit_connection(self, session: Session, address: str | None) -> bool:
        """Tell whether one more wire may be opened, in all, for this session and from this address."""
        config, capped = self._config, self.capped(address)
        if self._wires >= config.max_connections:
            return False
        if self._by_session.get(session.id, 0) >= config.max_connections_per_session:
            return False
        return capped is None or self._by_address.get(capped, 0) < config.max_connections_per_address

    def connection_opened(self, session_id: str, address: str | None) -> None:
        """Count a wire."""
        self._wires += 1
        self._by_session[session_id] = self._by_session.get(session_id, 0) + 1
        capped = self.capped(address)
        if capped is not None:
            self._by_address[capped] = self._by_address.get(capped, 0) + 1

    def connection_closed(self, session_id: str, address: str | None) -> None:
        """Count it out again."""
        self._wires -= 1
        _count_out(self._by_session, session_id)
        capped = self.capped(address)
        if capped is not None:
            _count_out(self._by_address, capped)


def _count_out(counts: dict[str, int], key: str) -> None:
    left = counts[key] - 1
    if left:
        counts[key] = left
    else:
        del counts[key]
