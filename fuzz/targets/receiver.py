"""What a client accepts from a stream: no publication twice, none out of order, no hole unsaid (PROTOCOL §4, §5)."""

import rfc8785

from fuzz import reading
from jitterbug.protocol.codes import GapReason
from jitterbug.protocol.position import Position
from jitterbug.protocol.session import Control, Event, Gap, Hole, Publication, Receiver
from jitterbug.protocol.verifying import Refused, StaticKeys
from tests.protocol import outside

_KEYS = StaticKeys({outside.KID: outside.SECRET})
_LIMIT_BYTES = 1_024
_MAX_LINES = 64


def check(data: bytes) -> None:
    """Each line is a frame: signed by the hub where it begins with ``=``, a stranger's bytes where it does not."""
    receiver = Receiver(_KEYS, {"a": None, "b": Position("e", 3)})
    model = _Reader(dict(receiver.positions))
    for number, line in enumerate(data.split(b"\n")[:_MAX_LINES]):
        signed = _signed(line, number)
        before, conn = dict(receiver.positions), receiver.conn
        events = receiver.receive(signed or line, outside.NOW_MS)
        if signed is None:
            assert [type(event) for event in events] == [Refused], "a stranger's frame passed"
            assert (receiver.positions, receiver.conn) == (before, conn), "a stranger's frame moved something"
            continue
        if any(isinstance(event, Refused) for event in events):
            # The hub's own frame, but of a wrong form: that something is missing before it may be said all the same.
            assert all(isinstance(event, Hole | Refused) for event in events), "a refused frame did something besides"
            assert receiver.positions == before, "a refused frame moved a place"
            continue
        assert conn in {None, receiver.conn}, "the connection changed"
        for event in events:
            model.take(event)
        assert receiver.positions == model.places, "a place moved without a word"
        again = receiver.receive(signed, outside.NOW_MS)
        assert [type(event) for event in again] == [Refused], "a replay passed"


def _signed(line: bytes, number: int) -> bytes | None:
    """The frame a hub would send with this payload; None where it would send none."""
    if not line.startswith(b"="):
        return None
    try:
        payload = reading.read(b'{"p":%b}' % line[1:])
    except ValueError:
        return None
    if payload.keys() != {"p"} or not isinstance(payload["p"], dict):
        return None
    nonce = outside.b64(number.to_bytes(32, "big"))
    frame = outside.frame(rfc8785.dumps(payload["p"]).decode(), nonce=nonce)
    return frame if len(frame) <= _LIMIT_BYTES else None


class _Reader:
    """An application that keeps count: where each channel stands by what it was told."""

    def __init__(self, places: dict[str, Position | None]) -> None:
        self.places = places

    def take(self, event: Event) -> None:
        """Judge one event. Raises AssertionError where it breaks the promise."""
        match event:
            case Publication(channel=channel, position=position):
                last = self.places.get(channel)
                assert last is not None, "a publication before its channel stands anywhere"
                assert position == Position(last.epoch, last.offset + 1), "a publication out of order"
                self.places[channel] = position
            case Gap(channel=channel, position=position, reason=reason):
                last = self.places.get(channel)
                back = last is not None and last.epoch == position.epoch and position.offset <= last.offset
                assert not back or reason == GapReason.EPOCH, "a gap moved back"
                self.places[channel] = position
            case Control(type="subscribed", payload=payload):
                if self.places.get(payload["ch"]) is None:
                    self.places[payload["ch"]] = Position(*payload["pos"])
            case Control() | Hole():
                pass
            case _:
                raise AssertionError(f"an event of another kind: {event!r}")
