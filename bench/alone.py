"""What is measured without a server under load: the signature alone, and how long the program takes to start."""

import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from statistics import median
from typing import Final

from bench import payload
from bench.processes import SERVER_CORE, pinned
from jitterbug.protocol.position import Position
from jitterbug.protocol.publication import TAIL, PreparedPublication
from jitterbug.protocol.signing import FrameSigner, seal_all

_SEALS: Final = 50_000
_AT_ONCE: Final = 256
_STARTS: Final = 5
_NS_PER_US: Final = 1_000


def signing() -> Mapping[str, float]:
    """Microseconds for one frame: splice, nonce, MAC, base64 and envelope, in a process on the server's core."""
    command = [sys.executable, "-c", "from bench.alone import seal_us; print(seal_us())"]
    told = subprocess.run(pinned(command, SERVER_CORE), capture_output=True, text=True, check=True)
    return {"cpu_us": float(told.stdout)}


def seal_us() -> float:
    """CPU time of one frame among as many as are sealed at a time, each under a key of its own, microseconds."""
    signers = [FrameSigner("k" * 52, os.urandom(32)) for _ in range(_AT_ONCE)]
    publication = PreparedPublication("bench", Position("epochabc", 41), payload.data().encode())
    began_ns = time.process_time_ns()
    for seq in range(_SEALS // _AT_ONCE):
        spliced = [b"".join((publication.head, b"c" * 16, publication.tail, b"%d" % seq, TAIL)) for _ in signers]
        seal_all([(signer, one, b"", b"") for signer, one in zip(signers, spliced, strict=True)], b"1784636400000")
    return (time.process_time_ns() - began_ns) / (_SEALS // _AT_ONCE * _AT_ONCE) / _NS_PER_US


def start_up() -> Mapping[str, float]:
    """Milliseconds until Python, an import and the command's help are there; medians of five."""
    bare = _start_ms(["-c", "pass"])
    return {
        "python_ms": bare,
        "import_ms": _start_ms(["-c", "import jitterbug"]),
        "help_ms": _start_ms(["-m", "jitterbug", "--help"]),
    }


def _start_ms(arguments: Sequence[str]) -> float:
    command, times = pinned([sys.executable, *arguments], SERVER_CORE), []
    for _ in range(_STARTS):
        began_s = time.perf_counter()
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        times.append((time.perf_counter() - began_s) * 1_000)
    return median(times)


def wire_bytes() -> int:
    """What one delivery of ours takes on the wire as an event of a stream: what the floor has to write."""
    publication = PreparedPublication("bench", Position("epochabc", 41), payload.data().encode())
    spliced = b"".join((publication.head, b"c" * 16, publication.tail, b"41", TAIL))
    frame = FrameSigner("k" * 52, os.urandom(32)).seal(spliced, b"1784636400000")
    event = b"id: " + publication.cursor + b"\ndata: " + frame + b"\n\n"
    return len(b"%x\r\n%b\r\n" % (len(event), event))
