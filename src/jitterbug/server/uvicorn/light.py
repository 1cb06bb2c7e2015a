"""What an idle connection keeps of uvicorn's, without the deques: each takes 700 bytes to hold nothing."""

import asyncio
from typing import Any

from uvicorn.protocols.http.flow_control import FlowControl


class LightEvent:
    """An :class:`asyncio.Event` for a waiter or two."""

    __slots__ = ("_is_set", "_waiters")

    def __init__(self) -> None:
        self._is_set = False
        self._waiters: list[asyncio.Future[None]] | None = None

    def is_set(self) -> bool:
        """Whether it is set."""
        return self._is_set

    def set(self) -> None:
        """Wake whoever waits, and whoever asks from now on."""
        self._is_set = True
        waiters, self._waiters = self._waiters, None
        for waiter in waiters or ():
            if not waiter.done():
                waiter.set_result(None)

    def clear(self) -> None:
        """Let callers wait again."""
        self._is_set = False

    async def wait(self) -> bool:
        """Wait until it is set."""
        if not self._is_set:
            waiter = asyncio.get_running_loop().create_future()
            self._waiters = [*(self._waiters or ()), waiter]
            try:
                await waiter
            finally:
                if self._waiters is not None:
                    self._waiters = [other for other in self._waiters if other is not waiter] or None
        return True


class LightFlowControl(FlowControl):
    """uvicorn's, with an event that is light."""

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self.read_paused = False
        self.write_paused = False
        self._is_writable_event: Any = LightEvent()
        self._is_writable_event.set()


class Pipeline(list[Any]):
    """Requests that wait behind the one being served, the newest first, as uvicorn's deque has them."""

    __slots__ = ()

    def appendleft(self, item: Any) -> None:
        """Put one behind the others."""
        self.insert(0, item)
