"""The WebSocket: every text is one signed frame, both ways (PROTOCOL §5, RFC 6455). Needs ``websockets``."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, Final

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus, WebSocketException

from jitterbug.client import refusals
from jitterbug.client.answers import ANSWER_WITHIN_S, Answers
from jitterbug.client.hub_clock import HubClock
from jitterbug.client.refusals import HubError, NetworkError, UnopenedError
from jitterbug.client.transport import Transport
from jitterbug.client.wire import TransportName
from jitterbug.protocol.position import Position

_MAX_FRAME_BYTES: Final = 1_048_576
"""The largest MAX_FRAME_BYTES a hub can have. The receiver holds frames to the hub's own limit."""
_OPEN_WITHIN_S: Final = 10.0
_CLOSE_WITHIN_S: Final = 0.5
"""A dead network never answers a close."""
_LATER: Final[Mapping[int, type[HubError]]] = {1008: refusals.RateLimitedError, 1013: refusals.UnavailableError}
"""Close codes after which the hub wants a wait. What else there is to say, ``bye`` has said."""


class SocketWire:
    """See :class:`jitterbug.client.wire.Wire`."""

    name: TransportName = "websocket"
    channels = frozenset[str]()

    def __init__(self, socket: ClientConnection, clock: HubClock) -> None:
        self._socket = socket
        self._answers = Answers(clock)

    async def frames(self) -> AsyncGenerator[bytes]:
        """See :class:`jitterbug.client.wire.Wire`."""
        try:
            while isinstance(text := await self._socket.recv(), str):
                yield text.encode()
        except ConnectionClosed as closed:
            code = closed.rcvd.code if closed.rcvd is not None else 0
            if code in _LATER:
                raise _LATER[code](retry_after_s=1) from None
            raise NetworkError(sent=True) from closed

    async def send(self, frame: bytes, frame_id: str | None) -> dict[str, Any]:
        """See :class:`jitterbug.client.wire.Wire`."""
        answer = self._answers.expect(frame_id)
        try:
            async with asyncio.timeout(ANSWER_WITHIN_S):
                await self._socket.send(frame.decode())
                return await answer
        except (ConnectionClosed, TimeoutError) as error:
            raise NetworkError(sent=True) from error
        finally:
            answer.cancel()

    def answered(self, payload: Mapping[str, Any], *, refused: bool) -> None:
        """See :class:`jitterbug.client.wire.Wire`."""
        self._answers.take(payload, refused=refused)

    async def aclose(self) -> None:
        """Close it; whoever waits for an answer is told."""
        self._answers.end()
        await self._socket.close()


class _Connect(connect):
    def process_redirect(self, exc: Exception) -> Exception | str:
        """Follow none: a cookie goes to the hub that was named, nowhere else."""
        return exc


@asynccontextmanager
async def open_socket(
    transport: Transport,
    clock: HubClock,
    kid: str,
    positions: Mapping[str, Position | None],  # noqa: ARG001 - they follow as ``sub``
) -> AsyncIterator[SocketWire]:
    """Open a WebSocket; see :data:`jitterbug.client.wire.Opener`. Its address has the ``kid``, and no channels."""
    handshake = transport.handshake(kid)
    try:
        socket = await _Connect(
            handshake.address,
            additional_headers=handshake.headers,
            user_agent_header=None,  # the HTTP client's own is among the headers
            ssl=handshake.tls,
            proxy=None if handshake.is_loopback else True,
            compression=None,
            max_size=_MAX_FRAME_BYTES,
            open_timeout=_OPEN_WITHIN_S,
            close_timeout=_CLOSE_WITHIN_S,
            ping_interval=None,  # silence is the reader's business, who knows about heartbeats
        )
    except InvalidStatus as error:
        raise _refusal(error) from None
    except WebSocketException as error:
        raise UnopenedError from error
    except (OSError, TimeoutError) as error:
        raise NetworkError(sent=False) from error
    wire = SocketWire(socket, clock)
    try:
        yield wire
    finally:
        await wire.aclose()


def _refusal(error: InvalidStatus) -> HubError | NetworkError:
    """Every answer of a hub has a request id (§7); what has none was said by somebody on the way."""
    headers = error.response.headers
    request_id = headers.get("X-Request-Id")
    if request_id is None:
        return UnopenedError()
    status, retry_after = error.response.status_code, headers.get("Retry-After")
    return refusals.of_status(status, retry_after=retry_after, request_id=request_id)
