"""What a stream and a WebSocket have in common: who may open one, on which channels, and how many at once."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from urllib.parse import parse_qsl

from starlette.types import Scope

from jitterbug.hub.channels import MAX_CHANNELS_PER_CONNECTION, is_channel
from jitterbug.hub.connection import Connection
from jitterbug.hub.hub import Hub
from jitterbug.hub.sessions import Session
from jitterbug.hub.sink import Sink
from jitterbug.protocol.codes import ByeReason, Down, ErrorCode
from jitterbug.protocol.frames import is_kid
from jitterbug.protocol.keys import RootKeys
from jitterbug.protocol.position import Position, decode_cursor
from jitterbug.protocol.verifying import VerifyKey
from jitterbug.server.answers import RefusedRequest
from jitterbug.server.handshake import client_address, header
from jitterbug.server.limits import EndpointLimits
from jitterbug.telemetry.events import Fact, FactCode

if TYPE_CHECKING:
    from jitterbug.server.app import Jitterbug

Wanted = tuple[str, Mapping[str, Position | None]]
_MAX_FIELDS: Final = 200


class NotNowError(Exception):
    """The hub drains or is full. What to answer depends on the transport (PROTOCOL §5)."""


@dataclass(frozen=True, slots=True)
class Opening:
    """A wire that may be opened.

    Attributes:
        session: Whose.
        kid: Key that will sign.
        key: The same, to sign with.
        channels: What to subscribe to, with the positions to resume from.
        address: Client address, for caps and facts.
        roots: Root keys of the hub when the key was found.
    """

    session: Session
    kid: str
    key: VerifyKey
    channels: Mapping[str, Position | None]
    address: str | None
    roots: RootKeys


def from_query(scope: Scope) -> Wanted:
    """Read ``kid`` and ``channel`` from the URL, and positions from ``Last-Event-ID``. Raises RefusedRequest."""
    try:
        fields = parse_qsl(scope["query_string"].decode("ascii"), keep_blank_values=True, max_num_fields=_MAX_FIELDS)
    except ValueError:
        raise RefusedRequest(ErrorCode.INVALID, "query string") from None
    kids = [value for name, value in fields if name == "kid"]
    channels = [value for name, value in fields if name == "channel"]
    if len(kids) != 1 or any(name not in {"kid", "channel"} for name, _ in fields):
        raise RefusedRequest(ErrorCode.INVALID, "stream wants one kid, channels and nothing else")
    cursor = header(scope, b"last-event-id") or ""
    known = decode_cursor(cursor, channels)
    return kids[0], {channel: known.get(channel) for channel in channels}


class Gate:
    """Lets wires be opened."""

    def __init__(self, push: "Jitterbug") -> None:
        self._push = push

    def admit(self, scope: Scope, session: Session, wanted: Wanted, request_id: str) -> Opening:
        """Check what is wanted, the key, and how many there are.

        Raises:
            RefusedRequest: It may not be opened.
            NotNowError: It may be opened later.
        """
        push, (kid, channels) = self._push, wanted
        if len(channels) > MAX_CHANNELS_PER_CONNECTION or not all(map(is_channel, channels)):
            raise RefusedRequest(ErrorCode.INVALID, "stream channels")
        key = push.hub.find_key(session, kid) if is_kid(kid) else None
        address = client_address(scope)
        if key is None or (key.expires_at_ms or 0) < push.clock.now_ms():
            self._tell_refused(session, "key", address, request_id, kid=kid if is_kid(kid) else None)
            raise RefusedRequest(ErrorCode.UNAUTHORIZED, "stream key")
        if push.hub.is_draining or not push.limits.admit_connection(session, address):
            self._tell_refused(session, "draining" if push.hub.is_draining else "full", address, request_id)
            raise NotNowError
        return Opening(session, kid, key, channels, address, push.hub.roots)

    def counted(self, opening: Opening) -> "Counted":
        """Count a wire against its caps, from the step in which it was admitted until it is gone.

        Not only from its opening on: in between stand sends for which a peer can keep the server waiting, and a crowd
        of such peers would be admitted one by one and then be open together.
        """
        return Counted(self._push.limits, opening.session.id, opening.address)

    def opened(self, opening: Opening, sink: Sink) -> "Opened":
        """A connection of the hub, which forgets it at the end."""
        hub = self._push.hub
        connection = hub.open(opening.session, opening.kid, opening.key, sink, opening.address)
        if hub.roots is not opening.roots and hub.find_key(opening.session, opening.kid) is None:
            hub.bye(connection, ByeReason.KEY_EXPIRED)  # its root key was taken out since it was admitted
        return Opened(hub, connection)

    async def subscribe(self, connection: Connection, channels: Mapping[str, Position | None]) -> None:
        """Subscribe to what was asked for with the request; what may not be read is answered like what is not there."""
        hub = self._push.hub
        for channel, since in channels.items():
            if not await hub.subscribe(connection, channel, since):
                connection.control(Down.UNSUBSCRIBED, ch=channel, reason=ErrorCode.UNAUTHORIZED.value)
                hub.wake(connection)

    def _tell_refused(
        self, session: Session, reason: str, address: str | None, request_id: str, kid: str | None = None
    ) -> None:
        self._push.hub.facts.emit(
            Fact(
                code=FactCode.CONNECTION_REFUSED,
                reason=reason,
                kid=kid,
                session=session.hash,
                address=address,
                request_id=request_id,
            )
        )


# Classes, not generators: every idle stream holds one of each, and a generator's is five times as large.


class Counted:
    """A wire in the counts of its session and its address, as long as the ``with`` block lasts."""

    __slots__ = ("_address", "_limits", "_session_id")

    def __init__(self, limits: EndpointLimits, session_id: str, address: str | None) -> None:
        self._limits = limits
        self._session_id = session_id
        self._address = address

    def __enter__(self) -> None:
        self._limits.connection_opened(self._session_id, self._address)

    def __exit__(self, *_error: object) -> None:
        self._limits.connection_closed(self._session_id, self._address)


class Opened:
    """A connection that the hub forgets when the ``with`` block ends."""

    __slots__ = ("_connection", "_hub")

    def __init__(self, hub: Hub, connection: Connection) -> None:
        self._hub = hub
        self._connection = connection

    def __enter__(self) -> Connection:
        return self._connection

    def __exit__(self, *_error: object) -> None:
        self._hub.close(self._connection, "gone")
