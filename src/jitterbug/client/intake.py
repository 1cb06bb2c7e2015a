"""One connection, read to its end: every frame judged at once, every verdict acted on in one place."""

import asyncio
from collections.abc import Callable
from contextlib import aclosing
from typing import Any

from jitterbug.client import resume
from jitterbug.client.hub_clock import HubClock
from jitterbug.client.inbox import Inbox
from jitterbug.client.link import STRICT_FRAME_BYTES, Link
from jitterbug.client.notices import Notice, Rotated, Stats, Status, Unsubscribed
from jitterbug.client.presence import Presence
from jitterbug.client.refusals import NetworkError, UnreadableError
from jitterbug.client.reports import Reports
from jitterbug.client.resume import Step
from jitterbug.client.rotation import Rotation
from jitterbug.client.wire import Wire
from jitterbug.errors import CanonicalError
from jitterbug.protocol.codes import PROTOCOL_VERSION, Down, ErrorCode
from jitterbug.protocol.session import Control, Event, Gap, Hole, Publication, Receiver
from jitterbug.protocol.verifying import KeyLookup, Refused


class Intake:
    """Reads connections, one after another.

    Attributes:
        live_since_ms: When the connection's ``hello`` came, monotonic; None before it.
    """

    __slots__ = (
        "_clock", "_ended", "_hello_by", "_inbox", "_kid", "_known", "_link", "_notify", "_presence", "_reports",
        "_rotation", "_silence_s", "_stats", "_wire", "live_since_ms",
    )  # fmt: skip

    def __init__(
        self,
        clock: HubClock,
        link: Link,
        inbox: Inbox,
        rotation: Rotation,
        reports: Reports,
        stats: Stats,
        *,
        keys: KeyLookup,
        ended: Callable[[str], bool],
        silence_s: float,
        notify: Callable[[Notice], None],
    ) -> None:
        """Prepare to read.

        Args:
            clock: The hub's time.
            link: Told of the connection.
            inbox: Gets what was published.
            rotation: Told of keys.
            reports: Told of refusals and holes.
            stats: Counted in.
            keys: This client's.
            ended: Told of each ``unsubscribed``; True = it is news to this side.
            silence_s: Without a good frame for this long the connection is dead.
            notify: Told of everything else.
        """
        self._clock = clock
        self._link = link
        self._inbox = inbox
        self._rotation = rotation
        self._reports = reports
        self._stats = stats
        self._known = keys
        self._silence_s = silence_s
        self._notify = notify
        self._ended = ended
        self._presence = Presence(notify)
        self._kid = ""
        self._wire: Wire | None = None
        self._hello_by: asyncio.Timeout | None = None
        self.live_since_ms: float | None = None

    async def read(self, receiver: Receiver, wire: Wire, kid: str, hello_by: asyncio.Timeout) -> Step:
        """Read a connection until it ends or has to be given up.

        Args:
            receiver: Judges its frames.
            wire: What brings them.
            kid: Key it was asked for with.
            hello_by: Runs until its ``hello`` has come.

        Raises:
            HubError: The hub ended it and says when to come back.
        """
        self._kid, self.live_since_ms = kid, None
        self._wire = self._link.wire = wire
        self._link.is_asked = False
        self._hello_by = hello_by
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(self._silence_s) as silence, aclosing(wire.frames()) as frames:
                async for frame in frames:
                    step, good = await self._frame(receiver, frame)
                    if step is not None:
                        return step
                    if good:  # a forger's frames do not keep a dead connection alive
                        silence.reschedule(loop.time() + self._silence_s)
        except TimeoutError:
            return resume.SILENT
        except (NetworkError, CanonicalError):
            return resume.CUT
        finally:
            self._link.close()
            self._stats.duplicates += receiver.duplicates
        return resume.CUT

    async def _frame(self, receiver: Receiver, data: bytes) -> tuple[Step | None, bool]:
        """Judge one frame. Everything it brought is handed on before a step is taken."""
        found = receiver.receive(data, self._clock.now_ms())
        good = not (found and isinstance(found[0], Refused))
        self._stats.verified += good
        step: Step | None = None
        for item in found:
            step = self._take(receiver, item) or step
        if step is resume.HOLE:
            await self._reports.gap()
        return step, good

    def _take(self, receiver: Receiver, item: Event) -> Step | None:
        match item:
            case Publication():
                self._inbox.put(item)
                return resume.BEHIND if self._inbox.is_full else None
            case Gap():
                self._stats.gaps += 1
                self._inbox.put(item)
            case Hole():
                self._stats.gaps += 1
                return resume.HOLE
            case Refused():
                self._stats.refused[item.reason] += 1
                self._reports.refused(item.reason)
                self._notify(item)
            case Control():
                return self._control(receiver, item.type, item.payload)
        return None

    def _control(self, receiver: Receiver, kind: Down, payload: dict[str, Any]) -> Step | None:
        match kind:
            case Down.HELLO:
                return self._hello(receiver, payload)
            case Down.REKEY:
                return self._rekey(payload)
            case Down.BYE:
                return resume.after_bye(payload, self._live_ms())
            case Down.SUBSCRIBED:
                self._presence.anew(str(payload.get("ch")))
                self._link.tell()
            case Down.JOIN | Down.LEAVE:
                self._presence.take(kind, payload)
            case Down.UNSUBSCRIBED:
                self._unsubscribed(payload)
            case Down.ACK | Down.ERR:
                return self._answered(payload, refused=kind is Down.ERR)
            case _:
                return None
        return None

    def _hello(self, receiver: Receiver, payload: dict[str, Any]) -> Step | None:
        if payload.get("v") != PROTOCOL_VERSION or receiver.conn is None:
            return Step(UnreadableError.code, stop=True, error=UnreadableError())
        heartbeat_ms = payload.get("hb")
        if type(heartbeat_ms) is int and heartbeat_ms > 0:
            self._silence_s = 2 * heartbeat_ms / 1_000  # a hub whose heartbeat is not the usual one says so
        limits = payload.get("limits")
        limit = limits.get("frame") if isinstance(limits, dict) else None
        if self._hello_by is not None:
            self._hello_by.reschedule(None)
        self.live_since_ms = self._clock.monotonic_ms()
        self._stats.connections += 1
        channels = set(self._wire.channels) if self._wire is not None else set()
        self._link.open(receiver.conn, self._kid, channels, limit if type(limit) is int else STRICT_FRAME_BYTES)
        self._rotation.look_again()
        self._reports.connected()
        self._notify(Status("live"))
        return None

    def _rekey(self, payload: dict[str, Any]) -> Step | None:
        kid = payload.get("kid")
        if not isinstance(kid, str):
            self._rotation.hint()
            return None
        if self._known.find(kid) is None:
            return resume.KEY_MISSING
        self._link.kid = kid
        self._stats.rotations += 1
        self._rotation.look_again()
        self._notify(Rotated(kid))
        return None

    def _unsubscribed(self, payload: dict[str, Any]) -> None:
        channel = payload.get("ch")
        if not isinstance(channel, str):
            return
        self._presence.anew(channel)
        if self._ended(channel):
            self._notify(Unsubscribed(channel, str(payload.get("reason"))))
        self._link.tell()

    def _answered(self, payload: dict[str, Any], *, refused: bool) -> Step | None:
        if self._wire is not None:
            self._wire.answered(payload, refused=refused)
        # What the hub did not even verify it answers without an id: on an open connection that is the key, or its time.
        unread = refused and "id" not in payload and payload.get("code") == ErrorCode.UNAUTHORIZED
        return resume.KEY_REFUSED if unread else None

    def _live_ms(self) -> float:
        return 0.0 if self.live_since_ms is None else self._clock.monotonic_ms() - self.live_since_ms
