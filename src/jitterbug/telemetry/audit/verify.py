"""Reading a trail back: every record checked, the first bad place named (``jitterbug audit verify``)."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from jitterbug.telemetry.audit import seal_file
from jitterbug.telemetry.audit.chain import Seal, advance, fault, start

Progress = Callable[[int], None]


@dataclass(frozen=True, slots=True)
class Report:
    """What was found.

    Attributes:
        records: Good records, from the first on.
        head: SHA-256 of the last good one.
        fault: What is wrong; None = nothing.
        line: Number of the bad line, from 1; None when the fault is what is missing at the end.
        offset: Byte at which it begins.
        with_key: Whether the MACs were checked, or only the chain.
    """

    records: int
    head: str
    fault: str | None = None
    line: int | None = None
    offset: int = 0
    with_key: bool = False


def verify(
    trail: Path,
    *,
    key: bytes | None = None,
    checkpoint: tuple[int, str] | None = None,
    progress: Progress | None = None,
) -> Report:
    """Check a trail.

    Args:
        trail: The file. A seal beside it shows whether records are missing at the end.
        key: The first key, as ``audit init`` printed it; None = check the chain alone.
        checkpoint: (records, head) noted earlier, away from the host; the trail must still contain it.
        progress: Told the bytes read, now and then.

    Raises:
        OSError: The file cannot be read.
    """
    seal = start(key or bytes(32))
    offset = 0
    met_checkpoint = checkpoint is None or checkpoint[0] == 0
    last = seal_file.read(trail)
    met_seal = last is None or last.seq == 0
    with trail.open("rb") as file:
        for number, raw in enumerate(file, 1):
            line = raw.removesuffix(b"\n")
            wrong = "is cut off" if raw == line else fault(seal, line, with_key=key is not None)
            if wrong is not None:
                return Report(seal.seq, seal.head, f"Line {number} {wrong}.", number, offset, key is not None)
            seal = advance(seal, line)
            offset += len(raw)
            met_checkpoint = met_checkpoint or (seal.seq, seal.head) == checkpoint
            met_seal = met_seal or (last is not None and (seal.seq, seal.head) == (last.seq, last.head))
            if progress is not None and number % 1_000 == 0:
                progress(offset)
    missing = None
    if not met_checkpoint:
        missing = "The record of the checkpoint is not in the trail: it was cut, or is another one."
    elif not met_seal:
        missing = "The trail ends before its seal: records were cut off at the end."
    return Report(seal.seq, seal.head, missing, None, offset, key is not None)


def replay_to_end(trail: Path, seal: Seal) -> tuple[Seal, int]:
    """Follow a trail from a seal to its last whole record, after a crash.

    Args:
        trail: The file.
        seal: Where the seal file says it stood.

    Returns:
        The seal at the last whole, genuine record, and the byte after it: what follows is a torn write.

    Raises:
        ValueError: The trail does not contain the seal's own record: it was changed or cut.
    """
    position = start(bytes(32))
    met = seal if seal.seq == 0 else None
    end = 0
    with trail.open("rb") as file:
        for raw in file:
            line = raw.removesuffix(b"\n")
            current = met or position
            if raw == line or fault(current, line, with_key=met is not None) is not None:
                break
            end += len(raw)
            if met is not None:
                met = advance(met, line)
                continue
            position = advance(position, line)
            if position.seq == seal.seq and position.head == seal.head:
                met = seal
    if met is None:
        raise ValueError("the trail does not contain the record its seal names")
    return met, end
