"""One node: its connections, and every way in which something reaches them.

All methods run on the event loop's thread. ``await`` stands only where a store or an application's rule is asked.
"""

import asyncio
import os
import random
from collections.abc import Callable, Iterator
from typing import Any, Final

from jitterbug.clock import Clock
from jitterbug.config import Config
from jitterbug.errors import PublishError, UnfitError
from jitterbug.hub.channels import Channels, is_channel, is_reserved
from jitterbug.hub.connection import Connection
from jitterbug.hub.deadlines import Deadlines
from jitterbug.hub.emitters import Emitters
from jitterbug.hub.fan_out import FanOut
from jitterbug.hub.policy import Policy, Rule
from jitterbug.hub.presence import Presence
from jitterbug.hub.publish import prepare
from jitterbug.hub.sessions import Changes, Revocations, Session
from jitterbug.hub.sink import Sink
from jitterbug.hub.standing_rights import StandingRights
from jitterbug.hub.subscriptions import Subscriptions
from jitterbug.hub.tick import Tick
from jitterbug.protocol import base64
from jitterbug.protocol.codes import ByeReason
from jitterbug.protocol.keys import EphemeralKey, RootKeys, SessionKeys
from jitterbug.protocol.position import Position
from jitterbug.protocol.signing import FrameSigner
from jitterbug.protocol.verifying import VerifyKey
from jitterbug.stores.base import Store
from jitterbug.telemetry.events import Fact, FactCode, Facts

_CONN_BYTES: Final = 12
_RETRY_MIN_MS: Final = 250
_RETRY_MAX_MS: Final = 2_000
_NS_PER_MS: Final = 1_000_000


class Hub:
    """Connections, channels and keys of one node.

    Attributes:
        config: Its settings.
        clock: Its time.
        facts: Where every refusal and every opening is told.
        roots: Root keys.
        store: What it shares with other nodes.
        emitters: Sources inside.
        presence: Who reads which channel.
        is_draining: True once a stop was asked for: nothing new is opened.
        published: Publications this node accepted.
    """

    def __init__(
        self, config: Config, *, clock: Clock, store: Store, roots: RootKeys, rule: Rule, facts: Facts | None = None
    ) -> None:
        """Build a hub; nothing runs before :meth:`start`.

        Args:
            config: Settings.
            clock: Time.
            store: Broker, history and nonces.
            roots: Keys that ephemeral ones are derived from.
            rule: Who may read and write what.
            facts: Telemetry; None = told to nobody.
        """
        self.config = config
        self.clock = clock
        self.store = store
        self.roots = roots
        self.facts = facts or Facts()
        self.policy = Policy(rule, StandingRights(subscribe=config.subscribe, publish=config.publish))
        self.channels = Channels(config.buffer_frames)
        self.presence = Presence(config.presence)
        self.emitters = Emitters(self._publish, self.facts)
        self.is_draining = False
        self.published = 0
        self._conditions: list[Callable[[], bool]] = []
        self._dropped_before = 0
        self._sent_before = 0
        self._key_ttl_ms = int(config.key_ttl_s * 1_000)
        self._revoked = Revocations(self._key_ttl_ms + config.skew_ms)
        self._changes = Changes(self._key_ttl_ms + config.skew_ms)
        self._by_conn: dict[str, Connection] = {}
        self._by_session: dict[str, dict[str, Connection]] = {}
        self._tick = Tick(clock, config.tick_ms, Deadlines(self), self._step)
        self._fan_out = FanOut(self.channels, self._tick)
        self._subscriptions = Subscriptions(self, self._tick, self._fan_out)
        self._ticking: asyncio.Task[None] | None = None
        store.attach(self._fan_out.add)

    # Life.

    async def start(self) -> None:
        """Start ticking. Safe to call twice."""
        if self._ticking is None:
            await self.store.start()
            self._ticking = asyncio.get_running_loop().create_task(self._tick.run(), name="jitterbug-tick")

    async def stop(self) -> None:
        """Stop ticking and cut what is still open. Drain first (see the server) to let readers go gently."""
        self.is_draining = True
        ticking, self._ticking = self._ticking, None
        if ticking is not None:
            ticking.cancel()
            await asyncio.gather(ticking, return_exceptions=True)
        await self.emitters.stop()
        for connection in self.connections():
            connection.abort()
            self.close(connection, "stopped")
        await self.store.stop()

    def require(self, condition: Callable[[], bool]) -> None:
        """Make the hub depend on something: while it is not so, keys, frames and publications are refused (R12)."""
        self._conditions.append(condition)

    @property
    def is_fit(self) -> bool:
        """Whether everything the hub depends on is there."""
        return all(condition() for condition in self._conditions)

    # Keys.

    def issue_key(self, session: Session, now_ms: int | None = None) -> EphemeralKey:
        """Make a key for a session; it never outlives the session.

        Args:
            session: Whose.
            now_ms: When its life begins, Unix milliseconds; None = now. An answer that also tells the hub's time gives
                the same reading, or the life would seem a moment longer or shorter (R38).
        """
        now_ms = self.clock.now_ms() if now_ms is None else now_ms
        ttl_ms = self._key_ttl_ms
        if session.expires_at is not None:
            ttl_ms = max(0, int(min(ttl_ms, session.expires_at * 1_000 - now_ms)))
        return self.roots.issue(session.id, now_ms, ttl_ms)

    def find_key(self, session: Session, kid: str) -> VerifyKey | None:
        """The key a session has under this kid; None = unknown, foreign or revoked, all alike.

        Whether it is over is judged where time is, in the verifier's step 3.
        """
        key = self.find_key_or_decoy(session, kid)
        return None if key.is_decoy else key

    def find_key_or_decoy(self, session: Session, kid: str) -> VerifyKey:
        """Like :meth:`find_key`, for a verifier: what is not there is as much work as what is."""
        return SessionKeys(self.roots, session.id, is_over=session.id in self._revoked).find(kid)

    def replace_roots(self, roots: RootKeys) -> None:
        """Derive keys from other root keys from now on.

        A stream whose key none of them made is ended, so that its reader comes back under a new one: a root key that
        was taken out signs nothing more.
        """
        self.roots = roots
        for connection in self.connections():
            keys = SessionKeys(roots, connection.session.id)
            if not connection.is_ending and keys.find(connection.kid).is_decoy:
                self.bye(connection, ByeReason.KEY_EXPIRED)

    # Connections.

    def open(self, session: Session, kid: str, key: VerifyKey, sink: Sink, address: str | None = None) -> Connection:
        """Register a wire. Its ``hello`` leaves with the next pass.

        Between the checks of the request and this call its peer may have kept the server waiting for any time: what
        was ended meanwhile ends here, with ``bye``, before anything is delivered (PROTOCOL §2, §5).
        Its session is the newest known: its rights may have changed in that time, too.
        """
        session = self.newest(session)
        now_ns = self.clock.monotonic_ns()
        conn = base64.encode_url(os.urandom(_CONN_BYTES))
        signer = FrameSigner(kid, key.mac)
        expires_at_ms = key.expires_at_ms or 0
        connection = Connection(conn, session, signer, expires_at_ms, sink, self.config, now_ns, address)
        self._by_conn[conn] = connection
        self._by_session.setdefault(session.id, {})[conn] = connection
        self._tick.put(connection)
        self._tick.set_deadline(connection, now_ns)
        self.tell(FactCode.CONNECTION_OPENED, connection)
        if self.is_revoked(session):
            self.bye(connection, ByeReason.REVOKED)
        elif self.is_draining:
            self.bye(connection, ByeReason.SHUTDOWN)
            if self._ticking is None:
                connection.abort()  # stopped: nothing would ever send the farewell
        return connection

    def close(self, connection: Connection, reason: str) -> None:
        """Forget a wire that ended. Safe to call twice."""
        if connection.is_closed:
            return
        connection.is_closed = True
        self._dropped_before += connection.dropped
        self._sent_before += connection.sent
        for channel in [*connection.places, *connection.joining]:
            self._subscriptions.leave(connection, channel)
        del self._by_conn[connection.conn]
        siblings = self._by_session[connection.session.id]
        del siblings[connection.conn]
        if not siblings:
            del self._by_session[connection.session.id]
        connection.release()
        self._tick.forget_one(self.connection_count)
        self.tell(FactCode.CONNECTION_CLOSED, connection, reason)

    def connection(self, session: Session, conn: object) -> Connection | None:
        """A session's own connection by id; None for anybody else's."""
        found = self._by_conn.get(conn) if isinstance(conn, str) else None
        return found if found is not None and found.session.id == session.id else None

    def connections(self) -> list[Connection]:
        """All open wires."""
        return list(self._by_conn.values())

    def connections_of(self, session_id: str) -> list[Connection]:
        """The open wires of a session."""
        return list(self._by_session.get(session_id, {}).values())

    @property
    def connection_count(self) -> int:
        """Open wires."""
        return len(self._by_conn)

    @property
    def session_count(self) -> int:
        """Sessions with an open wire."""
        return len(self._by_session)

    def activity(self) -> dict[str, int]:
        """Source of ``$sys/activity``: counts, no identities (O31). ``users`` are those of presence."""
        return {
            "channels": sum(not is_reserved(channel) for channel in self.channels),
            "connections": self.connection_count,
            "sessions": self.session_count,
            "users": self.presence.subject_count(),
        }

    def limited_connections(self, within_ns: int) -> tuple[int, int]:
        """How many open connections met a rate limit lately, and how many are open (R80)."""
        since_ns = self.clock.monotonic_ns() - within_ns
        limited = sum(c.limited_at_ns is not None and c.limited_at_ns >= since_ns for c in self._by_conn.values())
        return limited, len(self._by_conn)

    async def publish_own(self, channel: str, data: Any) -> Position:
        """Publish on one of the hub's own channels. Raises as :meth:`publish` does."""
        return await self._publish(channel, data)

    def dropped_frames(self) -> int:
        """Publications that overflowed some ring since the start."""
        return self._dropped_before + sum(connection.dropped for connection in self._by_conn.values())

    def tell_performance(self) -> None:
        """Emit the figures of the node as a fact, for the audit trail (R87). Sums run from the start."""
        delay_ns, self._tick.worst_delay_ns = self._tick.worst_delay_ns, 0
        figures = {
            "connections": self.connection_count,
            "dropped_frames": self.dropped_frames(),
            "sent_frames": self._sent_before + sum(connection.sent for connection in self._by_conn.values()),
            "tick_delay_ms": delay_ns // _NS_PER_MS,
        }
        self.facts.emit(Fact(code=FactCode.PERFORMANCE, figures=figures))

    def bye(self, connection: Connection, reason: ByeReason, retry_ms: int | None = None) -> None:
        """End a wire. Args: retry_ms: when to come back; None = soon, with jitter."""
        connection.bye(reason, retry_ms if retry_ms is not None else random.randint(_RETRY_MIN_MS, _RETRY_MAX_MS))  # noqa: S311
        self._tick.put(connection)

    def revoke(self, session_id: str) -> None:
        """End every key and every wire of a session, now (PROTOCOL §2)."""
        self._revoked.add(session_id, self.clock.now_ms())
        for connection in self.connections_of(session_id):
            self.bye(connection, ByeReason.REVOKED)

    def is_revoked(self, session: Session) -> bool:
        """Whether a session was ended by :meth:`revoke`, whatever its application still says of it."""
        return session.id in self._revoked

    def wake(self, connection: Connection) -> None:
        """Flush a connection in the next pass: something was queued on it."""
        self._tick.put(connection)

    # Channels.

    async def subscribe(self, connection: Connection, channel: str, since: Position | None = None) -> bool:
        """Let a connection read a channel, from a position on or from now.

        Returns:
            False when it may not: a channel that is not there and one that is not theirs answer alike.

        Raises:
            StoreError: The store is away.
        """
        return await self._subscriptions.subscribe(connection, channel, since)

    def unsubscribe(self, connection: Connection, channel: str, reason: str) -> None:
        """End a subscription and tell the client."""
        self._subscriptions.unsubscribe(connection, channel, reason)

    async def reauthorize(self, session_id: str, session: Session | None = None) -> None:
        """Ask the rule again for all that a session reads, and end what it may not read any more.

        Args:
            session_id: Whose wires.
            session: What the login has become, with the same id; None = as it was, the rule has changed.
        """
        if session is not None:
            self._changes.add(session, self.clock.now_ms())
        await self._subscriptions.reauthorize(session_id, session)

    def newest(self, session: Session) -> Session:
        """What a login has become by :meth:`reauthorize`, however long ago its request was resolved."""
        return self._changes.newest(session, self.clock.now_ms())

    async def renew(self, connection: Connection, session: Session) -> None:
        """Take over what a login is now on one of its wires, and end there what it may not read any more.

        Args:
            connection: The wire.
            session: As its application resolves it now, with the same id.
        """
        await self._subscriptions.renew(connection, self.newest(session))

    def _step(self, now_ns: int) -> None:
        self.emitters.run_due(now_ns)
        self._subscriptions.tell_who_left(now_ns)

    # Publishing.

    async def publish(self, channel: str, data: Any, *, publication_id: str | None = None) -> Position:
        """Publish from outside the hub: an application, a session or a back end that may.

        Args:
            channel: 1 to 128 of ``A-Z a-z 0-9 _ - . /``; names with ``$`` are the hub's own.
            data: Any JSON value whose signed frame keeps within ``max_frame_bytes``.
            publication_id: Makes a repetition harmless while history lasts; None = always new.

        Returns:
            Where the publication stands in the channel.

        Raises:
            PublishError: The name or the data will not do.
            FrameTooLargeError: The frame would be too large.
            StoreError: The store is away.
            UnfitError: Something the hub depends on is not there (R12). What the hub itself publishes, alerts among
                it, goes out all the same.
        """
        if not self.is_fit:
            raise UnfitError
        if is_channel(channel) and is_reserved(channel):
            raise PublishError("Channels whose name starts with $ are the hub's own.")
        return await self._publish(channel, data, publication_id)

    async def _publish(self, channel: str, data: Any, publication_id: str | None = None) -> Position:
        encoded = prepare(channel, data, self.config.max_frame_bytes)
        position = await self.store.append(channel, encoded, publication_id=publication_id)
        self.published += 1
        return position

    # Telling.

    def tell(
        self, code: FactCode, connection: Connection, reason: str | None = None, channel: str | None = None
    ) -> None:
        """Emit a fact about a connection."""
        self.facts.emit(
            Fact(
                code=code,
                reason=reason,
                kid=connection.kid,
                session=connection.session.hash,
                address=connection.address,
                conn=connection.conn,
                channel=channel,
            )
        )

    def __iter__(self) -> Iterator[Connection]:
        return iter(self.connections())
