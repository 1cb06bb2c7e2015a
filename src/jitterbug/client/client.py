"""The stream as an application holds it: one object that outlives connections and keys (PROTOCOL §2-§5)."""

import asyncio
import logging
import random as _random
import ssl
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, Final, Literal, Self

from jitterbug.client.hub_clock import HubClock
from jitterbug.client.inbox import Inbox
from jitterbug.client.intake import Intake
from jitterbug.client.keys import KeyKeeper
from jitterbug.client.link import Link
from jitterbug.client.loop import Loop
from jitterbug.client.notices import Notice, Stats, Status
from jitterbug.client.refusals import ClosedError, NetworkError
from jitterbug.client.reports import Reports
from jitterbug.client.resume import Step
from jitterbug.client.rotation import Rotation
from jitterbug.client.subscriptions import Subscriptions
from jitterbug.client.transport import Transport
from jitterbug.client.upstream import Upstream
from jitterbug.client.wire import Opener, TransportName
from jitterbug.client.wires import openers
from jitterbug.clock import Clock, SystemClock
from jitterbug.errors import JitterbugError
from jitterbug.protocol.position import Position
from jitterbug.protocol.replay import ReplayWindow
from jitterbug.protocol.session import Publication

if TYPE_CHECKING:
    import httpx2

_log: Final = logging.getLogger("jitterbug.client")


def connect(
    url: str,
    *,
    channels: Iterable[str] | Mapping[str, Position | None] = (),
    cookies: Mapping[str, str] | None = None,
    token: str | None = None,
    transport: Literal["auto", "sse", "websocket"] = "auto",
    on_notice: Callable[[Notice], object] | None = None,
    open_timeout_s: float | None = None,
    skew_ms: int = 5_000,
    replay_window_ms: int = 10_000,
    heartbeat_s: float = 15.0,
    tls: ssl.SSLContext | None = None,
    http: "httpx2.AsyncClient | None" = None,
    clock: Clock | None = None,
    random: Callable[[], float] = _random.random,
) -> "Stream":
    """Make a stream; it opens with ``async with``, which waits until the hub has answered for every channel.

    From then on nothing is missed in silence: what is published is delivered, or a gap tells of it.

    ::

        async with connect("https://app.example.org", channels=["orders/42"], cookies=cookies) as stream:
            async for publication in stream:
                print(publication.channel, publication.data)

    Args:
        url: The hub: ``https://host``, or with its base path. Plain HTTP only to this machine.
        channels: What to read: names, or names with the place after which to go on (None = from now).
        cookies: The session cookie, by name. None = a session is asked for when the hub wants one.
        token: JWT that ``POST BASE/session`` turns into a session. None = an anonymous one, where the hub gives them.
        transport: ``sse`` = the stream, with a request for each frame that goes up; ``websocket`` = one WebSocket for
            both ways; ``auto`` = the stream, and a WebSocket for an hour where a proxy holds the stream back: no
            verified frame within 3 s. A WebSocket needs ``websockets``; without it ``auto`` is ``sse``.
        on_notice: Told of gaps, refusals, states, pacing, and of who comes and goes where a channel has presence on.
            Gaps are logged where it is None.
        open_timeout_s: How long ``async with`` goes on trying, in seconds. None = for ever, 0 = one try of each
            transport to reach the hub.
        skew_ms: Accepted difference between a frame's ``ts`` and the hub's time (R32).
        replay_window_ms: How long nonces are remembered, at least twice the skew (R33).
        heartbeat_s: The hub's heartbeat; a connection without a good frame for twice as long is given up.
        tls: Certificates to trust; None = the system's.
        http: An ``httpx2.AsyncClient`` with TLS, proxies and headers of its own; stays the caller's to close. A
            WebSocket cannot go through it: with it, ``auto`` is ``sse``, and ``websocket`` takes its cookies and
            headers, ``tls`` from here, and its proxy from the environment.
        clock: None = the system's.
        random: Numbers in [0, 1) for jitter.

    Raises:
        InsecureError: Plain HTTP to another machine.
        MissingError: ``websockets`` is not installed, and ``transport`` asks for it.
        ValueError: Not a URL, no such transport, or the replay window is under twice the skew.
    """
    if skew_ms < 0 or replay_window_ms < 2 * skew_ms or replay_window_ms <= 0:
        raise ValueError("The replay window must be at least twice the clock skew.")
    hub, hub_clock = Transport(url, cookies=cookies, token=token, tls=tls, http=http), HubClock(clock or SystemClock())
    return Stream(
        hub,
        openers=openers("sse" if transport == "auto" and http is not None else transport, hub, hub_clock),
        channels=dict(channels) if isinstance(channels, Mapping) else dict.fromkeys(channels),
        may_open_session=cookies is None or token is not None,
        on_notice=on_notice,
        open_timeout_s=open_timeout_s,
        skew_ms=skew_ms,
        replay=ReplayWindow(replay_window_ms),
        silence_s=2 * heartbeat_s,
        clock=hub_clock,
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
        openers: Mapping[TransportName, Opener],
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
        self._on_notice = on_notice
        self._open_timeout_s = open_timeout_s
        self._task: asyncio.Task[None] | None = None
        self._keys = KeyKeeper(transport, clock, skew_ms=skew_ms, may_open_session=may_open_session, random=random)
        self._link = Link()
        self._inbox = Inbox()
        self._upstream = Upstream(self._keys, clock, self._link, notify=self._notify, random=random)
        self._subscriptions = Subscriptions(channels, self._link, self._upstream, self._keys, self._notify)
        self._rotation = Rotation(self._keys, clock, self._link, self._upstream, random)
        self._reports = Reports(self._upstream, self._link)
        self._intake = Intake(
            clock, self._link, self._inbox, self._rotation, self._reports, self.stats,
            keys=self._keys.ring, ended=self._subscriptions.ended, silence_s=silence_s, notify=self._notify,
        )  # fmt: skip
        self._loop = Loop(
            openers, self._keys, self._subscriptions, self._intake, self._inbox, self.stats, clock,
            replay=replay, skew_ms=skew_ms, tries_once=open_timeout_s == 0, notify=self._notify, random=random,
        )  # fmt: skip

    # What an application does.

    @property
    def status(self) -> Status:
        """How the stream stands now."""
        return self._status

    @property
    def positions(self) -> Mapping[str, Position | None]:
        """Where each channel stands on the wire; what was received and not yet taken counts as delivered."""
        return dict(self._subscriptions.positions)

    @property
    def transport(self) -> TransportName | None:
        """What carries the frames of the open connection; None while none is open."""
        return self._link.wire.name if self._link.wire is not None and self._link.is_open else None

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
            UnconfirmedError: The answer was lost, and not to be had within a minute and the same session: it may or may
                not have been published.
            JitterbugError: The stream ended for good.
        """
        return await self._upstream.publish(channel, data)

    async def subscribe(self, channel: str, since: Position | None = None) -> None:
        """Read one more channel; from the return on nothing of it is missed in silence.

        Args:
            channel: Its name.
            since: Place after which to go on; None = from now.

        Raises:
            JitterbugError: Refused, or the stream ended for good. The channel is not read then.
        """
        await self._subscriptions.add(channel, since)

    async def unsubscribe(self, channel: str) -> None:
        """Read a channel no more. Nothing of it is delivered from now on, nor what was received and not yet taken.

        Raises:
            JitterbugError: The stream ended for good.
        """
        self._inbox.drop(channel)
        await self._subscriptions.remove(channel)

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
                await self._subscriptions.placed(self.positions)
        except TimeoutError:
            await self.aclose()
            raise NetworkError("The hub did not answer in time.", sent=True) from None
        except BaseException:  # given up while opening: nothing stays behind it
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
                self._refused(await self._loop.run())
                for helper in helpers:
                    helper.cancel()
        except ExceptionGroup as errors:  # a fault of ours: nobody shall wait for ever
            failure = JitterbugError("The client failed.")
            failure.__cause__ = errors
            self._finish(failure, Status("refused", failure.code))

    def _refused(self, step: Step) -> None:
        error = step.error or JitterbugError("The hub ended the stream.")
        self._finish(error, Status("refused", step.code, error.remedy))

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
        except Exception:  # code that is not ours
            _log.exception("on_notice failed")
