"""The head of an answer leaves with the beginning of its body: one write, and one TLS record, instead of two."""

import asyncio


class HeldHead:
    """Stands between uvicorn's answer and the transport.

    A write to a socket is dear: over loopback it wakes the peer, who reads the head alone and sleeps again. ASGI lets a
    server keep ``http.response.start`` to itself until the body begins. Here it waits for as long as the application
    goes on without waiting itself, so a stream that has nothing to say yet is open to its reader all the same.
    """

    __slots__ = ("_head", "_is_first", "_loop", "_transport")

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        """Args: transport: of the connection. loop: its."""
        self._transport = transport
        self._loop = loop
        self._is_first = True
        self._head = b""

    def write(self, data: bytes) -> None:
        """Hold the head, which comes first, until the next piece or the next pass of the loop."""
        if self._is_first:
            self._is_first = False
            self._head = data
            self._loop.call_soon(self._let_out)
        elif self._head:
            head, self._head = self._head, b""
            self._transport.write(head + data)
        else:
            self._transport.write(data)

    def _let_out(self) -> None:
        head, self._head = self._head, b""
        if head and not self._transport.is_closing():
            self._transport.write(head)

    def close(self) -> None:
        """Close once what was written is out."""
        self._let_out()
        self._transport.close()

    def is_closing(self) -> bool:
        """Whether the connection ends, or has."""
        return self._transport.is_closing()
