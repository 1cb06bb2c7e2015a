"""The stream: ``GET`` and ``POST BASE/stream``, raw ASGI (PROTOCOL §5).

Before it opens, errors are HTTP answers; afterwards ``bye`` and close. One task a connection: the one that watches for
its end.
"""

import asyncio
import random
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qsl

from starlette.datastructures import Headers
from starlette.types import Receive, Scope, Send

from jitterbug.hub.channels import MAX_CHANNELS_PER_CONNECTION, is_channel
from jitterbug.hub.connection import Connection
from jitterbug.hub.sessions import Session
from jitterbug.protocol import sse
from jitterbug.protocol.codes import Down, ErrorCode
from jitterbug.protocol.frames import is_kid
from jitterbug.protocol.position import Position, decode_cursor
from jitterbug.protocol.verifying import VerifyKey
from jitterbug.server.answers import RefusedRequest
from jitterbug.server.body import parse, read_json
from jitterbug.server.handshake import client_address
from jitterbug.server.sinks import AsgiSink, TransportSink, transport_of
from jitterbug.telemetry.events import Fact, FactCode

if TYPE_CHECKING:
    from jitterbug.server.app import Jitterbug

_BODY_LIMIT_BYTES: Final = 32_768
"""A hundred channels of 128 characters with their positions."""
_RETRY_MIN_MS: Final = 1_000
_RETRY_MAX_MS: Final = 3_000
_BUSY_RETRY_MIN_MS: Final = 2_000
_BUSY_RETRY_MAX_MS: Final = 10_000
_HEADERS: Final = [
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-store, no-transform"),
    (b"x-accel-buffering", b"no"),
]
Wanted = tuple[str, Mapping[str, Position | None]]


def from_query(scope: Scope) -> Wanted:
    """Read ``kid`` and ``channel`` from the URL, and positions from ``Last-Event-ID``. Raises RefusedRequest."""
    try:
        fields = parse_qsl(scope["query_string"].decode("ascii"), keep_blank_values=True, max_num_fields=200)
    except ValueError:
        raise RefusedRequest(ErrorCode.INVALID, "query string") from None
    kids = [value for name, value in fields if name == "kid"]
    channels = [value for name, value in fields if name == "channel"]
    if len(kids) != 1 or any(name not in {"kid", "channel"} for name, _ in fields):
        raise RefusedRequest(ErrorCode.INVALID, "stream wants one kid, channels and nothing else")
    cursor = Headers(scope=scope).get("last-event-id", "")
    known = decode_cursor(cursor, channels)
    return kids[0], {channel: known.get(channel) for channel in channels}


async def from_body(scope: Scope, receive: Receive) -> Wanted:
    """Read ``{"kid": …, "channels": {name: null or position}}``. Raises RefusedRequest."""
    wanted = parse(await read_json(scope, receive, _BODY_LIMIT_BYTES))
    if not isinstance(wanted, dict) or not {"kid"} <= wanted.keys() <= {"kid", "channels"}:
        raise RefusedRequest(ErrorCode.INVALID, "stream body")
    channels = wanted.get("channels", {})
    if not isinstance(channels, dict):
        raise RefusedRequest(ErrorCode.INVALID, "stream channels")
    return wanted["kid"], {name: _since(value) for name, value in channels.items()}


def _since(value: Any) -> Position | None:
    position = Position.from_json(value)
    if value is not None and position is None:
        raise RefusedRequest(ErrorCode.INVALID, "stream position")
    return position


class Stream:
    """Opens and watches streams."""

    def __init__(self, push: "Jitterbug") -> None:
        self._push = push

    async def __call__(
        self, scope: Scope, receive: Receive, send: Send, session: Session, headers: list[tuple[bytes, bytes]]
    ) -> None:
        """Serve one request. ``headers``: those every answer has. Raises RefusedRequest before the stream opens."""
        push, native = self._push, scope["method"] == "GET"
        kid, channels = from_query(scope) if native else await from_body(scope, receive)
        if len(channels) > MAX_CHANNELS_PER_CONNECTION or not all(map(is_channel, channels)):
            raise RefusedRequest(ErrorCode.INVALID, "stream channels")
        key = push.hub.find_key(session, kid) if is_kid(kid) else None
        address = client_address(scope)
        if key is None or (key.expires_at_ms or 0) < push.clock.now_ms():
            self._tell_refused(session, "key", address, headers, kid=kid if is_kid(kid) else None)
            raise RefusedRequest(ErrorCode.UNAUTHORIZED, "stream key")
        if push.hub.is_draining or not push.limits.admit_connection(push.hub, session, address):
            self._tell_refused(session, "draining" if push.hub.is_draining else "full", address, headers)
            await self._refuse_for_now(send, headers, native=native)
            return
        push.limits.connection_opened(address)
        try:
            await self._run(scope, receive, send, headers, (session, kid, key, address), channels)
        finally:
            push.limits.connection_closed(address)

    def _tell_refused(
        self,
        session: Session,
        reason: str,
        address: str | None,
        headers: list[tuple[bytes, bytes]],
        kid: str | None = None,
    ) -> None:
        self._push.hub.facts.emit(
            Fact(
                code=FactCode.CONNECTION_REFUSED,
                reason=reason,
                kid=kid,
                session=session.hash,
                address=address,
                request_id=dict(headers)[b"x-request-id"].decode(),
            )
        )

    async def _refuse_for_now(self, send: Send, headers: list[tuple[bytes, bytes]], *, native: bool) -> None:
        """Say "later": in words that a native EventSource does not take for "never" (PROTOCOL §5)."""
        retry_ms = random.randint(_BUSY_RETRY_MIN_MS, _BUSY_RETRY_MAX_MS)  # noqa: S311
        if not native:
            cause = "draining or too many connections"
            retry_after = {"retry-after": str(-(-retry_ms // 1_000))}
            raise RefusedRequest(ErrorCode.INTERNAL, cause, headers=retry_after)
        await send({"type": "http.response.start", "status": 200, "headers": _HEADERS + headers})
        await send({"type": "http.response.body", "body": sse.retry(retry_ms), "more_body": False})

    async def _run(
        self,
        scope: Scope,
        receive: Receive,
        send: Send,
        headers: list[tuple[bytes, bytes]],
        who: tuple[Session, str, VerifyKey, str | None],
        channels: Mapping[str, Position | None],
    ) -> None:
        session, kid, key, address = who
        hub = self._push.hub
        await send({"type": "http.response.start", "status": 200, "headers": _HEADERS + headers})
        # Sent at once, so that proxies pass the head on and the browser's open event fires.
        first = sse.retry(random.randint(_RETRY_MIN_MS, _RETRY_MAX_MS))  # noqa: S311
        await send({"type": "http.response.body", "body": first, "more_body": True})
        transport = transport_of(scope)
        sink = TransportSink(transport) if transport is not None else AsgiSink()
        connection = hub.open(session, kid, key, sink, address)
        try:
            await self._subscribe(connection, channels)
            if isinstance(sink, AsgiSink):
                await _first_of(sink.pump(send), sink.until_aborted(), _until_gone(receive))
            else:
                await _until_gone(receive)
        finally:
            hub.close(connection, "gone")

    async def _subscribe(self, connection: Connection, channels: Mapping[str, Position | None]) -> None:
        hub = self._push.hub
        for channel, since in channels.items():
            if not await hub.subscribe(connection, channel, since):
                connection.control(Down.UNSUBSCRIBED, ch=channel, reason=ErrorCode.UNAUTHORIZED.value)
                hub.wake(connection)


async def _until_gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _first_of(*coroutines: Any) -> None:
    """Run until one is done, then end the others; errors of either come out."""
    tasks = [asyncio.ensure_future(coroutine) for coroutine in coroutines]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
