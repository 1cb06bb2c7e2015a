"""The small file beside a trail that says how far it goes and holds the key of its next record.

Written anew, atomically, after the records are on disk. A crash in between leaves it behind the trail, never ahead: the
records after it are checked with the key it holds, and the key moves on.
"""

import json
import os
from pathlib import Path

from jitterbug.protocol import base64
from jitterbug.telemetry.audit.chain import KEY_BYTES, Seal


def path_beside(trail: Path) -> Path:
    """Where it lies."""
    return trail.with_name(trail.name + ".seal")


def read(trail: Path) -> Seal | None:
    """Read it; None when there is none.

    Raises:
        ValueError: It is not a seal.
    """
    try:
        text = path_beside(trail).read_bytes()
    except FileNotFoundError:
        return None
    members = json.loads(text)
    seal = Seal(members["seq"], members["head"], base64.decode(members["key"]))
    if type(seal.seq) is not int or len(seal.key) != KEY_BYTES or len(seal.head) != 64:
        raise ValueError("not a seal")
    return seal


def write(trail: Path, seal: Seal) -> None:
    """Replace it. Readable by its owner alone: the key signs what comes, never what has been."""
    path = path_beside(trail)
    draft = path.with_name(path.name + ".new")
    text = json.dumps({"seq": seal.seq, "head": seal.head, "key": base64.encode(seal.key).decode()})
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
