"""The small file beside a trail that says how far it goes and holds the key of its next record.

Written anew, atomically, after the records are on disk. A crash in between leaves it behind the trail, never ahead: the
records after it are checked with the key it holds, and the key moves on.
"""

import errno
import json
import os
from pathlib import Path

from jitterbug.protocol import base64
from jitterbug.telemetry.audit.chain import KEY_BYTES, Seal, start


def path_beside(trail: Path) -> Path:
    """Where it lies."""
    return trail.with_name(trail.name + ".seal")


def begin(trail: Path) -> bytes:
    """Make the seal of a trail that is still to be written.

    Returns:
        The key of its first record, 32 bytes. It is kept nowhere: noted away from the host it verifies every MAC, and
        whoever takes the host later cannot find it there.

    Raises:
        OSError: It cannot be written; FileExistsError where the trail or its seal is there already.
    """
    for path in (trail, path_beside(trail)):
        if path.exists():
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(path))
    key = os.urandom(KEY_BYTES)
    write(trail, start(key))
    return key


def read(trail: Path) -> Seal | None:
    """Read it; None when there is none.

    Raises:
        ValueError: It is not a seal.
    """
    try:
        text = path_beside(trail).read_bytes()
    except FileNotFoundError:
        return None
    try:
        members = json.loads(text)
        seal = Seal(members["seq"], members["head"], base64.decode(members["key"]))
        if type(seal.seq) is int and seal.seq >= 0 and len(seal.key) == KEY_BYTES and len(seal.head) == 64:
            return seal
    except (AttributeError, KeyError, RecursionError, TypeError, ValueError):
        pass
    # Without a cause: it could quote the text, and a key stands in it.
    raise ValueError("the seal of the audit trail cannot be read")


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
