"""The one thread that touches the file. What waits goes into one transaction; answers follow its commit."""

import asyncio
import contextlib
import logging
import queue
import sqlite3
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from jitterbug.errors import StoreError
from jitterbug.stores.sqlite.file import error_name, remedy_of

_LOG = logging.getLogger("jitterbug.store")
_MAX_BATCH: Final = 256
_MAX_WAITING: Final = 10_000
_TIDY_EVERY_S: Final = 0.05
_IDLE_S: Final = 0.5
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class _Job:
    work: Callable[[], Any]
    then: Callable[[Any], None] | None
    answer: "asyncio.Future[Any]"


class Writer:
    """Does work on a connection, in order, a group of it in each transaction."""

    def __init__(
        self,
        connection: sqlite3.Connection,
        *,
        tidy: Callable[[], bool],
        on_undone: Callable[[], None],
        at_end: Callable[[sqlite3.Connection], None],
    ) -> None:
        """Start the thread, in the running loop.

        Args:
            connection: Closed at the end.
            tidy: Deletes a little of what is over; True when there may be more.
            on_undone: Called in the thread when a transaction came to nothing.
            at_end: Called in the thread when all work is done.
        """
        self._connection = connection
        self._tidy = tidy
        self._on_undone = on_undone
        self._at_end = at_end
        self._loop = asyncio.get_running_loop()
        self._gathered: list[_Job] = []
        self._waiting = 0
        self._queue: queue.SimpleQueue[list[_Job] | None] = queue.SimpleQueue()
        self._tidied_s = 0.0
        self._is_stopping = False
        self._is_failing = False
        self._thread = threading.Thread(target=self._run, name="jitterbug-store", daemon=True)
        self._thread.start()

    # On the event loop.

    async def do(self, work: Callable[[], T], then: Callable[[T], None] | None = None) -> T:
        """Have something done, and wait until it is committed.

        Args:
            work: Called in the thread, inside a transaction.
            then: Called with its result on the loop after the commit, in the order of the work, even if nobody waits
                for the answer any more.

        Raises:
            StoreError: Nothing of it was done, or too much waits already.
        """
        if self._is_stopping:
            raise StoreError("The store is stopped.")
        if self._waiting >= _MAX_WAITING:
            raise StoreError("Too much waits for the disk.", remedy="Use a faster disk, or publish less.")
        if not self._gathered:
            # Whatever else this pass of the loop asks for goes along.
            self._loop.call_soon(self._send)
        answer: asyncio.Future[Any] = self._loop.create_future()
        self._gathered.append(_Job(work, then, answer))
        self._waiting += 1
        result: T = await answer
        return result

    def _send(self) -> None:
        jobs, self._gathered = self._gathered, []
        if jobs:
            self._queue.put(jobs)

    def _settle(self, jobs: Sequence[_Job], results: Sequence[Any]) -> None:
        self._waiting -= len(jobs)
        for job, result in zip(jobs, results, strict=True):
            if job.then is not None:
                try:
                    job.then(result)
                except Exception:  # what is committed is answered
                    _LOG.exception("A publication could not be handed out")
            if not job.answer.done():
                job.answer.set_result(result)

    def _refuse(self, jobs: Sequence[_Job], error: Exception) -> None:
        self._waiting -= len(jobs)
        for job in jobs:
            if not job.answer.done():
                refused = StoreError(f"The history file failed ({error_name(error)}).", remedy=remedy_of(error))
                refused.__cause__ = error
                job.answer.set_exception(refused)

    async def stop(self) -> None:
        """Do what waits, then end the thread and close the connection. Safe to call twice."""
        if not self._is_stopping:
            self._is_stopping = True
            self._send()
            self._queue.put(None)
        await asyncio.to_thread(self._thread.join)
        await asyncio.sleep(0)  # the last answers are on their way

    # In the thread.

    def _run(self) -> None:
        waiting: list[_Job] = []
        is_last = False
        while waiting or not is_last:
            is_last = self._take(waiting) or is_last
            batch, waiting = waiting[:_MAX_BATCH], waiting[_MAX_BATCH:]
            if batch:
                self._do(batch)
            if not is_last and time.monotonic() - self._tidied_s >= _TIDY_EVERY_S:
                self._tidy_up()
        try:
            self._at_end(self._connection)
        except sqlite3.Error as error:
            self._tell(error)
        self._connection.close()

    def _take(self, waiting: list[_Job]) -> bool:
        """Take all that waits, after waiting for some if there is none; True when no more will come."""
        with contextlib.suppress(queue.Empty):
            jobs = self._queue.get(timeout=_IDLE_S) if not waiting else self._queue.get_nowait()
            while jobs is not None:
                waiting += jobs
                if len(waiting) >= _MAX_BATCH:
                    return False
                jobs = self._queue.get_nowait()
            return True
        return False

    def _do(self, batch: Sequence[_Job]) -> None:
        changes_before = self._connection.total_changes
        try:
            results = self._transact(lambda: [job.work() for job in batch])
        except Exception as error:  # whatever it is, each is told that nothing was done
            self._tell(error)
            self._call(self._refuse, batch, error)
            return
        if self._is_failing and self._connection.total_changes != changes_before:
            # What only reads says nothing about a full disk.
            self._is_failing = False
            _LOG.warning("The history file works again")
        self._call(self._settle, batch, results)

    def _tidy_up(self) -> None:
        self._tidied_s = time.monotonic()
        try:
            while self._transact(self._tidy) and self._queue.empty():
                pass
        except Exception as error:  # tried again soon
            self._tell(error)

    def _transact(self, work: Callable[[], T]) -> T:
        self._connection.execute("BEGIN")
        try:
            result = work()
            self._connection.execute("COMMIT")
        except BaseException:
            # SQLite may have undone it already.
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            self._on_undone()
            raise
        return result

    def _tell(self, error: Exception) -> None:
        if not self._is_failing:
            self._is_failing = True
            _LOG.error("The history file failed (%s). %s", error_name(error), remedy_of(error), exc_info=error)

    def _call(self, answer: Callable[..., None], *arguments: Any) -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
            self._loop.call_soon_threadsafe(answer, *arguments)
