"""A wire in memory: what a hub wrote, taken off it like a client does, with the real decoder and verifier."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, ClassVar

from jitterbug.clock import Clock
from jitterbug.protocol import canonical, sse
from jitterbug.protocol.codes import ByeReason
from jitterbug.protocol.keys import EphemeralKey
from jitterbug.protocol.position import Position
from jitterbug.protocol.session import Event, Receiver
from jitterbug.protocol.signing import MacKey
from jitterbug.protocol.verifying import VerifyKey


class MemorySink:
    """Implements :class:`jitterbug.hub.sink.Sink`.

    Attributes:
        taken: What the reader's side has, each piece with the wall time at which it got there.
        writes: Number of writes.
        announced: How long each frame was said to be.
        filled_bytes: Bytes that are said to be pending besides those held.
        is_ended, is_aborted: The hub finished, or cut, the wire.
        reason: With which it finished.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._held: list[bytes] = []
        self._holds = False
        self.taken: list[tuple[int, bytes]] = []
        self.writes = 0
        self.announced: list[int] = []
        self.filled_bytes = 0
        self.is_ended = False
        self.is_aborted = False
        self.reason: ByeReason | None = None

    after: ClassVar[bytes] = b"\n\n"

    def before(self, frame_bytes: int, cursor: bytes | None) -> bytes:
        self.announced.append(frame_bytes)
        return b"data: " if cursor is None else b"id: %b\ndata: " % cursor

    def write(self, data: bytes) -> None:
        self.writes += 1
        if self._holds:
            self._held.append(data)
        else:
            self.taken.append((self._clock.now_ms(), data))

    def pending_bytes(self) -> int:
        return self.filled_bytes + sum(map(len, self._held))

    def end(self, reason: ByeReason | None) -> None:
        self.is_ended = True
        self.reason = reason

    def abort(self) -> None:
        self.is_aborted = True

    def hold(self) -> None:
        """The reader stops reading: writes pile up."""
        self._holds = True

    def release(self) -> None:
        """The reader reads on."""
        self._holds = False
        self.filled_bytes = 0
        self.taken += [(self._clock.now_ms(), data) for data in self._held]
        self._held.clear()


class Keyring:
    """The keys a client holds."""

    def __init__(self, *keys: EphemeralKey) -> None:
        self.keys = {key.kid: key for key in keys}

    def add(self, key: EphemeralKey) -> None:
        self.keys[key.kid] = key

    def find(self, kid: str) -> VerifyKey | None:
        key = self.keys.get(kid)
        return VerifyKey(MacKey(key.secret), key.expires_at_ms) if key else None


@dataclass(frozen=True)
class Seen:
    """One frame as it came off the wire.

    Attributes:
        text: The signed frame.
        frame: The same, parsed.
        payload: Its payload.
        cursor: ``Last-Event-ID`` after it.
        at_ms: When it was taken.
        events: What the receiver made of it.
    """

    text: bytes
    frame: dict[str, Any] = field(repr=False)
    payload: dict[str, Any]
    cursor: str
    at_ms: int
    events: list[Event]

    @property
    def kid(self) -> str:
        return str(self.frame["kid"])

    @property
    def kind(self) -> str:
        return str(self.payload["t"])


class Reader:
    """Decodes and verifies everything that a sink gives."""

    def __init__(self, sink: MemorySink, keys: Keyring, positions: dict[str, Position | None] | None = None) -> None:
        self._sink = sink
        self._read = 0
        self._decoder = sse.SseDecoder(max_event_bytes=1 << 20)
        self.receiver = Receiver(keys, positions if positions is not None else {})
        self.seen: list[Seen] = []

    def take(self) -> list[Seen]:
        """What is new since the last call."""
        new = list(self._new())
        self.seen += new
        return new

    def _new(self) -> Iterator[Seen]:
        pieces = self._sink.taken[self._read :]
        self._read += len(pieces)
        for at_ms, piece in pieces:
            for event in self._decoder.feed(piece):
                frame = canonical.decode(event.data)
                events = self.receiver.receive(event.data, at_ms)
                yield Seen(event.data, frame, frame["payload"], event.last_event_id.decode(), at_ms, events)
