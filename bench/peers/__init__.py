"""The servers that are measured, one a file; :data:`PEERS` has them all, by name."""

from collections.abc import Mapping
from typing import Final

from bench.peers.base import Peer
from bench.peers.better_sse import BetterSse
from bench.peers.django_eventstream import DjangoEventstream
from bench.peers.fastapi_sse import FastApiSse
from bench.peers.floor import Floor
from bench.peers.jitterbug import Jitterbug
from bench.peers.nchan import Nchan
from bench.peers.python_socketio import PythonSocketio
from bench.peers.socket_io import SocketIo
from bench.peers.sse_starlette import SseStarlette, SseStarletteBytes

PEERS: Final[Mapping[str, type[Peer]]] = {
    peer.name: peer
    for peer in (
        Floor, Nchan, Jitterbug, SseStarletteBytes, SseStarlette, FastApiSse, DjangoEventstream, BetterSse,
        PythonSocketio, SocketIo,
    )
}  # fmt: skip
"""In the order in which they run and are shown."""
ABSENT: Final[Mapping[str, str]] = {
    "Centrifugo": "a Go server, in none of Debian's packages, PyPI and npm",
    "Mercure": "a Go server, in none of Debian's packages, PyPI and npm",
    "Soketi": "its npm package wants uWebSockets.js from a git repository",
    "Pushpin": "a proxy in front of a back end: what it costs is not one server's",
}
"""Peers that one would look for, and why they are not measured."""
