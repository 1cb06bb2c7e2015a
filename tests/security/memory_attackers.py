"""Sockets that do what no honest client does, on loopback, bounded in number and time."""

import contextlib
import re
import socket
from typing import Self

from tests.security.memory_hub import PATIENCE_S, MeasuredHub

_LENGTH = re.compile(rb"content-length: (\d+)", re.IGNORECASE)
HOST = b"Host: 127.0.0.1\r\n"
BASE = b"/api/jitterbug"


class Line:
    """A connection kept for one request after the other."""

    def __init__(self, hub: MeasuredHub, cookie: str = "") -> None:
        self._port = hub.port
        self._cookie = b"Cookie: %b\r\n" % cookie.encode() if cookie else b""
        self._socket = socket.create_connection(("127.0.0.1", self._port), timeout=PATIENCE_S)
        self._left = b""

    def ask(self, method: bytes, path: bytes, body: bytes = b"", headers: bytes = b"") -> int:
        """Send a request; return the status of its answer, which is read to its end."""
        head = b"%b %b HTTP/1.1\r\n" % (method, BASE + path) + HOST + self._cookie + headers
        if body or method == b"POST":
            head += b"Content-Type: application/json\r\nContent-Length: %d\r\n" % len(body)
        try:
            self._socket.sendall(head + b"\r\n" + body)
            return self._answer()
        except (ConnectionError, EOFError):
            self.close()
            self._socket = socket.create_connection(("127.0.0.1", self._port), timeout=PATIENCE_S)
            self._left = b""
            return 0

    def _answer(self) -> int:
        while b"\r\n\r\n" not in self._left:
            self._more()
        head, _, self._left = self._left.partition(b"\r\n\r\n")
        length = _LENGTH.search(head)
        while length is not None and len(self._left) < int(length[1]):
            self._more()
        self._left = self._left[int(length[1]) :] if length is not None else b""
        return int(head[9:12])

    def _more(self) -> None:
        piece = self._socket.recv(65_536)
        if not piece:
            raise EOFError
        self._left += piece

    def close(self) -> None:
        self._socket.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def unread(hub: MeasuredHub, data: bytes) -> socket.socket:
    """Send something and never read, with as little room in the kernel as it gives."""
    sock = socket.socket()
    hub.attackers.append(sock)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2_048)
    sock.settimeout(PATIENCE_S)
    sock.connect(("127.0.0.1", hub.port))
    sock.sendall(data)
    return sock


def push(sock: socket.socket, data: bytes) -> bool:
    """Send without waiting; False once the other side has closed or takes no more."""
    sock.setblocking(False)
    with contextlib.suppress(ConnectionError, BlockingIOError):
        sock.send(data)
        return True
    return False
