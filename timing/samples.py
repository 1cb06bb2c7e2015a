"""Taking samples: both classes in one random order, so that whatever else the machine does falls on both alike."""

import gc
import secrets
import subprocess
import sys
from array import array
from collections.abc import Callable
from hashlib import sha256
from random import Random
from time import perf_counter_ns
from typing import Final

from timing.comparison import Call, Comparison

PAIRS: Final = 250
"""Pairs of inputs in a batch."""
USES: Final = 4
"""How often each input is timed."""
BATCH: Final = 2 * PAIRS * USES
PROCESSES: Final = 20

Times = tuple["array[int]", "array[int]"]
"""Nanoseconds of each class."""


def measure(comparison: Comparison, samples: int, advance: Callable[[int], None] = lambda _taken: None) -> Times:
    """Take at least so many samples, half of each class.

    Args:
        comparison: What to time.
        samples: Of both classes together; rounded up to whole batches.
        advance: Told how many were taken, after each batch.
    """
    times = array("q"), array("q")
    order = Random(secrets.randbits(64))
    measure_batch(comparison, order, (array("q"), array("q")))  # caches and specialised bytecode settle
    while len(times[0]) + len(times[1]) < samples:
        measure_batch(comparison, order, times)
        advance(BATCH)
    return times


def measure_anew(comparison: Comparison, samples: int, advance: Callable[[int], None] = lambda _taken: None) -> Times:
    """Like :meth:`measure`, in one fresh process after the other.

    Where a process has its objects, and its code, is settled when it starts, and favours one class by some ns in all
    that it does: luck again, of which one process has one draw.
    """
    times = array("q"), array("q")
    share = -(-samples // PROCESSES)
    for _ in range(PROCESSES):
        command = [sys.executable, "-m", "timing", "--sample", comparison.name, "--samples", str(share)]
        taken = array("q", subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout)
        times[0].extend(taken[: len(taken) // 2])  # as many of one class as of the other
        times[1].extend(taken[len(taken) // 2 :])
        advance(len(taken))
    return times


def measure_batch(comparison: Comparison, order: Random, times: Times) -> None:
    """Time one batch; garbage collection waits until it is over."""
    scattered = _scattered(order)
    call, pairs = comparison.batch(PAIRS)
    inputs = [(which, pair[which]) for pair in pairs for which in (0, 1)]
    order.shuffle(inputs)
    # Copied in that order: where an input lies in memory must not depend on how its class was made.
    work = [(times[which].append, bytes(bytearray(data))) for which, data in inputs] * USES
    order.shuffle(work)
    gc.collect(0)
    gc.disable()
    try:
        _time(call, work)
    finally:
        gc.enable()
    del scattered


def _scattered(order: Random) -> list[object]:
    """Memory with holes at random places, for what a batch makes to fall into.

    Else the keys of each class would lie at the same few addresses in every batch, one of them always luckier with
    the caches, and the test would find the luck.
    """
    kinds: tuple[Callable[[], object], ...] = (sha256, object, dict, lambda: bytearray(order.randrange(1_024)))
    made = [order.choice(kinds)() for _ in range(order.randrange(1_000, 3_000))]
    order.shuffle(made)
    del made[: len(made) // 2]
    return made


def _time(call: Call, work: list[tuple[Callable[[int], None], bytes]]) -> None:
    for append, data in work:
        start_ns = perf_counter_ns()
        call(data)
        end_ns = perf_counter_ns()
        append(end_ns - start_ns)
