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
        key: The key of the first record, from :func:`jitterbug.telemetry.audit.seal_file.begin`; None = check the
            chain alone.
        checkpoint: (records, head) noted earlier, away from the host; the trail must still contain it.
        progress: Told the bytes read, now and then.

    Raises:
        OSError: The file cannot be read.
        ValueError: The seal beside it cannot be read.
    """
    with_key = key is not None
    seal = start(key or bytes(32))
    offset = 0
    # Read before the trail: a hub that goes on writing meanwhile is then only ever ahead of it.
    last = seal_file.read(trail)
    marks = [(*checkpoint, "the checkpoint")] if checkpoint is not None else []
    marks += [(last.seq, last.head, "the seal")] if last is not None else []
    with trail.open("rb") as file:
        for number, raw in enumerate(file, 1):
            line = raw.removesuffix(b"\n")
            wrong = "is cut off" if raw == line else fault(seal, line, with_key=with_key)
            after = advance(seal, line)
            if wrong is None:
                wrong = _missed(marks, after)
            if wrong is not None:
                return Report(seal.seq, seal.head, f"Line {number} {wrong}.", number, offset, with_key)
            seal = after
            offset += len(raw)
            if progress is not None and number % 1_000 == 0:
                progress(offset)
    beyond = next((name for seq, _, name in marks if seq > seal.seq), None)
    missing = f"The trail ends before {beyond}: records were cut off at the end." if beyond is not None else None
    return Report(seal.seq, seal.head, missing, None, offset, with_key)


def _missed(marks: list[tuple[int, str, str]], seal: Seal) -> str | None:
    """Say which mark is at this record and names another one; None = none."""
    for seq, head, name in marks:
        if seq == seal.seq and head != seal.head:
            return f"is not the record that {name} names: it was changed or replaced"
    return None


def replay_to_end(trail: Path, seal: Seal) -> tuple[Seal, int]:
    """Follow a trail from a seal to its last whole record, after a crash.

    A crash leaves at most one torn record, the last, without its end. Whatever else does not follow was not torn but
    changed, and is not thrown away.

    Args:
        trail: The file.
        seal: Where the seal file says it stood.

    Returns:
        The seal at the last whole, genuine record, and the byte after it: what follows is a torn write.

    Raises:
        ValueError: The trail does not contain the seal's own record, or a whole record does not follow: it was changed
            or cut.
    """
    position = start(bytes(32))
    met = seal if seal.seq == 0 else None
    end = 0
    with trail.open("rb") as file:
        for raw in file:
            line = raw.removesuffix(b"\n")
            current = met or position
            if raw == line:
                break
            if fault(current, line, with_key=met is not None) is not None:
                raise ValueError("a record of the trail does not follow from the one before it")
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
