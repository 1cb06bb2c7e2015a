"""The trail on disk: opened by one hub at a time, appended to whole batches at a time, and never past a torn one."""

import logging
import os
from pathlib import Path

from jitterbug.telemetry.audit import seal_file
from jitterbug.telemetry.audit.chain import KEY_BYTES, Seal, start
from jitterbug.telemetry.audit.verify import replay_to_end

try:
    import fcntl
except ImportError:  # not a POSIX system: nothing there keeps a second hub away
    fcntl = None  # type: ignore[assignment]

_LOG = logging.getLogger("jitterbug.audit")


class TrailFile:
    """One trail and the seal beside it.

    Attributes:
        seal: Where the trail stands; None before :meth:`open`.
    """

    def __init__(self, path: Path) -> None:
        """Args: path: The trail; nothing is touched yet."""
        self._path = path
        self._end_bytes = 0
        self._lock: int | None = None
        self.seal: Seal | None = None

    def open(self) -> Seal:
        """Open the trail, or begin one; take off what a crash has torn.

        Returns:
            Where it stands.

        Raises:
            OSError: It cannot be read or written, or another process writes it (BlockingIOError).
            ValueError: It was changed, or its seal is missing.
        """
        seal = seal_file.read(self._path)
        if seal is None and self._path.exists() and self._path.stat().st_size:
            raise ValueError("a trail without its seal")
        self._lock = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            # Two hubs in one file would be two chains, and so none.
            if fcntl is not None:
                fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # Read anew: whoever held the lock before may have gone on writing until now.
            seal = seal_file.read(self._path) or start(os.urandom(KEY_BYTES))
            seal, self._end_bytes = replay_to_end(self._path, seal)
            if self._end_bytes < self._path.stat().st_size:
                _LOG.warning("The audit trail ended in a torn record after a crash; it goes on after %d", seal.seq)
                os.truncate(self._path, self._end_bytes)
            seal_file.write(self._path, seal)
        except BaseException:
            self.close()
            raise
        self.seal = seal
        return seal

    def append(self, data: bytes, seal: Seal) -> None:
        """Put a batch on disk, records first, then the seal.

        Args:
            data: Whole lines.
            seal: Where the trail stands after them.

        Raises:
            OSError: They are not on disk, and the trail stands where it stood.
        """
        # Not opened for creation: a trail that was moved away goes on nowhere, least of all in a file of its own.
        with self._path.open("r+b", buffering=0) as file:
            if file.seek(0, os.SEEK_END) < self._end_bytes:
                raise OSError("the audit trail was cut or replaced while it was open")
            # What an earlier attempt left behind, if it could not be taken off then.
            file.truncate(self._end_bytes)
            try:
                file.seek(self._end_bytes)
                left = memoryview(data)
                while left:
                    left = left[file.write(left) :]
                os.fsync(file.fileno())
                seal_file.write(self._path, seal)
            except BaseException:
                self._undo()
                raise
        self._end_bytes += len(data)
        self.seal = seal

    def _undo(self) -> None:
        """Take a partly written batch off again, so that the trail ends in a whole record."""
        try:
            os.truncate(self._path, self._end_bytes)
        except OSError:
            _LOG.exception("A torn audit record could not be taken off; the next write or start does it")

    def close(self) -> None:
        """Let the trail go. Safe to call twice."""
        lock, self._lock = self._lock, None
        if lock is not None:
            os.close(lock)
