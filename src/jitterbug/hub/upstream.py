"""Frames that clients send up: verified, then acted on (PROTOCOL §4, §5). Every one gets an outcome.

The order is that of :mod:`jitterbug.protocol.verifying`; the rate limit stands between grammar and cryptography. What
a peer learns is one of four words; the reason goes to the facts.
"""

import logging
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final

from jitterbug.errors import FrameTooLargeError, PublishError, StoreError, UnfitError
from jitterbug.hub.connection import Connection
from jitterbug.hub.hub import Hub
from jitterbug.hub.limits import InboundLimiter
from jitterbug.hub.sessions import Session
from jitterbug.protocol.codes import ByeReason, ErrorCode, Refusal, ReportKind, Up
from jitterbug.protocol.frames import UnverifiedFrame
from jitterbug.protocol.position import Position
from jitterbug.protocol.signing import FrameSigner
from jitterbug.protocol.verifying import Authentic, Refused, VerifyKey, authenticate
from jitterbug.telemetry.events import Fact, FactCode

_LOG = logging.getLogger("jitterbug.upstream")
_MAX_ID_CHARS: Final = 64
_MAX_REPORT: Final = 1_000_000
_MAX_STRAYS: Final = 10_000


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a frame.

    Attributes:
        code: What to tell the peer; None = done.
        id: The frame's own ``id``; None if it had none or was not verified.
        position: Where a publication stands; None for everything else.
        retry_after_s: Seconds to wait, with ``rate limited``.
        too_large: The cause is size, which HTTP has a status for.
        malformed: It is no frame at all.
    """

    code: ErrorCode | None = None
    id: str | None = None
    position: Position | None = None
    retry_after_s: int | None = None
    too_large: bool = False
    malformed: bool = False


class _Keys:
    """A session's keys as the verifier's lookup."""

    __slots__ = ("_hub", "_session")

    def __init__(self, hub: Hub, session: Session) -> None:
        self._hub = hub
        self._session = session

    def find(self, kid: str) -> VerifyKey:
        return self._hub.find_key_or_decoy(self._session, kid)


class Upstream:
    """Handles what clients send."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._strays: OrderedDict[str, InboundLimiter] = OrderedDict()
        self._actions: dict[Up, Callable[[Connection, Authentic, str | None], Awaitable[Outcome]]] = {
            Up.SUB: self._sub,
            Up.UNSUB: self._unsub,
            Up.PUB: self._pub,
            Up.CONFIRM: self._confirm,
            Up.REPORT: self._report,
            Up.PING: self._ping,
        }

    async def handle(
        self,
        session: Session,
        data: bytes,
        *,
        wire: Connection | None = None,
        address: str | None = None,
        request_id: str | None = None,
    ) -> Outcome:
        """Verify one frame and do what it says.

        Args:
            session: Whose cookie came with it.
            data: Bytes as received, already capped.
            wire: The connection they came on, which they must name; None = by HTTP, and they may name any of the
                session's.
            address: Client address, for facts.
            request_id: Under which the cause is logged.
        """
        hub = self._hub
        now_ms, now_ns = hub.clock.now_ms(), hub.clock.monotonic_ns()
        limiter = wire.inbound if wire is not None else self._stray(session)

        def named(payload: dict[str, Any]) -> Connection | None:
            found = hub.connection(session, payload.get("conn"))
            return found if wire is None or found is wire else None

        def admit(frame: UnverifiedFrame) -> bool:
            nonlocal limiter
            connection = wire or named(frame.payload)
            limiter = connection.inbound if connection is not None else limiter
            return count(connection)

        def count(connection: Connection | None) -> bool:
            admitted = limiter.admit(now_ns)
            if connection is not None and not admitted:
                connection.limited_at_ns = now_ns
                if limiter.is_hopeless():
                    hub.bye(connection, ByeReason.RATE)
            return admitted

        def refuse(reason: Refusal, kid: str | None) -> Outcome:
            code = FactCode.RATE_LIMITED if reason is Refusal.RATE else FactCode.FRAME_REFUSED
            hub.facts.emit(
                Fact(code=code, reason=reason, kid=kid, session=session.hash, address=address, request_id=request_id)
            )
            return _refused(reason, limiter.retry_after_s(now_ns))

        verdict = authenticate(
            data,
            now_ms,
            _Keys(hub, session),
            skew_ms=hub.config.skew_ms,
            max_frame_bytes=hub.config.max_frame_bytes,
            admit=admit,
        )
        if isinstance(verdict, Refused):
            # By identity: where a set looks depends on the word, and shows in the time (R69).
            uncounted = verdict.reason is Refusal.SIZE or verdict.reason is Refusal.GRAMMAR
            if uncounted and not count(wire):
                return refuse(Refusal.RATE, None)
            return refuse(verdict.reason, verdict.kid)
        try:
            if not hub.is_fit:
                # Before the nonce is claimed: nothing has happened, and the very frame may be sent again.
                raise UnfitError
            share = f"session:{session.hash}"
            claim = await hub.store.claim(verdict.kid, verdict.nonce, verdict.ts, now_ms, share)
            if not claim:
                return refuse(claim.refusal, verdict.kid)
            return await self._act(session, verdict, named(verdict.payload), address, request_id)
        except StoreError as error:
            if not isinstance(error, UnfitError):  # which is in the log already
                _LOG.exception("The store failed under request %s", request_id)
            hub.facts.emit(
                Fact(
                    code=FactCode.INTERNAL_ERROR,
                    reason=type(error).__name__,
                    session=session.hash,
                    address=address,
                    request_id=request_id,
                )
            )
            frame_id = verdict.payload.get("id")
            return Outcome(ErrorCode.INTERNAL, frame_id if _is_id(frame_id) else None)

    async def _act(
        self,
        session: Session,
        frame: Authentic,
        connection: Connection | None,
        address: str | None,
        request_id: str | None,
    ) -> Outcome:
        payload = frame.payload
        kind, frame_id = payload.get("t"), payload.get("id")
        well_formed = (
            isinstance(kind, str) and kind in Up.__members__.values() and (frame_id is None or _is_id(frame_id))
        )
        reason = None if well_formed and connection is not None else Refusal.TYPE
        self._hub.facts.emit(
            Fact(
                code=FactCode.FRAME_REFUSED if reason else FactCode.FRAME_VERIFIED,
                reason=reason or str(kind),
                kid=frame.kid,
                session=session.hash,
                address=address,
                conn=connection.conn if connection else None,
                request_id=request_id,
            )
        )
        if not well_formed:
            return Outcome(ErrorCode.INVALID)
        if connection is None:
            return Outcome(ErrorCode.UNAUTHORIZED, frame_id)
        if kind == Up.CONFIRM:
            # The one request that a stream's client makes for as long as it lives: a good moment to look at its login.
            await self._hub.renew(connection, session)
        return await self._actions[Up(str(kind))](connection, frame, frame_id)

    async def _sub(self, connection: Connection, frame: Authentic, frame_id: str | None) -> Outcome:
        channel, given = frame.payload.get("ch"), frame.payload.get("since")
        since = Position.from_json(given)
        if not isinstance(channel, str) or (given is not None and since is None):
            return Outcome(ErrorCode.INVALID, frame_id)
        allowed = await self._hub.subscribe(connection, channel, since)
        return Outcome(None if allowed else ErrorCode.UNAUTHORIZED, frame_id)

    async def _unsub(self, connection: Connection, frame: Authentic, frame_id: str | None) -> Outcome:
        channel = frame.payload.get("ch")
        if not isinstance(channel, str):
            return Outcome(ErrorCode.INVALID, frame_id)
        if channel in connection.places or channel in connection.joining:
            self._hub.unsubscribe(connection, channel, "asked")
        return Outcome(id=frame_id)

    async def _pub(self, connection: Connection, frame: Authentic, frame_id: str | None) -> Outcome:
        hub, channel = self._hub, frame.payload.get("ch")
        if not isinstance(channel, str) or "data" not in frame.payload:
            return Outcome(ErrorCode.INVALID, frame_id)
        if not await hub.policy.allows(connection.session, "publish", channel):
            hub.tell(FactCode.PUBLISH_REFUSED, connection, "policy", channel)
            return Outcome(ErrorCode.UNAUTHORIZED, frame_id)
        # One session's ids mean nothing in another's: nobody can use up the id of somebody else's publication.
        publication_id = f"{connection.session.hash}:{frame_id}" if frame_id else None
        try:
            position = await hub.publish(channel, frame.payload["data"], publication_id=publication_id)
        except PublishError as error:
            hub.tell(FactCode.PUBLISH_REFUSED, connection, error.code, channel)
            return Outcome(ErrorCode.INVALID, frame_id, too_large=isinstance(error, FrameTooLargeError))
        return Outcome(id=frame_id, position=position)

    async def _confirm(self, connection: Connection, frame: Authentic, frame_id: str | None) -> Outcome:
        expires_at_ms = frame.key.expires_at_ms or 0
        if frame.kid != connection.kid and expires_at_ms >= connection.key_expires_at_ms:
            connection.rekey(FrameSigner(frame.kid, frame.key.mac), expires_at_ms)
            self._hub.wake(connection)
            self._hub.tell(FactCode.KEY_CONFIRMED, connection)
        return Outcome(id=frame_id)

    async def _report(self, connection: Connection, frame: Authentic, frame_id: str | None) -> Outcome:
        kind, count = frame.payload.get("kind"), frame.payload.get("count", 1)
        known = isinstance(kind, str) and kind in ReportKind.__members__.values()
        if not known or type(count) is not int or not 1 <= count <= _MAX_REPORT:
            return Outcome(ErrorCode.INVALID, frame_id)
        self._hub.facts.emit(
            Fact(
                code=FactCode.CLIENT_REPORT,
                reason=kind,
                count=count,
                session=connection.session.hash,
                address=connection.address,
                conn=connection.conn,
            )
        )
        return Outcome(id=frame_id)

    async def _ping(self, _connection: Connection, _frame: Authentic, frame_id: str | None) -> Outcome:
        return Outcome(id=frame_id)

    def _stray(self, session: Session) -> InboundLimiter:
        """The limiter for frames that name no connection of their session. Bounded: the oldest is forgotten."""
        limiter = self._strays.get(session.id)
        if limiter is None:
            config = self._hub.config
            limiter = self._strays[session.id] = InboundLimiter(config.rate_capacity, config.rate_refill_per_s)
            if len(self._strays) > _MAX_STRAYS:
                self._strays.popitem(last=False)
        return limiter


def _is_id(value: object) -> bool:
    return isinstance(value, str) and 0 < len(value) <= _MAX_ID_CHARS


def _refused(reason: Refusal, retry_after_s: int) -> Outcome:
    if reason is Refusal.RATE:
        return Outcome(ErrorCode.RATE_LIMITED, retry_after_s=retry_after_s)
    if reason is Refusal.SIZE:
        return Outcome(ErrorCode.INVALID, too_large=True)
    if reason is Refusal.GRAMMAR:
        return Outcome(ErrorCode.INVALID, malformed=True)
    return Outcome(ErrorCode.UNAUTHORIZED)
