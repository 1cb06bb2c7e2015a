"""Sources inside the hub, driven by the tick: built-in ones and those an application adds.

The registry checks that ids are unique and intervals lie between 100 ms and 60 s. The size is checked on every frame,
at the gate of every publication (O27), and a source that fails or hangs disturbs nobody else.
"""

import asyncio
import inspect
import logging
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Final

from jitterbug.errors import SettingError
from jitterbug.hub.channels import is_channel
from jitterbug.telemetry.events import Fact, FactCode, Facts

_LOG = logging.getLogger("jitterbug.emitters")
MIN_INTERVAL_S: Final = 0.1
MAX_INTERVAL_S: Final = 60.0
HEARTBEAT: Final = "heartbeat"
"""Id of the built-in ``hb``: signed for each connection by the tick, so it has no function here."""
_ID: Final = re.compile(r"[A-Za-z0-9_.\-]{1,64}", re.ASCII)
_NS_PER_S: Final = 1_000_000_000

Source = Callable[[], Any | Awaitable[Any]]
"""Returns the data to publish, or None for nothing this time; plain or async."""
Publish = Callable[[str, Any], Awaitable[Any]]


@dataclass(slots=True)
class Emitter:
    """One source.

    Attributes:
        id: Unique name.
        every_ns: Interval.
        channel: Where its data goes.
        source: The function.
        due_ns: When it runs next.
        failures: How often it raised.
    """

    id: str
    every_ns: int
    channel: str
    source: Source
    due_ns: int = 0
    failures: int = 0
    running: "asyncio.Task[None] | None" = field(default=None, repr=False)


class Emitters:
    """The registry and its schedule."""

    __slots__ = ("_by_id", "_facts", "_publish")

    def __init__(self, publish: Publish, facts: Facts) -> None:
        """Args: publish: the hub's gate."""
        self._by_id: dict[str, Emitter] = {}
        self._publish = publish
        self._facts = facts

    def add(self, emitter_id: str, source: Source, *, every_s: float, channel: str) -> Emitter:
        """Register a source.

        Args:
            emitter_id: 1 to 64 of ``A-Z a-z 0-9 _ - .``, not taken.
            source: Called every ``every_s`` seconds; its result is published unless None.
            every_s: 0.1 to 60 seconds.
            channel: Channel for its data.

        Raises:
            SettingError: One of these does not hold.
        """
        if _ID.fullmatch(emitter_id) is None:
            raise SettingError("emitter id", "must be 1 to 64 of A-Z a-z 0-9 _ - .")
        if emitter_id in self._by_id or emitter_id == HEARTBEAT:
            raise SettingError(f"emitter {emitter_id}", "is registered already", remedy="Give it another id.")
        if isinstance(every_s, bool) or not MIN_INTERVAL_S <= every_s <= MAX_INTERVAL_S:
            raise SettingError(
                f"emitter {emitter_id}", f"every_s must be {MIN_INTERVAL_S} to {MAX_INTERVAL_S:g} seconds"
            )
        if not is_channel(channel):
            raise SettingError(f"emitter {emitter_id}", "has no valid channel name")
        emitter = self._by_id[emitter_id] = Emitter(emitter_id, int(every_s * _NS_PER_S), channel, source)
        return emitter

    def remove(self, emitter_id: str) -> None:
        """Take a source out; unknown ids are ignored."""
        emitter = self._by_id.pop(emitter_id, None)
        if emitter is not None and emitter.running is not None:
            emitter.running.cancel()

    def run_due(self, now_ns: int) -> None:
        """Start every source whose time has come. One that is still running is left out this time."""
        for emitter in self._by_id.values():
            if emitter.due_ns > now_ns:
                continue
            emitter.due_ns += emitter.every_ns
            if emitter.due_ns <= now_ns:
                # The first time, or after the process slept: no burst to catch up.
                emitter.due_ns = now_ns + emitter.every_ns
            if emitter.running is None or emitter.running.done():
                emitter.running = asyncio.get_running_loop().create_task(self._run(emitter))

    async def stop(self) -> None:
        """Cancel whatever is running, and wait for it."""
        tasks = [emitter.running for emitter in self._by_id.values() if emitter.running is not None]
        for emitter in self._by_id.values():
            emitter.running = None  # the hub may be started again, in another loop
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def __iter__(self) -> Any:
        return iter(self._by_id.values())

    async def _run(self, emitter: Emitter) -> None:
        try:
            data = emitter.source()
            if inspect.isawaitable(data):
                data = await data
            if data is not None:
                await self._publish(emitter.channel, data)
        except Exception as error:
            emitter.failures += 1
            _LOG.exception("Emitter %s failed; it will run again", emitter.id)
            reason = type(error).__name__
            self._facts.emit(Fact(code=FactCode.EMITTER_FAILED, reason=reason, channel=emitter.channel))
