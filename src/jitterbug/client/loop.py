"""One connection after the other: a key, a transport, its end, what follows, the wait, again."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Final

from jitterbug.client import resume
from jitterbug.client.backoff import Backoff
from jitterbug.client.choice import TransportChoice
from jitterbug.client.hub_clock import HubClock
from jitterbug.client.inbox import Inbox
from jitterbug.client.intake import Intake
from jitterbug.client.keys import KeyKeeper
from jitterbug.client.notices import Notice, Stats, Status
from jitterbug.client.resume import Step
from jitterbug.client.subscriptions import Subscriptions
from jitterbug.client.wire import Opener, TransportName
from jitterbug.errors import JitterbugError
from jitterbug.protocol.remedies import REMEDIES
from jitterbug.protocol.replay import ReplayWindow
from jitterbug.protocol.session import Receiver

_GOOD_MS: Final = 10_000
"""A connection that was live this long starts the back-off anew."""


class Loop:
    """Keeps one stream connected."""

    def __init__(
        self,
        openers: Mapping[TransportName, Opener],
        keys: KeyKeeper,
        subscriptions: Subscriptions,
        intake: Intake,
        inbox: Inbox,
        stats: Stats,
        clock: HubClock,
        *,
        replay: ReplayWindow,
        skew_ms: int,
        tries_once: bool,
        notify: Callable[[Notice], None],
        random: Callable[[], float],
    ) -> None:
        """Prepare, without connecting.

        Args:
            openers: Transports, the preferred first.
            keys: Gives the key for each connection.
            subscriptions: What is read.
            intake: Reads each connection.
            inbox: Waited for where the application is behind.
            stats: Says whether there has been a connection.
            clock: Monotonic time.
            replay: Outlives connections.
            skew_ms: See :func:`jitterbug.client.connect`.
            tries_once: Give up where no transport gets a connection at the first try.
            notify: Told of states.
            random: In [0, 1), spreads waits.
        """
        self._openers = openers
        self._keys = keys
        self._subscriptions = subscriptions
        self._intake = intake
        self._inbox = inbox
        self._stats = stats
        self._clock = clock
        self._replay = replay
        self._skew_ms = skew_ms
        self._tries_once = tries_once
        self._notify = notify
        self._choice = TransportChoice(list(openers))
        self._backoff = Backoff(random)
        self._another_way = False
        self._avoid: str | None = None

    async def run(self) -> Step:
        """Connect until the hub, or what it is, says that there is no point. Returns the last step."""
        while True:
            self._notify(Status("connecting"))
            step = await self._once()
            if self._intake.live_since_ms is not None and self._lived_ms() >= _GOOD_MS:
                self._backoff.reset()
            gives_up = self._tries_once and not self._stats.connections and not self._another_way
            if step.stop or (gives_up and step.wait != "none"):
                return step
            if step is resume.BEHIND:
                await self._inbox.wait_for_room()
            await self._pause(step)

    async def _once(self) -> Step:
        """One connection, from its key to its end."""
        self._intake.live_since_ms = None
        self._another_way = False
        try:
            key, fresh = await self._keys.for_stream(self._avoid)
        except JitterbugError as error:
            return resume.after_error(error, keyless=True, fresh_key=False, may_pass=self._stats.connections > 0)
        self._avoid = None
        self._subscriptions.begin()
        try:
            step = await self._connection(key.kid)
        except JitterbugError as error:
            self._tried(error.code, fresh)
            may_pass = self._another_way or self._stats.connections > 0
            step = resume.after_error(error, keyless=False, fresh_key=fresh, may_pass=may_pass)
        else:
            self._tried(step.code, fresh)
        if step.another_key:
            self._avoid = key.kid
        return step

    async def _connection(self, kid: str) -> Step:
        """Open the transport whose turn it is, and read it to its end."""
        name, patience_ms = self._choice.next(self._clock.monotonic_ms())
        positions = self._subscriptions.positions
        receiver = Receiver(
            self._keys.ring,
            positions,
            skew_ms=self._skew_ms,
            replay=self._replay,
            leaving=self._subscriptions.leaving,
        )
        try:
            async with (
                asyncio.timeout(patience_ms / 1_000 if patience_ms else None) as hello_by,
                self._openers[name](kid, positions) as wire,
                self._asking(),
            ):
                return await self._intake.read(receiver, wire, kid, hello_by)
        except TimeoutError:
            return resume.HELD

    @asynccontextmanager
    async def _asking(self) -> AsyncIterator[None]:
        """Ask for what the request did not name, beside what is read."""
        task = asyncio.create_task(self._subscriptions.ask(), name="jitterbug channels")
        try:
            yield
        finally:
            task.cancel()
            await asyncio.wait({task})

    def _tried(self, code: str, fresh_key: bool) -> None:
        live, now_ms = self._intake.live_since_ms is not None, self._clock.monotonic_ms()
        self._another_way = self._choice.ended(code, live=live, fresh_key=fresh_key, now_ms=now_ms)

    async def _pause(self, step: Step) -> None:
        if step.wait == "none":
            return
        wait_ms = step.asked_ms if step.wait == "exact" else self._backoff.at_least_ms(step.asked_ms)
        remedy = step.error.remedy if step.error else REMEDIES[step.code]
        self._notify(Status("waiting", step.code, remedy, wait_ms / 1_000))
        await asyncio.sleep(wait_ms / 1_000)

    def _lived_ms(self) -> float:
        return self._clock.monotonic_ms() - (self._intake.live_since_ms or 0.0)
