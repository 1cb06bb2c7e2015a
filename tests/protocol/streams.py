"""The hub's side of a connection, for tests of what a client makes of it."""

from typing import Any

from jitterbug.protocol import FrameSigner
from jitterbug.protocol.codes import Refusal
from jitterbug.protocol.session import Event
from jitterbug.protocol.verifying import Refused
from tests.protocol.outside import KID, NOW_MS, SECRET


class Stream:
    """The hub's side of one connection: frames with the right ``conn`` and ``seq``, signed when they are sent."""

    def __init__(self, conn: str = "conn-1", signer: FrameSigner | None = None) -> None:
        self.conn = conn
        self.seq = 0
        self.signer = signer or FrameSigner(KID, SECRET)

    def frame(self, kind: str, now_ms: int = NOW_MS, **members: Any) -> bytes:
        self.seq += 1
        return self.signer.sign({"t": kind, "conn": self.conn, "seq": self.seq, **members}, now_ms)

    def msg(self, channel: str, offset: int, *, epoch: str = "e", **members: Any) -> bytes:
        return self.frame("msg", ch=channel, data=f"{channel}{offset}", pos=[epoch, offset], **members)

    def hello(self, **members: Any) -> bytes:
        return self.frame("hello", v=1, serverTime=NOW_MS, **members)


def refusal(events: list[Event]) -> Refusal | None:
    """The reason where the frame was refused and nothing else happened."""
    return events[0].reason if len(events) == 1 and isinstance(events[0], Refused) else None
