"""The transports that the application lets the client use."""

import functools
from collections.abc import Mapping
from typing import Literal

from jitterbug.client.hub_clock import HubClock
from jitterbug.client.refusals import MissingError
from jitterbug.client.stream_wire import open_stream
from jitterbug.client.transport import Transport
from jitterbug.client.wire import Opener, TransportName


def openers(
    wish: Literal["auto", "sse", "websocket"], transport: Transport, clock: HubClock
) -> Mapping[TransportName, Opener]:
    """How to open each transport: at least one, the preferred first.

    Raises:
        MissingError: ``websocket`` is asked for, and ``websockets`` is not installed.
        ValueError: No such transport.
    """
    found: dict[TransportName, Opener] = {"sse": functools.partial(open_stream, transport)}
    if wish == "sse":
        return found
    if wish not in {"auto", "websocket"}:
        raise ValueError('transport is "auto", "sse" or "websocket".')
    try:
        from jitterbug.client.socket_wire import open_socket  # noqa: PLC0415 - its library may not be there
    except ModuleNotFoundError as error:
        if wish == "auto":
            return found
        remedy = 'Run: pip install "jitterbug-push[client]"'
        raise MissingError(f"{error.name} is not installed.", remedy=remedy) from None
    socket: dict[TransportName, Opener] = {"websocket": functools.partial(open_socket, transport, clock)}
    return socket if wish == "websocket" else found | socket
