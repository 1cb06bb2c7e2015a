"""What a publication meets of a connection on its way out: may it go now, under which number, in which frame.

A part of :class:`~jitterbug.hub.connection.Connection` and a class of its own for the processor's sake: between two
deliveries to one wire lie those to all others, so nothing of it is in any cache. The slots of a base class stand
together, in two or three lines of 64 bytes; among the rest of a connection they were strewn over seven.
"""

from typing import Final

from jitterbug.hub.limits import TokenBucket
from jitterbug.hub.moment import Moment
from jitterbug.hub.sink import Sink
from jitterbug.protocol.publication import TAIL, Place, PreparedPublication, join_cursor
from jitterbug.protocol.signing import FrameSigner, Unsealed

PENDING_LIMIT_BYTES: Final = 65_536
"""A wire that holds more than this is left alone until it has taken some."""


class Outlet:
    """The end of a connection at which frames are made.

    Attributes:
        sink: The end of the wire.
        key_expires_at_ms: Last ``ts`` its key may sign, never past the session's end; beyond it nothing is sent.
        places: Where each subscribed channel stands on this wire.
        in_ready: Queued for the next flush.
        is_waiting: Something waits for a token or a tick; the wheel will bring it up.
        is_ending: ``bye`` is queued or sent; nothing follows it.
    """

    __slots__ = (
        "_bucket", "_conn_bytes", "_per_tick", "_sent_in_tick", "_seq", "_signer", "_tick", "_written_bytes",
        "in_ready", "is_ending", "is_waiting", "key_expires_at_ms", "places", "sink",
    )  # fmt: skip

    def __init__(self, conn: str, signer: FrameSigner, sink: Sink, bucket: TokenBucket, per_tick: int) -> None:
        """Start with nothing sent and no time to sign in.

        Args:
            conn: Its id, 16 random characters.
            signer: Makes its frames.
            sink: Takes them.
            bucket: A token a publication.
            per_tick: Publications that may go out in one tick.
        """
        self.sink = sink
        self.key_expires_at_ms = 0
        self.places: dict[str, Place] = {}
        self.in_ready = False
        self.is_waiting = False
        self.is_ending = False
        self._conn_bytes = conn.encode()
        self._signer = signer
        self._bucket = bucket
        self._per_tick = per_tick
        self._tick = -1
        self._sent_in_tick = 0
        self._seq = 0
        self._written_bytes = 0

    def frame_now(self, due: list[PreparedPublication], moment: Moment, frames: list[Unsealed]) -> bool:
        """Frame live publications that go out at once, past the ring. The hot path.

        Args:
            due: At least one, in the order of their coming.
            moment: Now.
            frames: Where the frames go, for the caller to seal and to write to :attr:`sink` before anything else
                happens to this connection.

        Returns:
            False where they must wait: something else does, or this wire may not have all of them now.
        """
        if self.in_ready or self.is_waiting or self.is_ending or moment.now_ms > self.key_expires_at_ms:
            return False
        if self.sink.pending_bytes() > PENDING_LIMIT_BYTES:
            return False
        if self._tick != moment.tick:
            self._tick = moment.tick
            self._sent_in_tick = 0
        count = len(due)
        if self._sent_in_tick + count > self._per_tick or not self._bucket.take(moment.now_ns, count):
            return False
        self._sent_in_tick += count
        for publication in due:
            frames.append(self._frame_of(publication, publication.tail))  # noqa: PERF401 - one is the rule, a list dear
        return True

    def _frame_of(self, publication: PreparedPublication, tail: bytes) -> Unsealed:
        self._seq = seq = self._seq + 1
        places = self.places
        places[publication.channel] = publication
        cursor = publication.cursor if len(places) == 1 else join_cursor(places.values())
        payload = b"".join((publication.head, self._conn_bytes, tail, b"%d" % seq, TAIL))
        return self._unsealed(payload, cursor)

    def _unsealed(self, payload: bytes, cursor: bytes | None) -> Unsealed:
        signer, sink = self._signer, self.sink
        frame_bytes = signer.envelope_bytes + len(payload)
        before, after = sink.before(frame_bytes, cursor), sink.after
        self._written_bytes += len(before) + frame_bytes + len(after)
        return signer, payload, before, after
