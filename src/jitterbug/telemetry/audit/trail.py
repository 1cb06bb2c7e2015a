"""Writing the trail: a listener of facts, a bounded queue, one thread (R83-R87, R12).

The event loop never waits for the disk. Policy when the disk is full or gone: nothing is thrown away silently. Facts
wait in the queue, bounded; what does not fit is counted and told in a record of its own once writing works again;
meanwhile :attr:`AuditTrail.is_healthy` is False, and the hub refuses keys and frames rather than act unrecorded.
"""

import logging
import threading
from collections import deque
from pathlib import Path
from typing import Any, Final

from jitterbug.clock import Clock
from jitterbug.errors import SettingError
from jitterbug.telemetry.audit.chain import Seal, append
from jitterbug.telemetry.audit.fold import Fold
from jitterbug.telemetry.audit.record import members_of, utc
from jitterbug.telemetry.audit.trail_file import TrailFile
from jitterbug.telemetry.events import Fact

_LOG = logging.getLogger("jitterbug.audit")
_QUEUE_FACTS: Final = 10_000
_PAUSE_S: Final = 0.1
_CHECKPOINT_EVERY: Final = 1_000
"""Records, or"""
_CHECKPOINT_NS: Final = 15 * 60 * 1_000_000_000
"""so much time with a record in it: a quiet hub, too, has something that can be copied off the host."""


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
        self._file = TrailFile(path)
        self._clock = clock
        self._node = node
        self._fold = Fold()
        self._queue: deque[tuple[int, Fact]] = deque()
        self._lock = threading.Lock()
        self._wakeup = threading.Event()
        self._is_stopping = False
        self._untold_lost = 0
        self._is_marked = True  # nothing has been written since the last checkpoint
        self._thread: threading.Thread | None = None
        self._next_checkpoint = _CHECKPOINT_EVERY
        self._checkpoint_at_ns = 0
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
            self.lost += fact.count
            self._untold_lost += fact.count
            return
        self._queue.append((now_ms, fact))

    def start(self) -> None:
        """Open the trail, go on where it ended, and start writing.

        Raises:
            SettingError: The trail was changed, cannot be written, or another hub writes it.
        """
        try:
            seal = self._file.open()
        except BlockingIOError:
            raise SettingError(
                "JITTERBUG_AUDIT_FILE",
                "is being written by another hub",
                remedy="Give each hub a trail of its own.",
            ) from None
        except (OSError, ValueError) as error:
            raise SettingError(
                "JITTERBUG_AUDIT_FILE",
                f"cannot be continued ({type(error).__name__})",
                remedy="Run `jitterbug audit verify` on it; move it and its .seal away to begin a new one.",
            ) from error
        self._plan_checkpoint(seal.seq)
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

    def _plan_checkpoint(self, seq: int) -> None:
        self._next_checkpoint = seq + _CHECKPOINT_EVERY
        self._checkpoint_at_ns = self._clock.monotonic_ns() + _CHECKPOINT_NS
        self._is_marked = True

    def _run(self) -> None:
        while True:
            self._wakeup.wait(1.0)
            self._wakeup.clear()
            is_stopping = self._is_stopping
            try:
                self._write_waiting(is_last=is_stopping)
            except Exception:  # whatever it is, nothing is being recorded, and the hub must know
                self._fail()
            if is_stopping:
                self._end()
                return
            # A pause gathers what comes together into one write.
            threading.Event().wait(_PAUSE_S)

    def _end(self) -> None:
        self.is_healthy = False
        self._file.close()
        unwritten = sum(fact.count for _, fact in self._queue) + self._untold_lost
        if unwritten:
            _LOG.error("The audit trail ends without %d facts that could not be written", unwritten)

    def _write_waiting(self, *, is_last: bool) -> None:
        with self._lock:
            now_ms = self._clock.now_ms()
            for due in self._fold.rest() if is_last else self._fold.due(self._clock.monotonic_ns()):
                self._enqueue(now_ms, due)
            batch, lost = list(self._queue), self._untold_lost
        seal = self._file.seal
        is_due = is_last or (not self._is_marked and self._clock.monotonic_ns() >= self._checkpoint_at_ns)
        if seal is None or not (batch or lost or is_due):
            return
        records = [members_of(fact, at_ms, self._node) for at_ms, fact in batch]
        if lost:
            records.append({**self._own("lost", now_ms), "outcome": "lost", "count": lost})
        is_checkpoint = is_due or seal.seq + len(records) >= self._next_checkpoint
        if is_checkpoint:
            records.append({**self._own("checkpoint", now_ms), "outcome": "done", "records": seal.seq + len(records)})
        lines = []
        for members in records:
            line, seal = append(seal, members)
            lines.append(line + b"\n")
        if self._write(b"".join(lines), seal, is_checkpoint=is_checkpoint):
            with self._lock:
                for _ in batch:
                    self._queue.popleft()
                self._untold_lost -= lost

    def _own(self, event: str, now_ms: int) -> dict[str, Any]:
        return {"at": utc(now_ms), "event": event, "node": self._node}

    def _write(self, data: bytes, seal: Seal, *, is_checkpoint: bool) -> bool:
        try:
            self._file.append(data, seal)
        except OSError:
            self._fail()
            return False
        self._is_marked = is_checkpoint
        if is_checkpoint:
            self._plan_checkpoint(seal.seq)
            _LOG.info("Audit checkpoint %d:%s", seal.seq, seal.head)
        self.is_healthy = True
        return True

    def _fail(self) -> None:
        if self.is_healthy:
            _LOG.exception("The audit trail cannot be written: keys and frames are refused until it can")
        self.is_healthy = False
