"""Changing keys without losing a frame (PROTOCOL §2, R2, R50)."""

import asyncio
import logging
from collections.abc import Callable
from typing import Final

from jitterbug.client.backoff import Backoff
from jitterbug.client.hub_clock import HubClock
from jitterbug.client.keyring import HeldKey
from jitterbug.client.keys import KeyKeeper
from jitterbug.client.link import Link
from jitterbug.client.refusals import HubError, NetworkError
from jitterbug.client.upstream import Upstream, new_id
from jitterbug.protocol.codes import Up

_log: Final = logging.getLogger("jitterbug.client")
_ANSWER_WITHIN_S: Final = 5.0
"""A ``confirm`` without a ``rekey`` after it is sent again after this long."""


class Rotation:
    """Fetches the next key at 80 % of a key's life and shows the hub that this side holds it.

    Without it a stream still goes on: the hub ends it with ``bye`` before its key does, and the client resumes.
    """

    __slots__ = ("_backoff", "_clock", "_keys", "_link", "_poke", "_upstream", "_wanted")

    def __init__(
        self, keys: KeyKeeper, clock: HubClock, link: Link, upstream: Upstream, random: Callable[[], float]
    ) -> None:
        self._keys = keys
        self._clock = clock
        self._link = link
        self._upstream = upstream
        self._backoff = Backoff(random)
        self._poke = asyncio.Event()
        self._wanted = False

    def hint(self) -> None:
        """The hub asked for a new key (``rekey`` with ``by``)."""
        self._wanted = True
        self._poke.set()

    def look_again(self) -> None:
        """A connection opened or changed its key."""
        self._poke.set()

    async def run(self) -> None:
        """Go on until cancelled."""
        while True:
            self._poke.clear()
            wait_s = await self._step()
            try:
                async with asyncio.timeout(wait_s):
                    await self._poke.wait()
            except TimeoutError:
                continue

    async def _step(self) -> float | None:
        """Do what is due. Returns seconds until something may be due again; None = only when poked."""
        if not self._link.is_open:
            return None  # whoever opens the next connection fetches its key
        key = self._keys.newest()
        try:
            if key is None or self._wanted or self._clock.now_ms() >= key.renew_at_ms:
                key = await self._keys.fetch()
                self._wanted = False
            if await self._confirm(key):
                return _ANSWER_WITHIN_S
        except (HubError, NetworkError) as error:
            _log.warning("Key rotation: %s %s It is tried again.", error.code, error)
            asked_s = error.retry_after_s if isinstance(error, HubError) else 0
            return self._backoff.at_least_ms(asked_s * 1_000) / 1_000
        self._backoff.reset()
        return max(0.0, (key.renew_at_ms - self._clock.now_ms()) / 1_000)

    async def _confirm(self, key: HeldKey) -> bool:
        """Show the hub the key by signing with it, unless it signs with it already; ``rekey`` follows on the stream."""
        if self._link.conn is None or self._link.kid == key.kid:
            return False
        # With an id the answer is waited for whatever carries it, so that a refusal is not taken for silence.
        await self._upstream.send({"t": Up.CONFIRM.value, "conn": self._link.conn, "id": new_id()}, key)
        return True
