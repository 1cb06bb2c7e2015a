"""What a stream and a WebSocket have in common: who may open one, on which channels, and how many at once."""

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from urllib.parse import parse_qsl

from starlette.datastructures import Headers
from starlette.types import Scope

from jitterbug.hub.channels import MAX_CHANNELS_PER_CONNECTION, is_channel
from jitterbug.hub.connection import Connection
from jitterbug.hub.sessions import Session
from jitterbug.hub.sink import Sink
from jitterbug.protocol.codes import Down, ErrorCode
from jitterbug.protocol.frames import is_kid
from jitterbug.protocol.position import Position, decode_cursor
from jitterbug.protocol.verifying import VerifyKey
from jitterbug.server.answers import RefusedRequest
from jitterbug.server.handshake import client_address
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
    """

    session: Session
    kid: str
    key: VerifyKey
    channels: Mapping[str, Position | None]
    address: str | None


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
    cursor = Headers(scope=scope).get("last-event-id", "")
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
        if push.hub.is_draining or not push.limits.admit_connection(push.hub, session, address):
            self._tell_refused(session, "draining" if push.hub.is_draining else "full", address, request_id)
            raise NotNowError
        return Opening(session, kid, key, channels, address)

    @contextlib.contextmanager
    def counted(self, opening: Opening) -> Iterator[None]:
        """Count a wire against its address while it is open."""
        limits = self._push.limits
        limits.connection_opened(opening.address)
        try:
            yield
        finally:
            limits.connection_closed(opening.address)

    @contextlib.contextmanager
    def opened(self, opening: Opening, sink: Sink) -> Iterator[Connection]:
        """A connection of the hub, which forgets it at the end."""
        hub = self._push.hub
        connection = hub.open(opening.session, opening.kid, opening.key, sink, opening.address)
        try:
            yield connection
        finally:
            hub.close(connection, "gone")

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
