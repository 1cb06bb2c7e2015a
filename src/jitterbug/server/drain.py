"""Letting go gently: every stream is told when to come back, spread out so that nobody storms the next node."""

import asyncio
import contextlib
import random
import signal
import threading
from collections.abc import Iterator
from types import FrameType
from typing import Any, Final

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
    loop = asyncio.get_running_loop()
    started_s = loop.time()
    for number, connection in enumerate(connections):
        # By the clock, not by adding up sleeps: each comes back a little late, and more so on a busy machine.
        ahead_s = started_s + number * pause_s - loop.time()
        if ahead_s >= _POLL_S:
            await asyncio.sleep(ahead_s)
        if not connection.is_closed:
            hub.bye(connection, ByeReason.SHUTDOWN, _RETRY_MIN_MS + random.randrange(_RETRY_SPREAD_MS))  # noqa: S311
    waited_s = 0.0
    while hub.connection_count and waited_s < _GRACE_S:
        await asyncio.sleep(_POLL_S)
        waited_s += _POLL_S
    for connection in hub.connections():
        # It did not take its farewell: nothing open may keep the process alive.
        connection.abort()


async def server_told_to_stop() -> None:
    """Wait until the server of this process has been told to stop; for ever where nobody tells it by a signal.

    Servers end an application's lifespan only once every connection is closed, which open streams never are by
    themselves: a mounted hub has to see the signal. The handlers that are there, the server's or its loop's, are called
    as before. A uvicorn server that is told by its own ``should_exit`` is seen as well.
    """
    told = asyncio.Event()
    server = getattr(signal.getsignal(signal.SIGTERM), "__self__", None)
    with _seen(told):
        while not (told.is_set() or getattr(server, "should_exit", False)):
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(told.wait(), _LOOK_S)


@contextlib.contextmanager
def _seen(told: asyncio.Event) -> Iterator[None]:
    """Set an event at SIGTERM and SIGINT, in front of whatever else happens then."""
    loop, ours = asyncio.get_running_loop(), dict[int, Any]()
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}

    def see(number: int, frame: FrameType | None) -> None:
        loop.call_soon_threadsafe(told.set)
        before[signal.Signals(number)](number, frame)  # type: ignore[operator, misc]  # callable, see below

    if threading.current_thread() is threading.main_thread():
        for number, handler in before.items():
            if callable(handler):  # not where the signal ends the process, or means nothing
                ours[number] = signal.signal(number, see)
    try:
        yield
    finally:
        for ours_at, previous in ours.items():
            if signal.getsignal(ours_at) is see:
                signal.signal(ours_at, previous)
