"""RFC 6455 by hand, where exact bytes matter; and a WebSocket read that way, verified as a client would."""

import base64
import hashlib
import os
import select
import socket
import struct
import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, Self

from jitterbug.protocol.codes import Down
from jitterbug.protocol.session import Receiver
from tests.server.arrivals import Arrivals
from tests.server.serving import PATIENCE_S
from tests.server.wire import Head

_ACCEPT_SUFFIX = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


class Op(IntEnum):
    """Opcodes (§5.2)."""

    CONT = 0
    TEXT = 1
    BINARY = 2
    CLOSE = 8
    PING = 9
    PONG = 10


@dataclass(frozen=True)
class Piece:
    """One frame of RFC 6455, not to be taken for a signed one."""

    op: int
    data: bytes
    fin: bool = True
    rsv: int = 0


def encode(op: int, data: bytes = b"", *, fin: bool = True, rsv: int = 0, masked: bool = True) -> bytes:
    """What a client sends."""
    first = (0x80 if fin else 0) | rsv << 4 | op
    mark = 0x80 if masked else 0
    if len(data) < 126:
        head = bytes((first, mark | len(data)))
    elif len(data) < 65_536:
        head = bytes((first, mark | 126)) + struct.pack("!H", len(data))
    else:
        head = bytes((first, mark | 127)) + struct.pack("!Q", len(data))
    if not masked:
        return head + data
    mask = os.urandom(4)
    return head + mask + bytes(byte ^ mask[index % 4] for index, byte in enumerate(data))


class OpenSocket(Arrivals):
    """One WebSocket.

    Attributes:
        head: Of the answer to the handshake.
        body: Of a refusal.
        received: Everything, as it came.
        pieces: All frames of RFC 6455 that came; text ones are verified as signed frames, too.
        close_code: What the close frame said; None = none came, or it had none.
        close_reason: Its text.
    """

    def __init__(
        self,
        port: int,
        handshake: bytes,
        receiver: Receiver,
        now_ms: Callable[[], int],
        *,
        receive_buffer_bytes: int | None = None,
    ) -> None:
        super().__init__(receiver, now_ms)
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        if receive_buffer_bytes is not None:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer_bytes)
        self.socket.settimeout(PATIENCE_S)
        self.socket.connect(("127.0.0.1", port))
        self.socket.sendall(handshake)
        self.head: Head | None = None
        self.received = self.body = b""
        self.pieces: list[Piece] = []
        self.close_code: int | None = None
        self.close_reason = b""
        self._unread = b""

    def step(self, limit_s: float) -> None:
        """Read what is there, waiting for it no longer than that."""
        if not select.select([self.socket], [], [], max(0.0, limit_s))[0]:
            return
        try:
            data = self.socket.recv(262_144)
        except ConnectionResetError:
            data = b""
        if not data:
            self.is_closed = True
            return
        self.received += data
        self._unread += data
        if self.head is None:
            head, end, rest = self._unread.partition(b"\r\n\r\n")
            if not end:
                return
            self.head, self._unread = Head.parse(head), rest
        if self.head.status == 101:
            self._read_pieces()
        else:
            self.body, self._unread = self.body + self._unread, b""

    def shake(self) -> Head:
        """Wait for the answer to the handshake, with all of its body where it refuses."""
        deadline_s = time.monotonic() + PATIENCE_S
        while not self.is_closed and (self.head is None or self.head.status != 101):
            assert time.monotonic() < deadline_s, "no answer to the handshake"
            self.step(0.25)
        assert self.head is not None, "closed without an answer to the handshake"
        return self.head

    def wait_for_close(self, limit_s: float = PATIENCE_S) -> int | None:
        """Read until the other side closed; returns the code."""
        deadline_s = time.monotonic() + limit_s
        while not self.is_closed:
            assert time.monotonic() < deadline_s, f"still open; came so far: {self.pieces[-5:]}"
            self.step(0.25)
        return self.close_code

    def send(self, frame: bytes | str) -> None:
        """Send one signed frame, or what claims to be one."""
        self.put(Op.TEXT, frame.encode() if isinstance(frame, str) else frame)

    def put(self, op: int, data: bytes = b"", *, fin: bool = True, rsv: int = 0, masked: bool = True) -> None:
        """Send one frame of RFC 6455, good or bad."""
        self.raw(encode(op, data, fin=fin, rsv=rsv, masked=masked))

    def raw(self, data: bytes) -> None:
        """Send bytes; a peer that has gone takes none."""
        try:
            self.socket.sendall(data)
        except (BrokenPipeError, ConnectionResetError):
            self.is_closed = True

    def answers(self) -> list[dict[str, Any]]:
        """Payloads of all ``ack`` and ``err`` so far."""
        return [item for item in self.payloads() if item["t"] in {Down.ACK, Down.ERR}]

    def answer(self, index: int = 0) -> dict[str, Any]:
        """The n-th answer to what was sent, without what every frame has."""
        payload = self.wait_for(lambda: next(iter(self.answers()[index:]), None))
        return {name: value for name, value in payload.items() if name not in {"conn", "seq"}}

    def pieces_of(self, op: Op) -> list[bytes]:
        """Data of the frames with an opcode."""
        return [piece.data for piece in self.pieces if piece.op == op]

    def close(self) -> None:
        """Go away with FIN, unannounced."""
        self.socket.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _read_pieces(self) -> None:
        while (found := _decode(self._unread)) is not None:
            piece, used = found
            self._unread = self._unread[used:]
            self.pieces.append(piece)
            if piece.op == Op.TEXT:
                self.arrive(piece.data)
            elif piece.op == Op.CLOSE:
                if piece.data:
                    self.close_code = int.from_bytes(piece.data[:2], "big")
                    self.close_reason = piece.data[2:]
                self.put(Op.CLOSE, piece.data)  # the server waits for it (§5.5.1)


def handshake_headers(key: bytes | None = None) -> dict[str, str]:
    """What a handshake has beside the cookie."""
    return {
        "Connection": "Upgrade",
        "Upgrade": "websocket",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": base64.b64encode(key or os.urandom(16)).decode(),
    }


def accept_of(key: bytes) -> str:
    """What the answer must have for a key (§4.2.2)."""
    return base64.b64encode(hashlib.sha1(base64.b64encode(key) + _ACCEPT_SUFFIX).digest()).decode()


def _decode(data: bytes) -> tuple[Piece, int] | None:
    if len(data) < 2:
        return None
    assert not data[1] & 0x80, "a server's frame is masked (§5.1)"
    length, at = data[1] & 0x7F, 2
    if length == 126:
        length, at = int.from_bytes(data[2:4], "big"), 4
    elif length == 127:
        length, at = int.from_bytes(data[2:10], "big"), 10
    if len(data) < at + length:
        return None
    piece = Piece(data[0] & 0x0F, data[at : at + length], bool(data[0] & 0x80), data[0] >> 4 & 7)
    return piece, at + length
