"""Which jobs make up a round."""

from collections.abc import Collection
from typing import Final

from bench.peers import PEERS
from bench.results import OURS
from bench.scenarios import Job

_CRUX: Final = ("floor", "nchan", OURS)
_SSE: Final = tuple(name for name, peer in PEERS.items() if peer.has_sse)
_WEBSOCKET: Final = tuple(name for name, peer in PEERS.items() if peer.has_websocket)

FULL: Final = (
    *(Job("fan_out", peer, 1_000) for peer in _SSE),
    *(Job("fan_out", peer, 5_000) for peer in _CRUX),
    *(Job("fan_out", peer, 1_000, tls=True) for peer in (*_CRUX, "sse-starlette")),
    *(Job("fan_out", peer, 5_000, tls=True) for peer in _CRUX),
    Job("fan_out", OURS, 100),
    Job("fan_out", OURS, 15_000),
    *(Job("idle", peer, 5_000) for peer in ("nchan", OURS)),
    *(Job("latency", peer, 10) for peer in ("nchan", OURS)),
    *(Job("websocket", peer, 1_000) for peer in _WEBSOCKET),
    Job("keys", OURS, 2_000),
    *(Job("storm", peer, 10_000) for peer in ("nchan", OURS)),
)
QUICK: Final = (
    *(Job("fan_out", peer, 1_000) for peer in (*_CRUX, "sse-starlette")),
    *(Job("latency", peer, 10) for peer in ("nchan", OURS)),
    *(Job("websocket", peer, 1_000) for peer in ("nchan", OURS)),
)


def round_of(jobs: Collection[Job], peers: Collection[str], number: int) -> list[Job]:
    """The jobs of one round: of these peers, every other round backwards, so that nobody always runs first."""
    chosen = [job for job in jobs if job.peer in peers]
    return chosen[::-1] if number % 2 else chosen
