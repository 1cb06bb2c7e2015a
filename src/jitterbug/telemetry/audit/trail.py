"""Writing the trail: a listener of facts, a bounded queue, one thread (R83-R87, R12).

The event loop never waits for the disk. Policy when the disk is full or gone: nothing is thrown away silently. Facts
wait in the queue, bounded; what does not fit is counted and told in a record of its own once writing works again;
meanwhile :attr:`AuditTrail.is_healthy` is False, and the hub refuses keys and frames rather than act unrecorded.
"""

import hashlib
import logging
import os
import threading
from collections import deque
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from jitterbug.clock import Clock
from jitterbug.errors import SettingError
from jitterbug.telemetry.audit import seal_file
from jitterbug.telemetry.audit.chain import KEY_BYTES, Seal, append, start
from jitterbug.telemetry.audit.fold import Fold
from jitterbug.telemetry.audit.verify import replay_to_end
from jitterbug.telemetry.events import Fact, FactCode

_LOG = logging.getLogger("jitterbug.audit")
_QUEUE_FACTS: Final = 10_000
_PAUSE_S: Final = 0.1
_CHECKPOINT_EVERY: Final = 1_000
_REFUSALS: Final = {
    FactCode.AUTH_FAILED,
    FactCode.CONNECTION_REFUSED,
    FactCode.EMITTER_FAILED,
    FactCode.FRAME_REFUSED,
    FactCode.INTERNAL_ERROR,
    FactCode.KEY_REFUSED,
    FactCode.PUBLISH_REFUSED,
    FactCode.RATE_LIMITED,
    FactCode.SUBSCRIBE_REFUSED,
}


def members_of(fact: Fact, at_ms: int, node: str) -> dict[str, Any]:
    """A fact as an audit record: who, when, what, how it ended. No secret, no payload, no raw session id or kid."""
    at = datetime.fromtimestamp(at_ms / 1_000, UTC)
    members = {
        "at": at.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "event": fact.code.value,
        "outcome": "refused" if fact.code in _REFUSALS else "done",
        "reason": fact.reason,
        "kid": hashlib.sha256(b"jitterbug kid\0" + fact.kid.encode()).hexdigest()[:16] if fact.kid else None,
        "session": fact.session,
        "address": fact.address,
        "conn": fact.conn,
        "channel": fact.channel,
        "request": fact.request_id,
        "count": fact.count,
        "node": node,
    }
    return {name: value for name, value in members.items() if value is not None}


class AuditTrail:
    """The trail of one node.

    Attributes:
        is_healthy: Whether what happens is being recorded.
        lost: Facts that found the queue full, since the start.
    """

    def __init__(self, path: Path, *, clock: Clock, node: str) -> None:
        """Prepare a trail; :meth:`start` opens it.

        Args:
            path: The file; a seal is kept beside it.
            clock: Time of the records.
            node: Name of this node in them.
        """
        self._path = path
        self._clock = clock
        self._node = node
        self._fold = Fold()
        self._queue: deque[tuple[int, Fact]] = deque()
        self._lock = threading.Lock()
        self._wakeup = threading.Event()
        self._is_stopping = False
        self._untold_lost = 0
        self._seal: Seal | None = None
        self._thread: threading.Thread | None = None
        self._next_checkpoint = _CHECKPOINT_EVERY
        self.is_healthy = False
        self.lost = 0

    # On the event loop.

    def __call__(self, fact: Fact) -> None:
        """Record a fact. Never waits."""
        now_ms = self._clock.now_ms()
        with self._lock:
            for due in self._fold.take(fact, self._clock.monotonic_ns()):
                self._enqueue(now_ms, due)
        self._wakeup.set()

    def _enqueue(self, now_ms: int, fact: Fact) -> None:
        if len(self._queue) >= _QUEUE_FACTS:
            self.lost += 1
            self._untold_lost += 1
            return
        self._queue.append((now_ms, fact))

    def start(self) -> None:
        """Open the trail, go on where it ended, and start writing.

        Raises:
            SettingError: The trail was changed, or cannot be written.
        """
        try:
            self._seal = self._open()
        except (OSError, ValueError, KeyError) as error:
            raise SettingError(
                "JITTERBUG_AUDIT_FILE",
                f"cannot be continued ({type(error).__name__})",
                remedy="Run `jitterbug audit verify` on it; move it and its .seal away to begin a new one.",
            ) from error
        self.is_healthy = True
        self._thread = threading.Thread(target=self._run, name="jitterbug-audit", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Write what waits, then a checkpoint, and close."""
        thread, self._thread = self._thread, None
        if thread is not None:
            self._is_stopping = True
            self._wakeup.set()
            thread.join(timeout=10)

    # In the thread.

    def _open(self) -> Seal:
        seal = seal_file.read(self._path)
        if seal is None:
            if self._path.exists() and self._path.stat().st_size:
                raise ValueError("a trail without its seal")
            seal = start(os.urandom(KEY_BYTES))
            seal_file.write(self._path, seal)
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
        os.close(descriptor)
        seal, end = replay_to_end(self._path, seal)
        if end < self._path.stat().st_size:
            _LOG.warning("The audit trail ended in a torn record after a crash; it goes on after record %d", seal.seq)
            os.truncate(self._path, end)
        self._next_checkpoint = seal.seq + _CHECKPOINT_EVERY
        return seal

    def _run(self) -> None:
        while True:
            self._wakeup.wait(1.0)
            is_stopping = self._is_stopping
            self._wakeup.clear()
            self._write_waiting(is_last=is_stopping)
            if is_stopping:
                return
            # A pause gathers what comes together into one write.
            threading.Event().wait(_PAUSE_S)

    def _write_waiting(self, *, is_last: bool) -> None:
        with self._lock:
            now_ms = self._clock.now_ms()
            for due in self._fold.due(self._clock.monotonic_ns()):
                self._enqueue(now_ms, due)
            batch, lost = list(self._queue), self._untold_lost
        seal = self._seal
        if seal is None or not (batch or lost or is_last):
            return
        records = [members_of(fact, at_ms, self._node) for at_ms, fact in batch]
        if lost:
            records.append({**self._own("lost", now_ms), "outcome": "lost", "count": lost})
        if is_last or seal.seq + len(records) >= self._next_checkpoint:
            records.append({**self._own("checkpoint", now_ms), "outcome": "done", "records": seal.seq + len(records)})
        lines = []
        for members in records:
            line, seal = append(seal, members)
            lines.append(line + b"\n")
        if self._write(b"".join(lines), seal):
            with self._lock:
                for _ in batch:
                    self._queue.popleft()
                self._untold_lost -= lost

    def _own(self, event: str, now_ms: int) -> dict[str, Any]:
        at = datetime.fromtimestamp(now_ms / 1_000, UTC).isoformat(timespec="milliseconds")
        return {"at": at.replace("+00:00", "Z"), "event": event, "node": self._node}

    def _write(self, data: bytes, seal: Seal) -> bool:
        size = None
        try:
            with self._path.open("ab") as file:
                size = file.tell()
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            seal_file.write(self._path, seal)
        except OSError:
            if self.is_healthy:
                _LOG.exception("The audit trail cannot be written: keys and frames are refused until it can")
            self.is_healthy = False
            self._undo(size)
            return False
        if seal.seq >= self._next_checkpoint:
            self._next_checkpoint = seal.seq + _CHECKPOINT_EVERY
            _LOG.info("Audit checkpoint %d:%s", seal.seq, seal.head)
        self.is_healthy = True
        self._seal = seal
        return True

    def _undo(self, size: int | None) -> None:
        """Take a partly written batch off again, so that the trail ends in a whole record."""
        if size is not None:
            try:
                os.truncate(self._path, size)
            except OSError:
                _LOG.exception("A torn audit record could not be taken off; the next start does it")
