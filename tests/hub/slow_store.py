"""A real store behind a door that a test opens and shuts."""

import asyncio

from jitterbug.clock import Clock
from jitterbug.errors import StoreError
from jitterbug.protocol.position import Position
from jitterbug.protocol.replay import Claim
from jitterbug.stores.base import Backlog
from jitterbug.stores.memory import MemoryStore


class SlowStore(MemoryStore):
    """Answers :meth:`read` only when told to, in two steps: the reading itself, and the way back.

    Attributes:
        may_read, may_answer: Reads wait for the first, their answers for the second. Both open at first.
        is_away: Every call fails.
    """

    def __init__(self, clock: Clock, *, history_size: int = 100) -> None:
        super().__init__(clock, history_size=history_size)
        self.may_read, self.may_answer = asyncio.Event(), asyncio.Event()
        self.may_read.set()
        self.may_answer.set()
        self.is_away = False

    def _check(self) -> None:
        if self.is_away:
            raise StoreError("The store is away.")

    async def append(self, channel: str, data: bytes, *, publication_id: str | None = None) -> Position:
        self._check()
        return await super().append(channel, data, publication_id=publication_id)

    async def read(self, channel: str, since: Position | None) -> Backlog:
        await self.may_read.wait()
        self._check()
        backlog = await super().read(channel, since)
        await self.may_answer.wait()
        return backlog

    async def claim(self, kid: str, nonce: str, ts: int, now_ms: int, share: str | None = None) -> Claim:
        self._check()
        return await super().claim(kid, nonce, ts, now_ms, share)
