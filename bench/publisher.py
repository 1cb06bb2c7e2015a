"""Posts publications over connections that stay open."""

import socket
import ssl
from pathlib import Path


class Publisher:
    """One connection to a server. Small on purpose: it runs on the load client's core."""

    def __init__(self, port: int, ca: Path | None = None) -> None:
        """Connect. Args: ca: certificate to trust; None = no TLS."""
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=30)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if ca is not None:
            context = ssl.create_default_context(cafile=str(ca))
            self._socket = context.wrap_socket(self._socket, server_hostname="127.0.0.1")

    def send(self, request: bytes) -> None:
        """Send a request without waiting for its answer."""
        self._socket.sendall(request)

    def answer(self) -> bytes:
        """Read one answer, which must say that it worked, and return its body.

        Raises:
            RuntimeError: The server refused, or hung up.
        """
        data = b""
        while b"\r\n\r\n" not in data:
            data += self._more()
        head, _, body = data.partition(b"\r\n\r\n")
        if not head.startswith((b"HTTP/1.1 20", b"HTTP/1.0 20")):
            raise RuntimeError(f"publishing was refused: {head[:100]!r} {body[:200]!r}")
        fields = dict(line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:])
        if fields.get(b"transfer-encoding") == b"chunked":
            while not body.endswith(b"0\r\n\r\n"):
                body += self._more()
            return body
        while len(body) < int(fields.get(b"content-length", b"0")):
            body += self._more()
        return body

    def _more(self) -> bytes:
        data = self._socket.recv(65_536)
        if not data:
            raise RuntimeError("the server hung up on the publisher")
        return data

    def post(self, request: bytes) -> bytes:
        """Send and wait."""
        self.send(request)
        return self.answer()

    def close(self) -> None:
        """Hang up."""
        self._socket.close()


def request(path: str, body: bytes, *, port: int, headers: str = "", content_type: str = "application/json") -> bytes:
    """A POST, in one piece."""
    head = f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Type: {content_type}\r\n{headers}"
    return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


def upgrade(path: str, port: int, headers: str = "") -> str:
    """A WebSocket handshake (RFC 6455 §4.1)."""
    return (
        f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
        f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{headers}\r\n"
    )
