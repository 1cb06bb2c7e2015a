"""The crux: one publication to all subscribers at a time, and what it costs the server."""

import time
from dataclasses import dataclass
from typing import Any, Final

from bench import payload
from bench.load import Load, LoadError
from bench.peers.base import Peer

_ACCEPTED_WITHIN_S: Final = 0.5
"""Some servers accept one connection in each pass of their loop."""


@dataclass(frozen=True, slots=True)
class Window:
    """Figures of one measured window.

    Attributes:
        cpu_us: Server CPU for each delivery, microseconds.
        deliveries_per_s: What came in a second.
        p50_us, p99_us: From publish to receipt, microseconds, over all deliveries.
        wire_bytes: What one delivery takes on the wire.
        client_busy: Share of the time in which the load client was computing.
    """

    cpu_us: float
    deliveries_per_s: float
    p50_us: float
    p99_us: float
    wire_bytes: float
    client_busy: float


def one_at_a_time(peer: Peer, load: Load, publications: int, *, most_s: float = 60.0, every_s: float = 0.0) -> Window:
    """Publish, wait until everybody has it, publish the next.

    Args:
        peer: The server.
        load: Its subscribers, all open.
        publications: How many.
        most_s: Stop after this many seconds with what there is.
        every_s: Rest this long before each, so that the server is idle when it comes; 0 = no rest.

    Raises:
        LoadError: A delivery is missing.
    """
    publisher = peer.publisher()
    load.report()
    cpu_us, until_s, published = peer.process.cpu_us(), time.monotonic() + most_s, 0
    while published < publications and time.monotonic() < until_s:
        if every_s:
            time.sleep(every_s)
        load.expect(load.count)
        publisher.post(peer.publication(payload.data()))
        published += 1
        if not load.wait_reached():
            raise LoadError(f"not everybody was sent everything: {load.report()}")
    window = _window(load.report(), peer.process.cpu_us() - cpu_us, published * load.count)
    publisher.close()
    return window


def burst(peer: Peer, load: Load, publications: int) -> Window:
    """Publish many at once, over as many connections, and wait until everybody has all."""
    publishers = [peer.publisher() for _ in range(publications)]
    time.sleep(_ACCEPTED_WITHIN_S)
    load.report()
    cpu_us = peer.process.cpu_us()
    # Made beforehand: whoever publishes many at once does not make each wait for the one before.
    requests = [peer.publication(payload.data()) for _ in publishers]
    for publisher, request in zip(publishers, requests, strict=True):
        publisher.send(request)
    # Only now: the load client does not sleep while deliveries are due, and would hold up the sending beside it.
    load.expect(load.count * publications)
    for publisher in publishers:
        publisher.answer()
    if not load.wait_reached():
        raise LoadError(f"not everybody was sent everything: {load.report()}")
    window = _window(load.report(), peer.process.cpu_us() - cpu_us, publications * load.count)
    for publisher in publishers:
        publisher.close()
    return window


def _window(figures: dict[str, Any], cpu_us: float, expected: int) -> Window:
    delivered = figures["delivered"]
    if delivered != expected or figures["closed_early"]:
        raise LoadError(f"{delivered} deliveries instead of {expected}, {figures['closed_early']} connections lost")
    return Window(
        cpu_us=cpu_us / delivered,
        deliveries_per_s=delivered / figures["seconds"],
        p50_us=figures["p50_us"],
        p99_us=figures["p99_us"],
        wire_bytes=figures["bytes"] / delivered,
        client_busy=figures["client_cpu_us"] / 1e6 / figures["seconds"],
    )
