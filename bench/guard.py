"""``make bench-guard``: has a delivery become dearer since the figures that are committed?

Compares ratios within pairs, not times: ours to the floor, in the same few seconds, so that a slow or busy machine
moves both. And it counts the bytecode instructions from a connection's ring to its transport, which no machine moves.
"""

import argparse
import json
import os
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from statistics import median
from types import FrameType
from typing import Any, Final

from bench import alone
from bench.certificate import make_certificate
from bench.processes import pin_client
from bench.results import OURS
from bench.scenarios import Job
from jitterbug.config import Config
from jitterbug.hub.channels import Channels
from jitterbug.hub.connection import Connection
from jitterbug.hub.fan_out import FanOut
from jitterbug.hub.sessions import Session
from jitterbug.hub.tick import Tick
from jitterbug.protocol.position import Position
from jitterbug.protocol.publication import PreparedPublication
from jitterbug.protocol.signing import FrameSigner
from jitterbug.server.sinks import TransportSink
from jitterbug.testing import ManualClock

FIGURES: Final = Path(__file__).resolve().parent / "figures.json"
_PYTHON: Final = f"{sys.version_info.major}.{sys.version_info.minor}"
PAIRS: Final = 5
SUBSCRIBERS: Final = 500
_CONNECTIONS: Final = 64
TOLERATED: Final = {"ratio_to_floor": 0.20, "instructions_per_delivery": 0.03}
"""How much more each may be: pairs on a shared machine differ by a tenth, instructions not at all."""


class _Nowhere:
    """A transport that takes everything."""

    def write(self, data: bytes) -> None:
        pass

    def is_closing(self) -> bool:
        return False

    def get_write_buffer_size(self) -> int:
        return 0

    def close(self) -> None:
        pass

    def abort(self) -> None:
        pass


def instructions_per_delivery() -> int:
    """Bytecode instructions that a live publication costs for each idle connection, from fan-out to transport."""
    clock = ManualClock()
    config = Config.profile("realtime", development=True)
    tick = Tick(clock, config.tick_ms, lambda _connection, _moment: None, lambda _now_ns: None)
    channels = Channels(config.buffer_frames)
    fan_out = FanOut(channels, tick)
    for number in range(_CONNECTIONS):
        connection = Connection(
            f"{number:016}",
            Session("s" * 32),
            FrameSigner("k" * 52, os.urandom(32)),
            clock.now_ms() + 600_000,
            TransportSink(_Nowhere()),  # type: ignore[arg-type]  # as much of a transport as is asked of it
            config,
            clock.monotonic_ns(),
        )
        connection.flush(tick.moment())
        channels.complete("bench", connection)

    # What is done once for all readers is not counted, nor is the pool of nonces, which is random's.
    publication = PreparedPublication("bench", Position("epochabc", 1), b'"data"')

    def deliver() -> None:
        fan_out.deliver_to([(reader, [publication]) for reader in channels.readers("bench")], tick.moment())

    deliver()
    return int(median(_instructions(deliver) for _ in range(5)) / _CONNECTIONS)


def _instructions(call: Callable[[], Any]) -> int:
    count = 0

    def trace(frame: FrameType, event: str, _: Any) -> Any:
        nonlocal count
        frame.f_trace_opcodes, frame.f_trace_lines = True, False
        count += event == "opcode"
        return trace

    sys.settrace(trace)
    try:
        call()
    finally:
        sys.settrace(None)
    return count


def ratio_to_floor() -> float:
    """Server CPU per delivery, of the floor's: median of pairs."""
    ratios = []
    with tempfile.TemporaryDirectory() as folder:
        tls, wire_bytes = make_certificate(Path(folder)), alone.wire_bytes()
        for _ in range(PAIRS):
            ours, floor = (
                Job("fan_out", peer, SUBSCRIBERS).run(tls, wire_bytes)["fan-out"]["cpu_us"] for peer in (OURS, "floor")
            )
            ratios.append(ours / floor)
    return median(ratios)


def committed(figures: Path = FIGURES) -> dict[str, float]:
    """The figures to compare with: those of this minor version of Python, whose bytecode others do not share."""
    read: dict[str, dict[str, float]] = json.loads(figures.read_text())
    return read.get(_PYTHON, {})


def dearer(measured: Mapping[str, float], before: Mapping[str, float]) -> list[str]:
    """What has become dearer than is tolerated, in words. What was not measured before is not compared."""
    return [
        f"{name}: {measured[name]:.2f}, committed {before[name]:.2f}, tolerated {1 + more:.2f} times that"
        for name, more in TOLERATED.items()
        if name in before and measured[name] > before[name] * (1 + more)
    ]


def main() -> int:
    """Compare. Exit status 1 when something became dearer."""
    parser = argparse.ArgumentParser(prog="python -m bench.guard", description=__doc__)
    parser.add_argument("--write", action="store_true", help="make what is measured now the figures to compare with")
    options = parser.parse_args()
    pin_client()
    measured = {
        "instructions_per_delivery": float(instructions_per_delivery()),
        "ratio_to_floor": round(ratio_to_floor(), 2),
    }
    if options.write:
        known = json.loads(FIGURES.read_text()) if FIGURES.exists() else {}
        FIGURES.write_text(json.dumps({**known, _PYTHON: measured}, indent=1, sort_keys=True) + "\n")
    complaints = dearer(measured, committed())
    for name, value in measured.items():
        print(f"{name}: {value:g}")
    for complaint in complaints:
        print(f"dearer: {complaint}", file=sys.stderr)
    return 1 if complaints else 0


if __name__ == "__main__":
    sys.exit(main())
