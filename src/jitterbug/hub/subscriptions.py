"""Who reads what on this node: a rule is asked, history is joined with what is live, rights end (PROTOCOL §4, §5)."""

from typing import TYPE_CHECKING, Any

from jitterbug.hub.channels import MAX_CHANNELS_PER_CONNECTION
from jitterbug.hub.connection import Connection
from jitterbug.hub.fan_out import FanOut
from jitterbug.hub.presence import is_subject
from jitterbug.hub.sessions import Session
from jitterbug.hub.tick import Tick
from jitterbug.protocol.codes import Down, ErrorCode, GapReason
from jitterbug.protocol.position import Position
from jitterbug.protocol.publication import Place, PreparedPublication
from jitterbug.telemetry.events import FactCode

if TYPE_CHECKING:
    from jitterbug.hub.hub import Hub


class Subscriptions:
    """Subscribes, unsubscribes, and tells who is there."""

    __slots__ = ("_fan_out", "_hub", "_tick")

    def __init__(self, hub: "Hub", tick: Tick, fan_out: FanOut) -> None:
        self._hub = hub
        self._fan_out = fan_out
        self._tick = tick

    async def subscribe(self, connection: Connection, channel: str, since: Position | None = None) -> bool:
        """Let a connection read a channel, from a position on or from now.

        Returns:
            False when it may not: a channel that is not there and one that is not theirs answer alike.

        Raises:
            StoreError: The store is away.
        """
        allowed = await self._may_read(connection, channel)
        # Nothing waits between this count and _join: no crowd of requests slips past the limit together.
        known = channel in connection.places or channel in connection.joining
        full = not known and len(connection.places) + len(connection.joining) >= MAX_CHANNELS_PER_CONNECTION
        if full or not allowed:
            self._hub.tell(FactCode.SUBSCRIBE_REFUSED, connection, "policy" if not allowed else "full", channel)
            return False
        if not known and not connection.is_ending:
            await self._join(connection, channel, since)
        return True

    async def _may_read(self, connection: Connection, channel: str) -> bool:
        while True:
            rights = connection.rights
            allowed = await self._hub.policy.allows(connection.session, "subscribe", channel)
            if rights == connection.rights:  # else the session changed while its rule was asked
                return allowed

    async def reauthorize(self, session_id: str, session: Session | None = None) -> None:
        """Ask the rule again for all that a session reads, and end what it may not read any more.

        Args:
            session_id: Whose wires.
            session: What the login has become, with the same id; None = as it was, the rule has changed.
        """
        connections = self._hub.connections_of(session_id)
        for connection in connections:  # all of them first: while a rule is asked, another wire may subscribe
            self._change(connection, session or connection.session)
        for connection in connections:
            await self._review(connection)

    async def renew(self, connection: Connection, session: Session) -> None:
        """Take over what a login is now on one wire; the rule is asked again where that differs from what it was."""
        known = connection.session
        if session is known or (session == known and session.data == known.data):
            return
        self._change(connection, session)
        await self._review(connection)

    def _change(self, connection: Connection, session: Session) -> None:
        before_ms = connection.key_expires_at_ms
        connection.session = session
        connection.rights += 1
        connection.sign_until(before_ms)
        if connection.key_expires_at_ms < before_ms:
            # It may be over before anybody would have looked: then `bye` leaves while it can be signed.
            self._tick.set_deadline(connection, self._hub.clock.monotonic_ns())

    async def _review(self, connection: Connection) -> None:
        for channel in [*connection.places, *connection.joining]:
            allowed = await self._may_read(connection, channel)
            if not allowed and (channel in connection.places or channel in connection.joining):
                self._hub.tell(FactCode.SUBSCRIBE_REFUSED, connection, "changed", channel)
                self.unsubscribe(connection, channel, ErrorCode.UNAUTHORIZED.value)

    async def _join(self, connection: Connection, channel: str, since: Position | None) -> None:
        waiting = connection.joining[channel] = self._hub.channels.begin(channel, connection)
        try:
            backlog = await self._hub.store.read(channel, since)
        except BaseException:  # nothing half joined stays, whoever gave up
            if connection.joining.get(channel) is waiting:
                self.leave(connection, channel)
            raise
        if connection.joining.get(channel) is not waiting:
            return  # it left while the store was asked, or the wire is gone
        # From here to the end nothing waits, so nothing live can slip in between.
        del connection.joining[channel]
        self._fan_out.settle()  # what it got by way of history, or while waiting for it, does not come once more
        self._hub.channels.complete(channel, connection)
        members: dict[str, Any] = {"ch": channel, "pos": backlog.position.to_json()}
        if since is not None:
            members["recovered"] = backlog.lost is None
        starts_at = since if since is not None and backlog.lost is None else backlog.position
        connection.places[channel] = Place(channel, starts_at)
        connection.control(Down.SUBSCRIBED, moves_cursor=backlog.lost is None, **members)
        if backlog.lost is not None:
            # At once, and the cursor moves with it: cut off in between, a client that resumes by cursor hears it again.
            lost = {"ch": channel, "pos": members["pos"], "reason": backlog.lost.value}
            connection.control(Down.GAP, moves_cursor=True, **lost)
        connection.recover(backlog.publications)
        self._catch_up(connection, backlog.position, waiting)
        if self._hub.presence.covers(channel):
            self._enter(connection, channel)
        self._tick.put(connection)

    @staticmethod
    def _catch_up(connection: Connection, reached: Position, waiting: list[PreparedPublication]) -> None:
        """Queue what was published while history was read, without what the history holds already."""
        for publication in waiting:
            position = publication.position
            if position.epoch == reached.epoch and position.offset <= reached.offset:
                continue
            if position != Position(reached.epoch, reached.offset + 1):
                connection.lose(
                    Place(publication.channel, Position(position.epoch, position.offset - 1)), GapReason.OVERFLOW
                )
            connection.offer(publication)
            reached = position

    def unsubscribe(self, connection: Connection, channel: str, reason: str) -> None:
        """End a subscription and tell the client."""
        self.leave(connection, channel)
        connection.forget_channel(channel)
        connection.control(Down.UNSUBSCRIBED, ch=channel, reason=reason)
        self._tick.put(connection)

    def _enter(self, connection: Connection, channel: str) -> None:
        """Tell a new reader who is there, and the others of the new one."""
        subject = connection.session.subject
        joins = self._hub.presence.enter(channel, subject) if subject is not None and is_subject(subject) else None
        if joins is not None and subject is not None:
            connection.present[channel] = subject
        for member in self._hub.presence.members(channel):
            connection.announce(Down.JOIN, channel, member)
        if joins and subject is not None:
            self._announce(Down.JOIN, channel, subject, without=connection)

    def _announce(self, kind: Down, channel: str, subject: str, without: Connection | None = None) -> None:
        readers = self._hub.channels.readers(channel)
        self._tick.put_all([c for c in readers if c is not without and c.announce(kind, channel, subject)])

    def tell_who_left(self, now_ns: int) -> None:
        """Announce the members that have been gone long enough. Args: now_ns: monotonic."""
        for channel, subject in self._hub.presence.due(now_ns):
            self._announce(Down.LEAVE, channel, subject)

    def leave(self, connection: Connection, channel: str) -> None:
        """End a subscription, or a joining, without a word."""
        subject = connection.present.pop(channel, None)
        if subject is not None:
            self._hub.presence.leave(channel, subject, self._hub.clock.monotonic_ns())
        self._hub.channels.leave(channel, connection)
        connection.joining.pop(channel, None)
