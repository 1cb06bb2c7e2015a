"""When things leave: at once for an idle connection, in the tick for all that had to wait (R56, PROTOCOL §5).

``put`` queues a connection for the next pass of the loop; ``step`` is one tick; ``run`` is the only sleeper. There is
no task, timer or queue for a connection or a delivery.
"""

import asyncio
import contextlib
import logging
from collections.abc import Callable, Iterable
from typing import Final

from jitterbug.clock import Clock
from jitterbug.hub.connection import Connection
from jitterbug.hub.moment import Moment
from jitterbug.hub.wheel import Wheel

_LOG = logging.getLogger("jitterbug.tick")
_NS_PER_MS: Final = 1_000_000
_NS_PER_S: Final = 1_000_000_000
_CLOSED_AT_LEAST: Final = 1_000
"""Closed connections that the wheels may hold, however few are open."""

OnPass = Callable[[Moment], None]
Deadline = Callable[[Connection, Moment], int | None]
"""Does what is due for a connection; returns when it is due next, monotonic nanoseconds, None = never."""


class Tick:
    """Drains connections and keeps their deadlines.

    Attributes:
        on_pass: Called first in each pass of the loop.
        worst_delay_ns: How late a tick came at most, since somebody last set this to 0.
    """

    def __init__(self, clock: Clock, tick_ms: int, on_deadline: Deadline, on_step: Callable[[int], None]) -> None:
        """Create it stopped.

        Args:
            clock: Time.
            tick_ms: Length of a tick, milliseconds.
            on_deadline: Called for each connection whose deadline came.
            on_step: Called once in each tick with the monotonic time, after the connections.
        """
        self._clock = clock
        self._tick_ns = tick_ms * _NS_PER_MS
        self._on_deadline = on_deadline
        self._on_step = on_step
        now_ns = clock.monotonic_ns()
        self._wakes = Wheel(self._tick_ns, now_ns)
        self._deadlines = Wheel(self._tick_ns, now_ns)
        self._ready: list[Connection] = []
        self._closed = 0
        self._pass_is_due = False
        self.on_pass: OnPass = lambda _moment: None
        self.worst_delay_ns = 0

    def moment(self) -> Moment:
        """Read the clocks."""
        return Moment(self._clock, self._tick_ns)

    def put(self, connection: Connection) -> None:
        """Queue a connection for the next pass of the loop."""
        if not connection.in_ready:
            connection.in_ready = True
            self._ready.append(connection)
            self.wake()

    def put_all(self, connections: Iterable[Connection]) -> None:
        """Queue connections that were not queued before; the caller has looked."""
        for connection in connections:
            connection.in_ready = True
            self._ready.append(connection)
        if self._ready:
            self.wake()

    def wake(self) -> None:
        """Have a pass of the loop, if none is due."""
        if not self._pass_is_due:
            self._pass_is_due = True
            asyncio.get_running_loop().call_soon(self.run_ready)

    def wake_later(self) -> None:
        """Have a pass once the loop has looked at the sockets again."""
        asyncio.get_running_loop().call_soon(self.wake)

    def set_deadline(self, connection: Connection, at_ns: int) -> None:
        """Have :data:`Deadline` called for a connection in the first tick at or after ``at_ns``, and not before."""
        connection.due_at_ns = at_ns
        self._deadlines.add(connection, at_ns)

    def forget_one(self, left: int) -> None:
        """Count a connection that has closed. Whoever comes and goes fast fills no memory.

        Args:
            left: How many are open.
        """
        self._closed += 1
        if self._closed > max(left, _CLOSED_AT_LEAST):
            self._closed = 0
            self._deadlines.sweep()
            self._wakes.sweep()

    def run_ready(self) -> None:
        """Flush everything queued."""
        moment = self.moment()
        # Whoever is put up in here is still served in this pass.
        self._pass_is_due = True
        try:
            self.on_pass(moment)
        except Exception:  # one pass that fails must not be the last
            _LOG.exception("A pass failed; the next one goes on")
        self._pass_is_due = False
        ready, self._ready = self._ready, []
        self._flush(ready, moment)

    def step(self) -> None:
        """Do one tick: deadlines, then those that waited for a token or for this tick, in the order they came."""
        moment = self.moment()
        for connection in self._deadlines.due(moment.now_ns):
            if connection.is_closed or connection.due_at_ns > moment.now_ns:
                continue  # looked at earlier than it was entered for, and entered anew then
            try:
                next_ns = self._on_deadline(connection, moment)
            except Exception:  # one that fails must not stop the tick
                cut(connection)
                continue
            if next_ns is not None:
                self.set_deadline(connection, next_ns)
        woken = self._wakes.due(moment.now_ns)
        for connection in woken:
            connection.is_waiting = False
        self._flush(woken, moment)
        self._on_step(moment.now_ns)

    async def run(self) -> None:
        """Tick until cancelled."""
        while True:
            now_ns = self._clock.monotonic_ns()
            wait_ns = self._tick_ns - now_ns % self._tick_ns
            await asyncio.sleep(wait_ns / _NS_PER_S)
            self.worst_delay_ns = max(self.worst_delay_ns, self._clock.monotonic_ns() - now_ns - wait_ns)
            try:
                self.step()
            except Exception:  # one tick that fails must not be the last
                _LOG.exception("A tick failed; the next one goes on")

    def _flush(self, connections: list[Connection], moment: Moment) -> None:
        for connection in connections:
            if connection.is_closed:
                continue
            try:
                wake_ns = connection.flush(moment)
            except Exception:  # one that fails must not stop the others
                cut(connection)
                continue
            if wake_ns is not None and not connection.is_waiting:
                connection.is_waiting = True
                self._wakes.add(connection, wake_ns)


def cut(connection: Connection) -> None:
    """Cut a wire that raised, so that those after it in the same pass are served."""
    _LOG.exception("Connection %s failed and is cut", connection.conn)
    with contextlib.suppress(Exception):
        connection.abort()
