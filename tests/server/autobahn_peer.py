"""One WebSocket in a case of the Autobahn suite, whose server would echo; ours answers signed frames.

What is sent to be echoed is a signed ``pub`` to a channel that the same connection reads: the data comes back in a
``msg``, verified. Where the octets are cut on the way is up to the case.
"""

import contextlib
import itertools
import socket
from collections.abc import Iterator, Sequence
from typing import Self

from jitterbug.protocol.codes import Down
from tests.server.serving import PATIENCE_S
from tests.server.sockets import Op, OpenSocket, encode
from tests.server.visitor import Visitor

_serial = itertools.count(1)
NORMAL = b"\x03\xe8"


class Peer:
    """A connection, subscribed to a channel of its own, that has read its first frames.

    Attributes:
        socket: The wire.
        quiet: Whether the server's close frames are held to have no reason; plain uvicorn's have one.
    """

    def __init__(self, visitor: Visitor, *, quiet: bool) -> None:
        self._visitor = visitor
        self._channel = f"autobahn/{next(_serial)}"
        self.quiet = quiet
        self.socket: OpenSocket = visitor.socket(self._channel)
        self.socket.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket.control(Down.SUBSCRIBED)

    def text(self, data: str = "Hello, world!", *, length_bytes: int = 0) -> bytes:
        """A signed frame that asks for an echo. Args: length_bytes: up to which white space fills it."""
        name = str(next(_serial))
        ask = {"t": "pub", "id": name, "conn": self.socket.conn, "ch": self._channel, "data": data}
        frame = self._visitor.sign(ask)
        assert not length_bytes or len(frame) <= length_bytes, "a signed frame does not fit"
        return frame.ljust(length_bytes)

    def chop(self, data: bytes, size_bytes: int = 1) -> None:
        """Send octets, so many with each system call. Why a server closed meanwhile is read later."""
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            for piece in split(data, size_bytes):
                self.socket.socket.sendall(piece)

    def expect_echo(self, *data: str) -> None:
        """Exactly these have come back, in this order, each acknowledged, and nothing that does not verify."""
        assert self.socket.take(len(data)) == list(data)
        for index in range(len(data)):
            assert self.socket.answer(index)["t"] == Down.ACK
        assert not self.socket.faults()

    def expect_pongs(self, *data: bytes) -> None:
        """Exactly these pongs have come."""
        self.socket.wait_for(lambda: len(self.socket.pieces_of(Op.PONG)) >= len(data))
        assert self.socket.pieces_of(Op.PONG) == list(data)

    def expect_close(self, code: int | None, limit_s: float = PATIENCE_S) -> None:
        """The server closes with this code (None = a close frame without one), once, and then the TCP connection."""
        self.socket.wait_for_close(limit_s)
        found = self.socket.pieces_of(Op.CLOSE)
        assert len(found) == 1, "closed without a close frame, or with several"
        assert self.socket.close_code == code
        if self.quiet:
            assert self.socket.close_reason == b""
        assert self.socket.pieces[-1].op == Op.CLOSE, "something came behind the close frame (§5.5.1)"

    def finish(self) -> None:
        """Close in the usual way."""
        self.socket.put(Op.CLOSE, NORMAL)
        self.expect_close(1000)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()


def split(data: bytes, size_bytes: int) -> Iterator[bytes]:
    """Cut into pieces of a size; nothing is one empty piece."""
    for at in range(0, max(1, len(data)), size_bytes):
        yield data[at : at + size_bytes]


def fragments(pieces: Sequence[bytes], between: bytes = b"", op: Op = Op.TEXT) -> bytes:
    """A data message in fragments. Args: between: octets after each but the last, such as a ping."""
    last = len(pieces) - 1
    sent = [encode(op if at == 0 else Op.CONT, piece, fin=at == last) for at, piece in enumerate(pieces)]
    return between.join(sent)


def halves(data: bytes) -> list[bytes]:
    """Two pieces."""
    middle = len(data) // 2
    return [data[:middle], data[middle:]]
