"""Keeps a usable key at hand: the first fetch, the session it may need, one request at a time (PROTOCOL §2)."""

import asyncio
from collections.abc import Callable

from jitterbug.client import keyring
from jitterbug.client.hub_clock import HubClock
from jitterbug.client.keyring import HeldKey, KeyRing
from jitterbug.client.refusals import HubError, NetworkError, UnauthorizedError
from jitterbug.client.transport import Transport
from jitterbug.errors import JitterbugError


class KeyKeeper:
    """Owner of the key ring. A failed request leaves no trace (O19, O20).

    Attributes:
        ring: The keys, as a verifier looks them up.
        sessions: Sessions asked for so far.
    """

    __slots__ = ("_clock", "_fetched", "_may_open_session", "_random", "_transport", "_turn", "ring", "sessions")

    def __init__(
        self,
        transport: Transport,
        clock: HubClock,
        *,
        skew_ms: int,
        may_open_session: bool,
        random: Callable[[], float],
    ) -> None:
        """Start without a key.

        Args:
            transport: How to ask.
            clock: Set by each answer.
            skew_ms: See :class:`KeyRing`.
            may_open_session: Answer a 401 by asking for a session, once per key.
            random: In [0, 1), spreads renewals.
        """
        self.ring = KeyRing(skew_ms)
        self._transport = transport
        self._clock = clock
        self._may_open_session = may_open_session
        self._random = random
        self._turn = asyncio.Lock()
        self._fetched = 0
        self.sessions = 0

    def newest(self) -> HeldKey | None:
        """The key to sign with now, None when there is none left."""
        return self.ring.newest(self._clock.now_ms())

    async def for_signing(self) -> HeldKey:
        """The newest key, or a fresh one. Raises what :meth:`fetch` raises."""
        return self.newest() or await self.fetch()

    async def for_stream(self, avoid: str | None) -> tuple[HeldKey, bool]:
        """A key for a new stream: young, or fresh; an ageing one still serves when no new one can be had.

        Args:
            avoid: Kid that the hub has turned down; None = none.

        Returns:
            The key, and whether it was fetched just now.

        Raises:
            JitterbugError: No key can be had.
        """
        key = self.newest()
        if key is not None and (key.kid == avoid or self._clock.jumped()):
            key = None
        if key is not None and self._clock.now_ms() < key.renew_at_ms:
            return key, False
        try:
            return await self.fetch(), True
        except (NetworkError, HubError) as error:
            if key is None or isinstance(error, UnauthorizedError):
                raise
            return key, False

    async def fetch(self) -> HeldKey:
        """Ask for the next key. Callers that come while a request is under way share its answer.

        Raises:
            HubError: Refused, or the answer cannot be read.
            NetworkError: No answer.
        """
        before = self._fetched
        async with self._turn:
            newest = self.newest()
            if self._fetched != before and newest is not None:
                return newest
            key = await self._fetch_with_session()
            self._fetched += 1
            self.ring.add(key, self._clock.now_ms())
            return key

    async def _fetch_with_session(self) -> HeldKey:
        try:
            return await self._fetch_once()
        except UnauthorizedError as unauthorized:
            if not self._may_open_session:
                raise
            await self._open_session(unauthorized)
            return await self._fetch_once()

    async def _open_session(self, unauthorized: UnauthorizedError) -> None:
        """A hub without anonymous sessions refuses in its own way; what matters to the user is still the 401."""
        try:
            await self._transport.open_session()
            self.sessions += 1
        except JitterbugError as error:
            if getattr(error, "retry_after_s", 0) or isinstance(error, NetworkError):
                raise
            raise unauthorized from None

    async def _fetch_once(self) -> HeldKey:
        sent_ms = self._clock.monotonic_ms()
        key, server_time_ms = keyring.read_answer(await self._transport.fetch_key(), self._random)
        self._clock.sync(server_time_ms, sent_ms)
        return key
