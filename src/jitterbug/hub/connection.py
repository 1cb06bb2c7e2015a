"""One open wire: what waits for it, under which key it is signed, and what goes out in one write (PROTOCOL §4, §5).

Frames are made and signed when they are sent, so ``seq`` has no holes and nothing goes stale in a queue. Order on the
wire: the hub's own frames first (their budget is their own), then history, then live publications.
"""

from collections.abc import Callable, Iterable
from typing import Any, Final

from jitterbug.config import Config
from jitterbug.hub.limits import InboundLimiter, TokenBucket
from jitterbug.hub.moment import Moment
from jitterbug.hub.outlet import PENDING_LIMIT_BYTES, Outlet
from jitterbug.hub.ring import Ring
from jitterbug.hub.sessions import Session
from jitterbug.hub.sink import NO_WIRE, Sink
from jitterbug.protocol import canonical
from jitterbug.protocol.codes import PROTOCOL_VERSION, USUAL_HEARTBEAT_S, ByeReason, Down, GapReason
from jitterbug.protocol.publication import Place, PreparedPublication, join_cursor
from jitterbug.protocol.signing import FrameSigner, Unsealed, seal_all

_CONTROL_BURST: Final = 256
_CONTROL_PER_S: Final = 20.0
_CONTROL_LIMIT: Final = 1_024
"""Own frames that may wait; beyond that the wire is cut."""


class Connection(Outlet):
    """State of one wire. Touched by the hub's loop alone; never waits, never reads a clock.

    Attributes:
        conn: Its id, 16 random characters.
        session: Whose it is.
        address: Client address, for caps and facts.
        kid: Key that signs its frames now.
        joining: Channels whose history is still being read, with what was published meanwhile.
        inbound: Limits what the client sends.
        is_closed: The wire is gone and the hub has forgotten it.
        due_at_ns: When its deadlines are looked at next, monotonic.
        heartbeat_at_ns: When the next ``hb`` is due, monotonic.
        rekey_hinted: The client was asked to renew this key.
        present: Channels in whose presence it counts, and as which subject.
        rights: Grows each time what it may do is looked at anew.
        limited_at_ns: When it last met a rate limit, either way, monotonic; None = never.
    """

    __slots__ = (
        "_bye_reason", "_catchup", "_control", "_control_bucket", "_gaps", "_presence", "_ring", "_stalled_since_ns",
        "_taken_bytes", "address", "conn", "due_at_ns", "heartbeat_at_ns", "inbound", "is_closed", "joining",
        "limited_at_ns", "opened_at_ns", "present", "rekey_hinted", "rights", "session",
    )  # fmt: skip

    def __init__(
        self,
        conn: str,
        session: Session,
        signer: FrameSigner,
        key_expires_at_ms: int,
        sink: Sink,
        config: Config,
        now_ns: int,
        address: str | None = None,
    ) -> None:
        bucket = TokenBucket(config.rate_capacity, config.rate_refill_per_s)
        super().__init__(conn, signer, sink, bucket, config.max_frames_per_tick)
        self.conn = conn
        self.session = session
        self.address = address
        self.sign_until(key_expires_at_ms)
        self.due_at_ns = now_ns
        self.joining: dict[str, list[PreparedPublication]] = {}
        self.inbound = InboundLimiter(config.rate_capacity, config.rate_refill_per_s)
        self.is_closed = False
        self.rekey_hinted = False
        self.present: dict[str, str] = {}
        self.rights = 0
        self.limited_at_ns: int | None = None
        self.opened_at_ns = now_ns
        self.heartbeat_at_ns = now_ns
        # Lists, not deques, which take 700 bytes when empty: both are mostly that, and short.
        self._control: list[tuple[Down, dict[str, Any], bool, Callable[[], None] | None]] = []
        self._control_bucket = TokenBucket(_CONTROL_BURST, _CONTROL_PER_S)
        self._catchup: list[PreparedPublication] = []
        self._ring = Ring(config.buffer_frames)
        self._gaps: dict[str, tuple[Place, GapReason]] = {}
        self._presence: dict[tuple[str, str], Down] = {}
        self._bye_reason: ByeReason | None = None
        self._taken_bytes = 0
        self._stalled_since_ns = now_ns
        rate = config.rate_refill_per_s
        limits = {
            "burst": config.rate_capacity,
            "frame": config.max_frame_bytes,
            "rate": int(rate) if rate == int(rate) else rate,
        }
        unusual: dict[str, Any] = (
            {} if config.heartbeat_s == USUAL_HEARTBEAT_S else {"hb": int(config.heartbeat_s * 1_000)}
        )
        self.control(Down.HELLO, limits=limits, v=PROTOCOL_VERSION, **unusual)

    # What waits.

    def offer(self, publication: PreparedPublication) -> bool:
        """Queue a live publication. True = the connection must be put up for the next flush."""
        dropped = self._ring.push(publication)
        if dropped is not None:
            self._gaps[dropped.channel] = (dropped, GapReason.OVERFLOW)
        return not (self.in_ready or self.is_waiting)

    def announce(self, kind: Down, channel: str, subject: str) -> bool:
        """Queue ``join`` or ``leave``. True = the connection must be put up for the next flush.

        Never dropped, and bounded by the members there are: one that came and went before it could be told is not told.
        """
        if self._presence.pop((channel, subject), kind) is kind:
            self._presence[channel, subject] = kind
        return not (self.in_ready or self.is_waiting)

    def control(
        self, kind: Down, *, moves_cursor: bool = False, then: Callable[[], None] | None = None, **members: Any
    ) -> None:
        """Queue one of the hub's own frames.

        Args:
            kind: Its type.
            moves_cursor: Its SSE event carries the new cursor.
            then: Called once the frame is signed.
            members: The rest of its payload.
        """
        if self.is_ending:
            return
        if len(self._control) >= _CONTROL_LIMIT:
            self.abort()  # a peer that asks for more than it takes must not fill the memory
        else:
            self._control.append((kind, members, moves_cursor, then))

    def recover(self, publications: Iterable[PreparedPublication]) -> None:
        """Queue history; live publications queue up behind it."""
        self._catchup.extend(publications)

    def lose(self, place: Place, reason: GapReason) -> None:
        """Tell the client that everything up to a place is lost."""
        self._gaps[place.channel] = (place, reason)

    def forget_channel(self, channel: str) -> None:
        """Drop what waits of a channel whose subscription ended."""
        self.places.pop(channel, None)
        self._gaps.pop(channel, None)
        for told in [told for told in self._presence if told[0] == channel]:
            del self._presence[told]
        self._ring.discard_channel(channel)
        self._catchup = [item for item in self._catchup if item.channel != channel]

    def rekey(self, signer: FrameSigner, expires_at_ms: int) -> None:
        """Switch keys: ``rekey`` is the last frame under the old one (PROTOCOL §2)."""

        def switch() -> None:
            self._signer = signer
            self.sign_until(expires_at_ms)
            self.rekey_hinted = False

        self.control(Down.REKEY, then=switch, kid=signer.kid)

    def sign_until(self, expires_at_ms: int) -> None:
        """Sign until a key ends, or its session where that is sooner: that may have moved since the key was made."""
        ends_at_s = self.session.expires_at
        self.key_expires_at_ms = expires_at_ms if ends_at_s is None else min(expires_at_ms, int(ends_at_s * 1_000))

    def bye(self, reason: ByeReason, retry_ms: int) -> None:
        """End the stream: what else waits is left to the next connection, which resumes."""
        if self.is_ending:
            return
        self.control(Down.BYE, reason=reason.value, retry=retry_ms)
        self.finish(reason)

    def finish(self, reason: ByeReason | None = None) -> None:
        """End the wire after what waits of the hub's own. Args: reason: that of the ``bye``; None = there was none."""
        self._bye_reason = reason
        self.is_ending = True

    def abort(self) -> None:
        """Cut the wire."""
        self.is_ending = True
        self._control.clear()
        self.sink.abort()

    def release(self) -> None:
        """Let go of all that waited, and of the wire: the wheel holds what is closed until its deadline, up to 15 s."""
        self.is_ending = True
        self.sink = NO_WIRE
        self._control.clear()
        self._catchup.clear()
        self._ring.clear()
        self._gaps.clear()
        self._presence.clear()
        self.places.clear()
        self.joining.clear()

    # What goes out.

    def flush(self, moment: Moment) -> int | None:
        """Send what may be sent, in one write.

        Returns:
            When to come again, monotonic nanoseconds; None = nothing waits.
        """
        self.in_ready = False
        if moment.now_ms > self.key_expires_at_ms:
            if self.is_ending:
                # Too late to sign the farewell (the process slept, the wire was full): the end itself is what is left.
                self._control.clear()
                self.sink.end(self._bye_reason)
            return None  # no usable key: everything waits for a new one, or for the end
        if self.sink.pending_bytes() > PENDING_LIMIT_BYTES:
            return moment.next_tick_ns
        frames: list[Unsealed] = []
        wake_ns = self._drain_control(frames, moment) if self._control else None
        if not self.is_ending and not self._control:  # nothing overtakes the hub's own: subscribed comes before msg
            wake_ns = self._drain_publications(frames, moment)
        if frames:
            self.sink.write(b"".join(seal_all(frames, moment.ts)))
        if self.is_ending and not self._control:
            self.sink.end(self._bye_reason)
        return wake_ns

    def _drain_control(self, frames: list[Unsealed], moment: Moment) -> int | None:
        while self._control:
            if not self._control_bucket.take(moment.now_ns):
                return self._control_bucket.next_at_ns()
            kind, members, moves_cursor, then = self._control.pop(0)
            self._append(frames, moment, kind, members, self._cursor() if moves_cursor else None)
            if then is not None:
                then()
        return None

    def _append(
        self, frames: list[Unsealed], moment: Moment, kind: Down, members: dict[str, Any], cursor: bytes | None
    ) -> None:
        self._seq += 1
        payload = {**members, "conn": self.conn, "seq": self._seq, "t": kind.value}
        if kind in {Down.HELLO, Down.HB}:
            payload["serverTime"] = moment.now_ms
        frames.append(self._unsealed(canonical.encode_plain(payload), cursor))

    def _drain_publications(self, frames: list[Unsealed], moment: Moment) -> int | None:
        if self._gaps and not self._catchup:
            self._tell_gaps(frames, moment)
        catchup, ring = self._catchup, self._ring
        waiting = len(catchup) + len(ring) + len(self._presence)
        if not waiting:
            return None
        if self._tick != moment.tick:
            self._tick = moment.tick
            self._sent_in_tick = 0
        room = self._per_tick - self._sent_in_tick
        tokens = self._bucket.available(moment.now_ns)
        count = min(waiting, room, tokens)
        if count > 0:
            self._bucket.spend(count, moment.now_ns)
            self._sent_in_tick += count
            frames += [self._frame_of(item, item.recovered_tail()) for item in catchup[:count]]
            recovered = min(count, len(catchup))
            del catchup[:recovered]
            count -= recovered
            waiting -= recovered
            if self._gaps and not catchup:
                self._tell_gaps(frames, moment)  # history is out in this very pass: what overflowed comes next
            for _ in range(min(count, len(ring))):
                publication = ring.pop()
                frames.append(self._frame_of(publication, publication.tail))
                count -= 1
                waiting -= 1
            for _ in range(count):  # who is there can wait for what is said
                channel, subject = next(iter(self._presence))
                kind = self._presence.pop((channel, subject))
                self._append(frames, moment, kind, {"ch": channel, "subject": subject}, None)
            waiting -= count
        if not waiting:
            return None
        if tokens > room:
            return moment.next_tick_ns
        self.limited_at_ns = moment.now_ns
        return self._bucket.next_at_ns()

    def _tell_gaps(self, frames: list[Unsealed], moment: Moment) -> None:
        gaps, self._gaps = self._gaps, {}
        for channel, (place, reason) in gaps.items():
            self.places[channel] = place
            members = {"ch": channel, "pos": place.position.to_json(), "reason": reason.value}
            self._append(frames, moment, Down.GAP, members, self._cursor())

    def _cursor(self) -> bytes | None:
        return join_cursor(self.places.values())

    # What the operator and the hub ask.

    @property
    def kid(self) -> str:
        """Key that signs this connection's frames now."""
        return self._signer.kid

    @property
    def sent(self) -> int:
        """Frames signed for it so far."""
        return self._seq

    @property
    def dropped(self) -> int:
        """Publications that overflowed."""
        return self._ring.dropped

    @property
    def backlog(self) -> int:
        """Publications waiting."""
        return len(self._ring) + len(self._catchup)

    @property
    def unannounced(self) -> int:
        """Members whose coming or going it has still to be told."""
        return len(self._presence)

    def is_stalled(self, now_ns: int, limit_ns: int) -> bool:
        """Whether the reader has taken nothing for so long, though something is pending. Call now and then."""
        pending = self.sink.pending_bytes()
        taken = self._written_bytes - pending
        if not pending or taken != self._taken_bytes:
            self._taken_bytes = taken
            self._stalled_since_ns = now_ns
        return now_ns - self._stalled_since_ns >= limit_ns
