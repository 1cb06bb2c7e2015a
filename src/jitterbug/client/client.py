"""The stream as an application holds it: one object that outlives connections and keys (PROTOCOL §2-§5)."""

import asyncio
import logging
import random as _random
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, Final, Self

from jitterbug.client import resume
from jitterbug.client.backoff import Backoff
from jitterbug.client.hub_clock import HubClock
from jitterbug.client.inbox import Inbox
from jitterbug.client.intake import Intake
from jitterbug.client.keys import KeyKeeper
from jitterbug.client.link import Link
from jitterbug.client.notices import Notice, Stats, Status
from jitterbug.client.refusals import ClosedError, NetworkError
from jitterbug.client.reports import Reports
from jitterbug.client.resume import Step
from jitterbug.client.rotation import Rotation
from jitterbug.client.transport import Transport
from jitterbug.client.upstream import Upstream
from jitterbug.clock import Clock, SystemClock
from jitterbug.errors import JitterbugError
from jitterbug.protocol.position import Position
from jitterbug.protocol.replay import ReplayWindow
from jitterbug.protocol.session import Publication, Receiver

if TYPE_CHECKING:
    import httpx2

_log: Final = logging.getLogger("jitterbug.client")
_GOOD_MS: Final = 10_000
"""A connection that was live this long starts the back-off anew."""


def connect(
    url: str,
    *,
    channels: Iterable[str] | Mapping[str, Position | None] = (),
    cookies: Mapping[str, str] | None = None,
    token: str | None = None,
    on_notice: Callable[[Notice], object] | None = None,
    open_timeout_s: float | None = None,
    skew_ms: int = 5_000,
    replay_window_ms: int = 10_000,
    heartbeat_s: float = 15.0,
    http: "httpx2.AsyncClient | None" = None,
    clock: Clock | None = None,
    random: Callable[[], float] = _random.random,
) -> "Stream":
    """Make a stream; it opens with ``async with``, which waits for the first verified frame.

    ::

        async with connect("https://app.example.org", channels=["orders/42"], cookies=cookies) as stream:
            async for publication in stream:
                print(publication.channel, publication.data)

    Args:
        url: The hub: ``https://host``, or with its base path. Plain HTTP only to this machine.
        channels: What to read: names, or names with the place after which to go on (None = from now).
        cookies: The session cookie, by name. None = a session is asked for when the hub wants one.
        token: JWT that ``POST BASE/session`` turns into a session. None = an anonymous one, where the hub gives them.
        on_notice: Told of gaps, refusals, states and pacing. Gaps are logged where it is None.
        open_timeout_s: How long ``async with`` goes on trying, in seconds. None = for ever, 0 = one try.
        skew_ms: Accepted difference between a frame's ``ts`` and the hub's time (R32).
        replay_window_ms: How long nonces are remembered, at least twice the skew (R33).
        heartbeat_s: The hub's heartbeat; a connection without a good frame for twice as long is given up.
        http: An ``httpx2.AsyncClient`` with TLS, proxies and headers of its own; stays the caller's to close.
        clock: None = the system's.
        random: Numbers in [0, 1) for jitter.

    Raises:
        InsecureError: Plain HTTP to another machine.
        ValueError: Not a URL, or the replay window is under twice the skew.
    """
    if skew_ms < 0 or replay_window_ms < 2 * skew_ms or replay_window_ms <= 0:
        raise ValueError("The replay window must be at least twice the clock skew.")
    return Stream(
        Transport(url, cookies=cookies, token=token, http=http),
        channels=dict(channels) if isinstance(channels, Mapping) else dict.fromkeys(channels),
        may_open_session=cookies is None or token is not None,
        on_notice=on_notice,
        open_timeout_s=open_timeout_s,
        skew_ms=skew_ms,
        replay=ReplayWindow(replay_window_ms),
        silence_s=2 * heartbeat_s,
        clock=HubClock(clock or SystemClock()),
        random=random,
    )


class Stream(AsyncIterator[Publication]):
    """Verified publications, in order, each once; resumed by position over any break. Made by :func:`connect`.

    Attributes:
        stats: Counters since it was opened.
    """

    def __init__(
        self,
        transport: Transport,
        *,
        channels: dict[str, Position | None],
        may_open_session: bool,
        on_notice: Callable[[Notice], object] | None,
        open_timeout_s: float | None,
        skew_ms: int,
        replay: ReplayWindow,
        silence_s: float,
        clock: HubClock,
        random: Callable[[], float],
    ) -> None:
        self.stats = Stats()
        self._status = Status("connecting")
        self._transport = transport
        self._positions = channels
        self._on_notice = on_notice
        self._open_timeout_s = open_timeout_s
        self._skew_ms = skew_ms
        self._replay = replay
        self._clock = clock
        self._backoff = Backoff(random)
        self._avoid: str | None = None
        self._task: asyncio.Task[None] | None = None
        self._keys = KeyKeeper(transport, clock, skew_ms=skew_ms, may_open_session=may_open_session, random=random)
        self._link = Link()
        self._inbox = Inbox()
        self._upstream = Upstream(transport, self._keys, clock, self._link, notify=self._notify, random=random)
        self._rotation = Rotation(self._keys, clock, self._link, self._upstream, random)
        self._reports = Reports(self._upstream, self._link)
        self._intake = Intake(
            clock, self._link, self._inbox, self._rotation, self._reports, self.stats,
            keys=self._keys.ring, silence_s=silence_s, notify=self._notify,
        )  # fmt: skip

    # What an application does.

    @property
    def status(self) -> Status:
        """How the stream stands now."""
        return self._status

    @property
    def positions(self) -> Mapping[str, Position | None]:
        """Where each channel stands on the wire; what was received and not yet taken counts as delivered."""
        return dict(self._positions)

    async def publish(self, channel: str, data: Any) -> Position:
        """Publish JSON data, where the session may. Calls keep their order.

        Waits while there is no connection, and while the hub limits the rate: then ``on_notice`` gets a
        :class:`Paced`, and nothing is lost.

        Returns:
            Its place in the channel.

        Raises:
            CanonicalError: The data is not JSON.
            FrameTooLargeError, TooLargeError: More than a frame may hold, here or at the hub.
            UnauthorizedError, ForbiddenError, InvalidRequestError: Refused.
            NetworkError: The answer was lost and the session with it: it may or may not have been published.
            JitterbugError: The stream ended for good.
        """
        return await self._upstream.publish(channel, data)

    async def subscribe(self, channel: str, since: Position | None = None) -> None:
        """Read one more channel.

        Args:
            channel: Its name.
            since: Place after which to go on; None = from now.

        Raises:
            JitterbugError: Refused, or the stream ended for good. The channel is not read then.
        """
        if channel in self._positions and channel not in self._intake.leaving:
            return
        self._intake.leaving.discard(channel)
        self._positions[channel] = since
        try:
            await self._link.wait()
            if channel not in self._link.channels:
                self._link.channels.add(channel)
                await self._upstream.subscribe(channel, since)
        except JitterbugError:
            self._positions.pop(channel, None)
            self._link.channels.discard(channel)
            raise

    async def unsubscribe(self, channel: str) -> None:
        """Read a channel no more. Nothing of it is delivered from now on.

        Raises:
            JitterbugError: The stream ended for good.
        """
        if channel not in self._positions:
            return
        self._intake.leaving.add(channel)
        await self._link.wait()
        if channel in self._link.channels:
            await self._upstream.unsubscribe(channel)

    async def __anext__(self) -> Publication:
        """The next publication. A gap on the way there goes to ``on_notice``.

        Raises:
            JitterbugError: The hub ended the stream for good, after everything it sent was taken.
        """
        while True:
            try:
                item = await self._inbox.get()
            except ClosedError:
                raise StopAsyncIteration from None
            if isinstance(item, Publication):
                return item
            if self._on_notice is None:
                _log.warning(
                    "Publications of %s up to %d are lost: %s.", item.channel, item.position.offset, item.reason
                )
            else:
                self._on_notice(item)

    async def aclose(self) -> None:
        """End the stream for good and forget its keys."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.wait({task})
        self._finish(ClosedError("The stream is closed."), Status("closed"))
        await self._transport.aclose()

    async def __aenter__(self) -> Self:
        """Open it.

        Raises:
            JitterbugError: It can never work, or did not within ``open_timeout_s``.
        """
        self._task = asyncio.create_task(self._run(), name="jitterbug stream")
        try:
            async with asyncio.timeout(self._open_timeout_s or None):
                await self._link.wait()
        except TimeoutError:
            await self.aclose()
            raise NetworkError("The hub did not answer in time.", sent=True) from None
        except BaseException:
            await self.aclose()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    # What goes on behind it.

    async def _run(self) -> None:
        try:
            async with asyncio.TaskGroup() as group:
                helpers = [group.create_task(self._rotation.run()), group.create_task(self._reports.run())]
                await self._stay_connected()
                for helper in helpers:
                    helper.cancel()
        except ExceptionGroup as errors:  # a fault of ours: nobody shall wait for ever
            failure = JitterbugError("The client failed.")
            failure.__cause__ = errors
            self._finish(failure, Status("refused", failure.code))

    async def _stay_connected(self) -> None:
        """Connect until the hub, or what it is, says that there is no point."""
        while True:
            self._notify(Status("connecting"))
            step = await self._once()
            if self._intake.live_since_ms is not None and self._lived_ms() >= _GOOD_MS:
                self._backoff.reset()
            gives_up = self._open_timeout_s == 0 and not self.stats.connections
            if step.stop or (gives_up and step.wait != "none"):
                error = step.error or JitterbugError("The hub ended the stream.")
                self._finish(error, Status("refused", step.code, error.remedy))
                return
            if step is resume.BEHIND:
                await self._inbox.wait_for_room()
            await self._pause(step)

    async def _once(self) -> Step:
        """One connection, from its key to its end."""
        keyless, fresh, kid = True, False, None
        self._intake.live_since_ms = None
        try:
            key, fresh = await self._keys.for_stream(self._avoid)
            keyless, kid, self._avoid = False, key.kid, None
            for channel in self._intake.leaving:
                self._positions.pop(channel, None)
            self._intake.leaving.clear()
            receiver = Receiver(self._keys.ring, self._positions, skew_ms=self._skew_ms, replay=self._replay)
            async with self._transport.stream(key.kid, self._positions) as chunks:
                step = await self._intake.read(receiver, chunks, key.kid)
        except JitterbugError as error:
            ever_live = self.stats.connections > 0
            step = resume.after_error(error, keyless=keyless, fresh_key=fresh, ever_live=ever_live)
        if step.another_key:
            self._avoid = kid
        return step

    async def _pause(self, step: Step) -> None:
        if step.wait == "none":
            return
        wait_ms = step.asked_ms if step.wait == "exact" else self._backoff.at_least_ms(step.asked_ms)
        remedy = step.error.remedy if step.error else ""
        self._notify(Status("waiting", step.code, remedy, wait_ms / 1_000))
        await asyncio.sleep(wait_ms / 1_000)

    def _lived_ms(self) -> float:
        return self._clock.monotonic_ms() - (self._intake.live_since_ms or 0.0)

    def _finish(self, error: JitterbugError, status: Status) -> None:
        if self._status.state not in {"refused", "closed"}:
            self._notify(status)
        self._link.fail(error)
        self._inbox.finish(error)

    def _notify(self, notice: Notice) -> None:
        """Tell the observer; what it raises is logged and stops nothing."""
        if isinstance(notice, Status):
            self._status = notice
        if self._on_notice is None:
            return
        try:
            self._on_notice(notice)
        except Exception:
            _log.exception("on_notice failed")
