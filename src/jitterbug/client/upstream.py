"""Frames from here to the hub: signed, sized, paced, sent by the wire that is open (PROTOCOL §4, §5)."""

import asyncio
import math
import secrets
from collections import Counter
from collections.abc import Callable
from typing import Any, Final, NamedTuple

from jitterbug.client.backoff import Backoff
from jitterbug.client.hub_clock import HubClock
from jitterbug.client.keyring import HeldKey
from jitterbug.client.keys import KeyKeeper
from jitterbug.client.link import Link
from jitterbug.client.notices import Notice, Paced
from jitterbug.client.refusals import (
    InvalidRequestError,
    NetworkError,
    RateLimitedError,
    UnauthorizedError,
    UnavailableError,
    UnconfirmedError,
    UnreadableError,
)
from jitterbug.errors import FrameTooLargeError
from jitterbug.protocol import canonical
from jitterbug.protocol.codes import Up
from jitterbug.protocol.position import Position

_ID_BYTES: Final = 9
UNCONFIRMED_MS: Final = 60_000
"""How long a lost answer is asked for again: a fifth of the time for which a hub remembers ids by default."""
_LEAST_PACE_S: Final = 0.05
"""However little the hub asks for, being limited costs this long."""


def new_id() -> str:
    """A name for one request, 12 random characters."""
    return secrets.token_urlsafe(_ID_BYTES)


class _Lost(NamedTuple):
    """A frame whose answer was lost.

    Attributes:
        session: In which it was sent first.
        at: When, a stamp of the clock; None = it may be repeated for as long as the session lasts.
    """

    session: int
    at: tuple[float, int] | None


class Upstream:
    """Sends over whatever connection is open."""

    __slots__ = ("_asking", "_backoff", "_clock", "_keys", "_link", "_notify", "_publishing", "_subscribing")

    def __init__(
        self,
        keys: KeyKeeper,
        clock: HubClock,
        link: Link,
        *,
        notify: Callable[[Notice], None],
        random: Callable[[], float],
    ) -> None:
        self._keys = keys
        self._clock = clock
        self._link = link
        self._notify = notify
        self._backoff = Backoff(random)
        self._publishing = asyncio.Lock()
        self._subscribing = asyncio.Lock()
        self._asking: Counter[str] = Counter()  # channels whose subscription the hub has not answered

    async def send(self, payload: dict[str, Any], key: HeldKey | None = None) -> dict[str, Any]:
        """Sign a payload now and send it once.

        A retry has to call again, so that it is signed anew: the hub would take the same frame for a replay.

        Args:
            payload: Of an upstream type.
            key: Signs it; None = the newest.

        Raises:
            FrameTooLargeError: Before anything is sent.
            CanonicalError: The payload is not JSON.
            HubError: Refused.
            NetworkError: No answer, or no wire is open.
        """
        signer = (key or await self._keys.for_signing()).signer
        frame = signer.sign(payload, self._clock.now_ms())
        if len(frame) > self._link.max_frame_bytes:
            raise FrameTooLargeError(len(frame), self._link.max_frame_bytes)
        wire = self._link.wire
        if wire is None:
            raise NetworkError("No connection is open.", sent=False)
        return await wire.send(frame, payload.get("id"))

    async def publish(self, channel: str, data: Any) -> Position:
        """Publish, in the order of the calls; waits for a connection, and as long as the hub limits the rate (R54).

        Raises:
            HubError: Refused for another reason.
            UnconfirmedError: The answer was lost, and not to be had within a minute and the same session: it may or may
                not have been published.
            JitterbugError: The stream ended for good, or see :meth:`send`.
        """
        canonical.encode(data)  # before any waiting
        # Not before the channels are asked for: who reads its own publications would find them lost after a restart, or
        # miss them in silence where the two requests overtake each other.
        async with self._publishing:
            answer = await self._call(
                {"t": Up.PUB.value, "ch": channel, "data": data},
                lambda: self._link.is_asked and channel not in self._asking,
            )
        position = Position.from_json(answer.get("pos"))
        if position is None:
            raise UnreadableError
        return position

    async def subscribe(self, channel: str, since: Position | None) -> None:
        """Add a channel to the open connection. Raises as :meth:`publish` does."""
        self._asking[channel] += 1
        try:
            async with self._subscribing:
                await self._call({"t": Up.SUB.value, "ch": channel, "since": since.to_json() if since else None})
        finally:
            self._asking[channel] -= 1
            self._asking += Counter()  # lets go of those at 0
            self._link.tell()

    async def unsubscribe(self, channel: str, conn: str) -> None:
        """Take a channel off this connection; its end does the same. Raises as :meth:`publish` does."""
        async with self._subscribing:
            await self._call({"t": Up.UNSUB.value, "ch": channel}, only_on=conn)

    async def _call(
        self, payload: dict[str, Any], may_go: Callable[[], bool] = lambda: True, only_on: str | None = None
    ) -> dict[str, Any]:
        """Send over an open connection, once it may go there, until it is answered.

        The id stays the same: the hub does once what one session asks for twice under one id, so a lost answer can be
        asked for again. In another session, or once the hub has forgotten the id with its history, it could be done
        twice, so there it is given up.
        """
        members = {name: value for name, value in payload.items() if value is not None or name == "data"}
        members["id"] = new_id()
        lost: _Lost | None = None
        while True:
            await self._until_open(may_go, lost)
            conn, session = self._link.conn, self._keys.sessions
            if only_on is not None and conn != only_on:
                return {}
            if lost is not None and (session != lost.session or self._left_s(lost) <= 0):
                raise UnconfirmedError
            sent = _Lost(session, self._clock.stamp() if payload["t"] == Up.PUB else None)
            try:
                answer = await self.send({**members, "conn": conn})
            except RateLimitedError as error:
                await self._pause(error.retry_after_s, paced=True)
            except UnavailableError as error:
                await self._pause(error.retry_after_s)
            except NetworkError as error:
                if error.sent:
                    lost = lost or sent
                await self._pause(0)
            except (UnauthorizedError, InvalidRequestError):
                # The hub does not know a connection that ended meanwhile: the next one may do.
                if self._link.conn == conn:
                    raise
            else:
                self._backoff.reset()
                return answer

    async def _until_open(self, may_go: Callable[[], bool], lost: _Lost | None) -> None:
        """Wait for a connection, and no longer than a lost answer may be asked for. Raises UnconfirmedError."""
        try:
            async with asyncio.timeout(self._left_s(lost) if lost is not None and lost.at is not None else None):
                await self._link.until(lambda: self._link.is_open and may_go())
        except TimeoutError:
            raise UnconfirmedError from None

    def _left_s(self, lost: _Lost) -> float:
        return math.inf if lost.at is None else (UNCONFIRMED_MS - self._clock.since_ms(lost.at)) / 1_000

    async def _pause(self, asked_s: float, *, paced: bool = False) -> None:
        wait_s = max(asked_s, _LEAST_PACE_S) if paced else self._backoff.at_least_ms(asked_s * 1_000) / 1_000
        if paced:
            self._notify(Paced(wait_s))
        await asyncio.sleep(wait_s)
