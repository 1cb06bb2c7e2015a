"""One reading of the clocks, shared by everything that is flushed in the same pass."""

from jitterbug.clock import Clock


class Moment:
    """Now.

    Attributes:
        now_ms: Unix milliseconds.
        ts: The same in decimal, as frames carry it.
        now_ns: Monotonic nanoseconds.
        tick: Number of the tick that ``now_ns`` falls into.
        next_tick_ns: When the next one begins, monotonic nanoseconds.
    """

    __slots__ = ("next_tick_ns", "now_ms", "now_ns", "tick", "ts")

    def __init__(self, clock: Clock, tick_ns: int) -> None:
        self.now_ms = clock.now_ms()
        self.ts = b"%d" % self.now_ms
        self.now_ns = clock.monotonic_ns()
        self.tick = self.now_ns // tick_ns
        self.next_tick_ns = (self.tick + 1) * tick_ns
