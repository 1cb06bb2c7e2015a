"""What is measured: each case opens a fresh server, does one thing to it, and returns figures by scenario."""

import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bench import fanout, payload
from bench.fanout import Window
from bench.load import Load, LoadError, Subscriber
from bench.peers import PEERS
from bench.peers.base import Peer, Tls
from bench.results import OURS
from bench.signatures import verified_publications

PUBLICATIONS: Final = 100
"""In a window: with the warm-up fewer than a connection may be sent at once, so that no limit is met."""
WARM_UP: Final = 20
BURST: Final = 50
_MOST_IN_BURST: Final = 5_000
"""With more it takes longer than a signed publication stays fresh, on a slow machine."""
MISSED: Final = 10
_SETTLE_S: Final = 0.5
_REFILL_S: Final = 1.5
_REST_S: Final = 0.02
_MOST_S: Final = 3.0
"""A window ends after this, however slow the server is."""
Figures = Mapping[str, Mapping[str, float]]
"""Scenario → figure → value."""


@dataclass(frozen=True, slots=True)
class Job:
    """One server doing one thing, once a round.

    Attributes:
        what: Name of the function here.
        peer: Its name.
        subscribers: How many.
        tls: Over TLS.
    """

    what: str
    peer: str
    subscribers: int
    tls: bool = False

    def run(self, tls: Tls, wire_bytes: int) -> Figures:
        """Do it. Raises :class:`LoadError` when something went wrong that makes the figures worthless."""
        with tempfile.TemporaryDirectory() as folder:
            place = Path(folder)
            with PEERS[self.peer](place, tls if self.tls else None, wire_bytes=wire_bytes) as peer:
                try:
                    return JOBS[self.what](peer, self.subscribers)
                except (LoadError, RuntimeError, OSError) as error:
                    raise LoadError(f"{error}; {peer.process.log.read_text()[-500:]}") from error


@contextmanager
def _opened(peer: Peer, subscriber: Subscriber, count: int) -> Iterator[Load]:
    with Load(peer.port, subscriber, count, peer.folder, tls=peer.tls is not None) as load:
        yield load
    if peer.name == OURS:
        for sample in load.samples():
            verified_publications(sample)  # what was measured was signed, whole and in order


def fan_out(peer: Peer, count: int) -> Figures:
    """Open, rest, publish one at a time, publish many at once."""
    memory_bytes, cpu_us = peer.process.memory_bytes(), peer.process.cpu_us()
    with _opened(peer, peer.subscriber(), count) as load:
        opened = load.wait_open()
        opening = {
            "opens_per_s": count / opened["seconds"],
            "cpu_us": (peer.process.cpu_us() - cpu_us) / count,
        }
        time.sleep(_SETTLE_S)
        fanout.one_at_a_time(peer, load, WARM_UP, most_s=_MOST_S / 2)
        windows = [_timed(peer, load)]
        for _ in range(4 if count <= 200 else 0):  # so few deliveries that one window says little
            _refill(peer)
            windows.append(_timed(peer, load))
        many = _burst(peer, load)
        memory_bytes = peer.process.memory_bytes() - memory_bytes
    figures = {"fan-out": {**_mean(windows), "memory_bytes": memory_bytes / count}, "open": opening}
    return {**figures, "burst": _figures(many)} if many is not None else figures


def _burst(peer: Peer, load: Load) -> Window | None:
    if not peer.takes_bursts or load.count > _MOST_IN_BURST:
        return None
    _refill(peer)
    return fanout.burst(peer, load, BURST)


def _refill(peer: Peer) -> None:
    """Let a connection's tokens come back, where there are any."""
    time.sleep(_REFILL_S if peer.name == OURS else 0)


def websocket(peer: Peer, count: int) -> Figures:
    """One at a time, over WebSocket."""
    with _opened(peer, peer.subscriber(websocket=True), count) as load:
        load.wait_open()
        time.sleep(_SETTLE_S)
        fanout.one_at_a_time(peer, load, WARM_UP, most_s=_MOST_S / 2)
        return {"websocket": _figures(_timed(peer, load))}


def idle(peer: Peer, count: int) -> Figures:
    """What an open stream takes while nothing happens: memory, and nothing is published before it is read."""
    before = peer.process.memory_bytes()
    with Load(peer.port, peer.subscriber(), count, peer.folder, tls=peer.tls is not None) as load:
        load.wait_open()
        time.sleep(2 * _SETTLE_S)
        cpu_us = peer.process.cpu_us()
        time.sleep(4)
        resting_us = (peer.process.cpu_us() - cpu_us) / 4
        return {"idle": {"memory_bytes": (peer.process.memory_bytes() - before) / count, "cpu_us_per_s": resting_us}}


def latency(peer: Peer, count: int) -> Figures:
    """From publish to receipt while the server is idle in between."""
    with _opened(peer, peer.subscriber(), count) as load:
        load.wait_open()
        time.sleep(_SETTLE_S)
        fanout.one_at_a_time(peer, load, WARM_UP, every_s=_REST_S)
        return {"latency": _figures(fanout.one_at_a_time(peer, load, 2 * PUBLICATIONS, every_s=_REST_S))}


def storm(peer: Peer, count: int, watched: AbstractContextManager[object] | None = None) -> Figures:
    """All come back at once, each for what it missed; logins are older than that, keys are new.

    Args:
        peer: The server.
        count: How many.
        watched: Entered when they come, left when all have what they missed.
    """
    publisher = peer.publisher()
    answers = [publisher.post(peer.publication(payload.data())) for _ in range(MISSED + 1)]
    publisher.close()
    subscriber = peer.recovering(answers)
    if not subscriber.come_back:
        with watched or nullcontext():
            before = peer.process.cpu_us(), time.monotonic()
            with Load(peer.port, subscriber, count, peer.folder, at_once=count) as load:
                return _recovered(peer, load, *before)
    with Load(peer.port, subscriber, count, peer.folder) as load:
        load.wait_away()
        with watched or nullcontext():
            before = peer.process.cpu_us(), time.monotonic()
            load.come_back(at_once=count)
            return _recovered(peer, load, *before)


def _recovered(peer: Peer, load: Load, cpu_us: float, began_s: float) -> Figures:
    count = load.count
    opened = load.wait_open(all_of_them=False)
    load.expect(count * MISSED)
    complete = load.wait_reached(within_s=60)
    took_s = time.monotonic() - began_s
    cpu_us = peer.process.cpu_us() - cpu_us
    delivered = load.report()["delivered"]
    return {
        "storm": {
            "cpu_us": cpu_us / count,
            "seconds": took_s,
            "failed": float(opened["failed"]),
            "missing": 0.0 if complete else float(count * MISSED - delivered),
        }
    }


def keys(peer: Peer, count: int) -> Figures:
    """What one more key costs on an open connection: two keys less one."""
    costs = []
    for more in (0, 1):
        login, key = peer.subscriber().requests[:2]
        cpu_us = peer.process.cpu_us()
        with Load(peer.port, Subscriber([login, key, *[key] * more]), count, peer.folder) as load:
            load.wait_open()
            costs.append((peer.process.cpu_us() - cpu_us) / count)
    return {"keys": {"cpu_us": costs[1] - costs[0]}}


JOBS: Final[Mapping[str, Callable[[Peer, int], Figures]]] = {
    "fan_out": fan_out, "websocket": websocket, "idle": idle, "latency": latency, "storm": storm, "keys": keys,
}  # fmt: skip


def _timed(peer: Peer, load: Load) -> Window:
    return fanout.one_at_a_time(peer, load, PUBLICATIONS, most_s=_MOST_S)


def _figures(window: Window) -> dict[str, float]:
    return {name: float(getattr(window, name)) for name in Window.__slots__}


def _mean(windows: list[Window]) -> dict[str, float]:
    all_figures = [_figures(window) for window in windows]
    return {name: sum(figures[name] for figures in all_figures) / len(windows) for name in all_figures[0]}
