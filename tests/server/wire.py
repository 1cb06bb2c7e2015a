"""HTTP/1.1 by hand, where exact bytes matter; and a stream read that way, verified as a client would."""

import re
import select
import socket
import struct
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Self

from jitterbug.protocol.session import Receiver
from jitterbug.protocol.sse import SseDecoder
from tests.server.arrivals import Arrivals
from tests.server.serving import PATIENCE_S

_CHUNK_HEAD = re.compile(rb"([0-9a-f]+)\r\n")


@dataclass
class Head:
    """Status and headers of an answer, names in lower case."""

    status: int
    headers: dict[str, str]

    @classmethod
    def parse(cls, text: bytes) -> "Head":
        first, *lines = text.decode("latin-1").split("\r\n")
        headers: dict[str, str] = {}
        for line in lines:
            name, _, value = line.partition(": ")
            assert name.lower() not in headers or name.lower() == "vary", f"{name} came twice"
            headers[name.lower()] = value
        return cls(int(first.split(" ")[1]), headers)


def request(method: str, target: str, headers: Mapping[str, str] | None = None, body: bytes = b"") -> bytes:
    """The bytes of a request."""
    lines = {"Host": "127.0.0.1", **(headers or {})}
    if body and "Content-Length" not in lines:
        lines["Content-Length"] = str(len(body))
    head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
    return f"{method} {target} HTTP/1.1\r\n{head}\r\n".encode() + body


def exchange(port: int, data: bytes, limit_s: float = PATIENCE_S) -> tuple[Head, bytes]:
    """Send bytes and read one answer, to the end of the connection or of its announced length."""
    with socket.create_connection(("127.0.0.1", port), timeout=limit_s) as sock:
        sock.sendall(data)
        received = b""
        while True:
            head, end, body = received.partition(b"\r\n\r\n")
            if end:
                found = Head.parse(head)
                length = found.headers.get("content-length")
                if length is not None and len(body) >= int(length):
                    return found, body
            chunk = sock.recv(65_536)
            if not chunk:
                assert end, "the connection ended without an answer"
                return Head.parse(head), body
            received += chunk


class OpenStream(Arrivals):
    """One ``text/event-stream`` answer, read and verified as it comes.

    Attributes:
        head: Of the answer.
        body: Everything after it, out of its chunks.
        raw: Everything, as it came.
        is_over: The body ended as it should; False when the connection was cut.
    """

    def __init__(
        self,
        port: int,
        data: bytes,
        receiver: Receiver,
        now_ms: Callable[[], int],
        *,
        receive_buffer_bytes: int | None = None,
    ) -> None:
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        if receive_buffer_bytes is not None:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer_bytes)
        self.socket.connect(("127.0.0.1", port))
        self.socket.sendall(data)
        super().__init__(receiver, now_ms)
        self.head: Head | None = None
        self.raw = self.body = b""
        self.is_over = False
        self._unread = b""
        self._sse = SseDecoder(max_event_bytes=65_536)

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
        self.raw += data
        self._unread += data
        if self.head is None:
            head, end, rest = self._unread.partition(b"\r\n\r\n")
            if not end:
                return
            self.head, self._unread = Head.parse(head), rest
        self._read_chunks()

    def wait_for_end(self, limit_s: float = PATIENCE_S) -> None:
        """Read until the body ends, or the connection does; an ASGI server may keep that for another request."""
        deadline_s = time.monotonic() + limit_s
        while not (self.is_over or self.is_closed):
            assert time.monotonic() < deadline_s, "still open"
            self.step(0.25)

    def blocks(self) -> list[bytes]:
        """The body's blocks that are complete, as bytes."""
        return self.body.split(b"\n\n")[:-1]

    def close(self) -> None:
        """Go away with FIN."""
        self.socket.close()

    def reset(self) -> None:
        """Go away with RST."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _read_chunks(self) -> None:
        assert self.head is not None
        if "content-length" in self.head.headers:
            self.body, self._unread = self.body + self._unread, b""
            self.is_over = len(self.body) == int(self.head.headers["content-length"])
            return
        while match := _CHUNK_HEAD.match(self._unread):
            size, start = int(match[1], 16), match.end()
            if len(self._unread) < start + size + 2:
                return
            chunk = self._unread[start : start + size]
            assert self._unread[start + size : start + size + 2] == b"\r\n", "a chunk is framed wrongly"
            self._unread = self._unread[start + size + 2 :]
            if not size:
                self.is_over = True
                return
            self.body += chunk
            self._decode(chunk)

    def _decode(self, chunk: bytes) -> None:
        for item in self._sse.feed(chunk):
            self.arrive(item.data)
