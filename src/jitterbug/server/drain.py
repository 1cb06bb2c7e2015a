"""Letting go gently: every stream is told when to come back, spread out so that nobody storms the next node."""

import asyncio
import random
import signal
from typing import Final

from jitterbug.hub.hub import Hub
from jitterbug.protocol.codes import ByeReason

_POLL_S: Final = 0.02
_GRACE_S: Final = 1.0
_LOOK_S: Final = 0.1
_RETRY_MIN_MS: Final = 100
_RETRY_SPREAD_MS: Final = 2_000


async def drain(hub: Hub, over_s: float) -> None:
    """End all streams with ``bye`` ``shutdown``.

    Args:
        hub: Refuses new streams from now on.
        over_s: Seconds over which the farewells are spread; 0 = all at once.
    """
    hub.is_draining = True
    connections = hub.connections()
    random.shuffle(connections)
    pause_s = over_s / len(connections) if connections else 0.0
    owed_s = 0.0
    for connection in connections:
        if owed_s >= _POLL_S:
            await asyncio.sleep(owed_s)
            owed_s = 0.0
        if not connection.is_closed:
            hub.bye(connection, ByeReason.SHUTDOWN, _RETRY_MIN_MS + random.randrange(_RETRY_SPREAD_MS))  # noqa: S311
        owed_s += pause_s
    waited_s = 0.0
    while hub.connection_count and waited_s < _GRACE_S:
        await asyncio.sleep(_POLL_S)
        waited_s += _POLL_S
    for connection in hub.connections():
        # It did not take its farewell: nothing open may keep the process alive.
        connection.abort()


async def server_told_to_stop() -> None:
    """Wait until the uvicorn server of this process has been told to stop; for ever where there is none.

    It ends an application's lifespan only once every connection is closed, which open streams never are by themselves:
    a mounted hub has to see the signal. The server's own handler leads to it, whoever started it.
    """
    server = getattr(signal.getsignal(signal.SIGTERM), "__self__", None)
    while not getattr(server, "should_exit", False):  # noqa: ASYNC110 - it is the server that sets this, not us
        await asyncio.sleep(_LOOK_S)
