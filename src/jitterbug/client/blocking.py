"""The client for programs without an event loop: the same stream, driven by a thread of its own.

::

    from jitterbug.client.blocking import connect

    with connect("https://app.example.org", channels=["orders/42"], cookies=cookies) as stream:
        for publication in stream:
            print(publication.channel, publication.data)
"""

import asyncio
import inspect
import threading
from collections.abc import Coroutine, Iterator, Mapping
from typing import Any, Final, Self, TypeVar

from jitterbug.client.client import Stream
from jitterbug.client.client import connect as connect_async
from jitterbug.client.notices import Stats, Status
from jitterbug.client.refusals import ClosedError
from jitterbug.client.transport import base_url
from jitterbug.client.wire import TransportName
from jitterbug.protocol.position import Position
from jitterbug.protocol.session import Publication

T = TypeVar("T")
_JOIN_S: Final = 10.0


def connect(url: str, **options: Any) -> "BlockingStream":
    """Make a stream; it opens with ``with``, which waits until the hub has answered for every channel.

    Args:
        url: The hub, as for :func:`jitterbug.client.connect`.
        **options: Those of :func:`jitterbug.client.connect` but ``http``, which belongs to one event loop. What
            ``on_notice`` names is called in the stream's own thread.

    Raises:
        InsecureError: Plain HTTP to another machine.
        TypeError: No such option.
        ValueError: Not a URL.
    """
    if "http" in options:
        raise TypeError("http belongs to one event loop; this stream has its own.")
    inspect.signature(connect_async).bind(url, **options)
    base_url(url)
    return BlockingStream(url, options)


class BlockingStream(Iterator[Publication]):
    """Verified publications, in order, each once. Made by :func:`connect`; used by one thread or several."""

    def __init__(self, url: str, options: dict[str, Any]) -> None:
        self._url = url
        self._options = options
        self._stream: Stream | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None

    @property
    def stats(self) -> Stats:
        """Counters since it was opened."""
        return self._stream.stats if self._stream is not None else Stats()

    @property
    def status(self) -> Status:
        """How the stream stands now."""
        return self._stream.status if self._stream is not None else Status("connecting")

    @property
    def transport(self) -> TransportName | None:
        """What carries the frames of the open connection; None while none is open."""
        return self._stream.transport if self._stream is not None else None

    @property
    def positions(self) -> Mapping[str, Position | None]:
        """Where each channel stands on the wire; what was received and not yet taken counts as delivered.

        Raises:
            ClosedError: The stream is not open.
        """
        return self._open().positions

    def publish(self, channel: str, data: Any) -> Position:
        """Publish JSON data, where the session may; see :meth:`jitterbug.client.Stream.publish`."""
        return self._wait(self._open().publish(channel, data))

    def subscribe(self, channel: str, since: Position | None = None) -> None:
        """Read one more channel; see :meth:`jitterbug.client.Stream.subscribe`."""
        self._wait(self._open().subscribe(channel, since))

    def unsubscribe(self, channel: str) -> None:
        """Read a channel no more; see :meth:`jitterbug.client.Stream.unsubscribe`."""
        self._wait(self._open().unsubscribe(channel))

    def get(self, timeout_s: float | None = None) -> Publication | None:
        """Take the next publication.

        Args:
            timeout_s: How long to wait for it, in seconds; None = for as long as it takes, 0 = not at all.

        Returns:
            None when none came in time, or the stream is closed.

        Raises:
            JitterbugError: The hub ended the stream for good, after everything it sent was taken.
        """
        return self._wait(_next(self._open(), timeout_s))

    def __next__(self) -> Publication:
        publication = self.get()
        if publication is None:
            raise StopIteration
        return publication

    def close(self) -> None:
        """End the stream for good and forget its keys. Safe to call twice, and from another thread."""
        stream, self._stream = self._stream, None
        if stream is not None:
            self._wait(stream.aclose())
        thread, self._thread = self._thread, None
        if thread is not None and self._loop is not None:
            self._loop.call_soon_threadsafe(self._loop.stop)
            thread.join(_JOIN_S)

    def __enter__(self) -> Self:
        """Open it.

        Raises:
            JitterbugError: It can never work, or did not within ``open_timeout_s``.
            ValueError: The replay window is under twice the skew.
        """
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=_run, args=(self._loop,), name="jitterbug stream", daemon=True)
        self._thread.start()
        try:
            self._stream = self._wait(self._enter())
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    async def _enter(self) -> Stream:
        return await connect_async(self._url, **self._options).__aenter__()

    def _open(self) -> Stream:
        if self._stream is None:
            raise ClosedError("The stream is not open.")
        return self._stream

    def _wait(self, coroutine: Coroutine[Any, Any, T]) -> T:
        if self._loop is None:
            raise ClosedError("The stream is not open.")
        future = asyncio.run_coroutine_threadsafe(coroutine, self._loop)
        try:
            return future.result()
        except BaseException:  # an interrupt, too: what nobody waits for any more must not go on
            future.cancel()
            raise


def _run(loop: asyncio.AbstractEventLoop) -> None:
    try:
        loop.run_forever()
    finally:
        loop.close()


async def _next(stream: Stream, timeout_s: float | None) -> Publication | None:
    # The limit is kept in the loop: there nothing that was taken can be lost when time is up.
    try:
        async with asyncio.timeout(timeout_s):
            return await anext(stream, None)
    except TimeoutError:
        return None
