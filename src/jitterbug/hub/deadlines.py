"""What comes due on an open connection: heartbeat, end of its key or session, a reader that takes nothing.

One visit a heartbeat or so for each connection, from the wheel; see :class:`jitterbug.hub.tick.Tick`.
"""

from typing import TYPE_CHECKING, Final

from jitterbug.hub.connection import Connection
from jitterbug.hub.moment import Moment
from jitterbug.protocol.codes import ByeReason, Down
from jitterbug.telemetry.events import FactCode

if TYPE_CHECKING:
    from jitterbug.hub.hub import Hub

STALL_LIMIT_S: Final = 30
_NS_PER_MS: Final = 1_000_000
_NS_PER_S: Final = 1_000_000_000
_HINT_SHARE: Final = 0.10
_END_SHARE: Final = 0.03
_END_MAX_MS: Final = 5_000


class Deadlines:
    """The rules, by the hub's settings."""

    __slots__ = ("_end_ms", "_heartbeat_ns", "_hint_ms", "_hub", "_look_ns")

    def __init__(self, hub: "Hub") -> None:
        ttl_ms = hub.config.key_ttl_s * 1_000
        self._hub = hub
        self._heartbeat_ns = int(hub.config.heartbeat_s * _NS_PER_S)
        self._look_ns = min(self._heartbeat_ns, STALL_LIMIT_S * _NS_PER_S // 2)
        # The client renews at 80 % of the life. A hint at 90 %; the end while the old key can still sign it, which is
        # only ever tried in a tick.
        self._end_ms = max(min(int(ttl_ms * _END_SHARE), _END_MAX_MS), 2 * hub.config.tick_ms)
        self._hint_ms = max(int(ttl_ms * _HINT_SHARE), self._end_ms)

    def __call__(self, connection: Connection, moment: Moment) -> int | None:
        """Do what is due; return when to come again, monotonic nanoseconds; None = the connection is ending."""
        hub = self._hub
        if connection.is_stalled(moment.now_ns, STALL_LIMIT_S * _NS_PER_S):
            connection.abort()
            hub.close(connection, ByeReason.SLOW)
            return None
        if connection.is_ending:
            # Something is still pending on its wire: look again whether it is ever taken.
            return moment.now_ns + self._look_ns
        left_ms = connection.key_expires_at_ms - moment.now_ms
        if left_ms <= self._end_ms:
            hub.tell(FactCode.KEY_EXPIRED, connection)
            hub.bye(connection, ByeReason.LIFETIME if _ends_with_session(connection) else ByeReason.KEY_EXPIRED)
        else:
            hints = left_ms <= self._hint_ms and not connection.rekey_hinted
            if hints and not _ends_with_session(connection):
                connection.rekey_hinted = True
                connection.control(Down.REKEY, by=connection.key_expires_at_ms - self._end_ms)
                hub.wake(connection)
            if moment.now_ns >= connection.heartbeat_at_ns:
                if connection.heartbeat_at_ns != connection.opened_at_ns:  # hello has just said the same
                    connection.control(Down.HB)
                    hub.wake(connection)
                connection.heartbeat_at_ns = moment.now_ns + self._heartbeat_ns
        mark_ms = self._end_ms if left_ms <= self._hint_ms else self._hint_ms
        key_ns = moment.now_ns + max(0, left_ms - mark_ms) * _NS_PER_MS
        return min(connection.heartbeat_at_ns, key_ns, moment.now_ns + self._look_ns)


def _ends_with_session(connection: Connection) -> bool:
    """Whether the key ends because the session does: then no other can be had. Keys are cut to whole milliseconds."""
    expires_at = connection.session.expires_at
    return expires_at is not None and expires_at * 1_000 < connection.key_expires_at_ms + 1
