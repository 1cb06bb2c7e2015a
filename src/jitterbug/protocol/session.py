"""What a client accepts from a stream: a pure receiver, bytes and ``now`` in, events out (PROTOCOL §1, §4, §5).

After the checks of :mod:`jitterbug.protocol.verifying`, in this order:

1. the type is one a hub sends; the first frame, and no other, is ``hello`` and fixes ``conn``
2. ``conn`` is this connection, ``seq`` has not been seen: else refused as ``order``
3. ``seq`` follows without a hole: else something was cut out, and the stream must be resumed
4. per channel, ``offset`` follows the last one delivered: an older one is a duplicate, a later one a hole. Only a
   ``gap`` moves a known place forward, and nothing but a ``gap`` of ``epoch`` moves it back

So an application sees each publication once and in order, or an explicit :class:`Gap`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

from jitterbug.protocol.codes import Down, GapReason, Refusal
from jitterbug.protocol.position import Position
from jitterbug.protocol.remedies import REMEDIES
from jitterbug.protocol.replay import ReplayWindow
from jitterbug.protocol.verifying import Authentic, KeyLookup, Refused, authenticate

LARGEST_FRAME_BYTES: Final = 16_384
"""Accepted until ``hello`` says what the hub's limit is: the larger of the two profiles."""
_NONE: Final[Mapping[str, int]] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Publication:
    """What an application published, verified.

    Attributes:
        channel: Where it was published.
        data: Any JSON value.
        position: Its place in the channel.
        recovered: True when it came from history after a gap in the connection.
        ts: When the hub signed this copy, Unix milliseconds.
    """

    channel: str
    data: Any
    position: Position
    recovered: bool
    ts: int


@dataclass(frozen=True, slots=True)
class Gap:
    """Publications up to ``position`` are lost: ``overflow``, ``expired`` or ``epoch``."""

    channel: str
    position: Position
    reason: str

    @property
    def code(self) -> str:
        """Stable: ``JB_GAP_OVERFLOW``, ``JB_GAP_EXPIRED`` or ``JB_GAP_EPOCH``."""
        return f"JB_GAP_{self.reason.upper()}"

    @property
    def remedy(self) -> str:
        """What to do about it."""
        return REMEDIES.get(self.code, "")


@dataclass(frozen=True, slots=True)
class Hole:
    """Something was cut out of the stream: resume from :attr:`Receiver.positions`. ``kind`` is for a report."""

    kind: str


@dataclass(frozen=True, slots=True)
class Control:
    """Any other verified frame of the hub: its type and payload."""

    type: Down
    payload: dict[str, Any]


Event = Publication | Gap | Hole | Control | Refused


class Receiver:
    """Follows one connection.

    Attributes:
        conn: Its id; None before ``hello``.
        positions: Where each channel stands; None = not known yet. Hand it to the next connection to resume.
        duplicates: Publications dropped because they had been delivered before.
    """

    __slots__ = (
        "_keys", "_last_seq", "_leaving", "_max_frame_bytes", "_replay", "_skew_ms", "conn", "duplicates",
        "positions",
    )  # fmt: skip

    def __init__(
        self,
        keys: KeyLookup,
        positions: dict[str, Position | None],
        *,
        skew_ms: int = 5_000,
        replay: ReplayWindow | None = None,
        leaving: Mapping[str, int] = _NONE,
    ) -> None:
        """Start before ``hello``.

        Args:
            keys: Keys this session holds.
            positions: Channels asked for, with the place after which to go on; None = from now.
            skew_ms: Accepted clock difference, milliseconds.
            replay: Shared by successive connections under one key; None = one of its own.
            leaving: Channels, as they are now, of which nothing counts: so many ``unsubscribed`` are still to come.
        """
        self._keys = keys
        self._skew_ms = skew_ms
        self._replay = replay if replay is not None else ReplayWindow(2 * skew_ms)
        self._max_frame_bytes = LARGEST_FRAME_BYTES
        self._last_seq = 0
        self._leaving = leaving
        self.conn: str | None = None
        self.positions = positions
        self.duplicates = 0

    def receive(self, data: bytes, now_ms: int) -> list[Event]:
        """Take one frame as it came.

        Args:
            data: The data of one server-sent event, or one WebSocket text.
            now_ms: The hub's time as far as the client knows it, Unix milliseconds.
        """
        verdict = authenticate(
            data,
            now_ms,
            self._keys,
            skew_ms=self._skew_ms,
            max_frame_bytes=self._max_frame_bytes,
            canonical_only=True,
        )
        if isinstance(verdict, Refused):
            return [verdict]
        claim = self._replay.claim(verdict.kid, verdict.nonce, verdict.ts, now_ms)
        if not claim:
            return [Refused(claim.refusal, verdict.kid)]
        return self._in_order(verdict)

    def _in_order(self, frame: Authentic) -> list[Event]:
        payload = frame.payload
        kind = payload.get("t")
        if not isinstance(kind, str) or kind not in Down.__members__.values():
            return [Refused(Refusal.TYPE, frame.kid)]
        seq, conn = payload.get("seq"), payload.get("conn")
        if type(seq) is not int or not isinstance(conn, str):
            return [Refused(Refusal.TYPE, frame.kid)]
        first = self.conn is None
        if first != (kind == Down.HELLO) or (first and seq != 1):
            return [Refused(Refusal.ORDER, frame.kid)]
        if seq <= self._last_seq or (not first and conn != self.conn):
            return [Refused(Refusal.ORDER, frame.kid)]
        events: list[Event] = [] if seq == self._last_seq + 1 else [Hole("gap")]
        self._last_seq = seq
        self.conn = conn
        return events + self._of_type(Down(kind), payload, frame)

    def _of_type(self, kind: Down, payload: dict[str, Any], frame: Authentic) -> list[Event]:
        if kind is Down.HELLO:
            limits = payload.get("limits")
            if isinstance(limits, dict) and type(limits.get("frame")) is int:
                self._max_frame_bytes = limits["frame"]
            return [Control(kind, payload)]
        if kind in {Down.JOIN, Down.LEAVE} and self._leaving.get(str(payload.get("ch")), 0) > 0:
            return []
        if kind not in {Down.MSG, Down.GAP, Down.SUBSCRIBED}:
            return [Control(kind, payload)]
        channel, position = payload.get("ch"), Position.from_json(payload.get("pos"))
        if not isinstance(channel, str) or position is None:
            return [Refused(Refusal.TYPE, frame.kid)]
        if self._leaving.get(channel, 0) > 0:
            return []  # of a subscription given up, whether or not there is another by now
        if kind is Down.MSG:
            return self._publication(channel, position, payload, frame.ts)
        if kind is Down.GAP:
            return self._gap(channel, position, str(payload.get("reason")))
        return [Control(kind, payload), *self._subscribed(channel, position, payload)]

    def _gap(self, channel: str, position: Position, reason: str) -> list[Event]:
        last = self.positions.get(channel)
        # A hub that never got to where we stand (its store lost the tail) says so: what comes next only looks old.
        if last is not None and reason != GapReason.EPOCH and _reaches(last, position):
            return []  # nothing of it is missing here, and to move back would be to deliver twice
        self.positions[channel] = position
        return [Gap(channel, position, reason)]

    def _subscribed(self, channel: str, position: Position, payload: dict[str, Any]) -> list[Event]:
        last = self.positions.get(channel)
        if last is None:
            self.positions[channel] = position  # no place was asked for, so the channel starts here
        elif payload.get("recovered") is True and not _reaches(position, last):
            return [Hole("gap")]  # what stands before us cannot send what comes after us
        # Where it cannot recover, a gap follows and says where the channel goes on. Were the place moved by this
        # frame, a gap cut out of the stream would never be missed.
        return []

    def _publication(self, channel: str, position: Position, payload: dict[str, Any], ts: int) -> list[Event]:
        last = self.positions.get(channel)
        if last is not None and position.epoch == last.epoch:
            if position.offset <= last.offset:
                self.duplicates += 1
                return []
            if position.offset == last.offset + 1:
                self.positions[channel] = position
                return [Publication(channel, payload.get("data"), position, payload.get("re") is True, ts)]
        # Not delivered: the history after the last good position comes again when the stream is resumed.
        return [Hole("gap")]


def _reaches(position: Position, other: Position) -> bool:
    """Whether nothing up to ``other`` is missing at ``position``."""
    return position.epoch == other.epoch and position.offset >= other.offset
