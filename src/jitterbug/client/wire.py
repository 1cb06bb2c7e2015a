"""What carries frames: one shape for the stream and the WebSocket, so that nobody else has to know which it is."""

from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from typing import Any, Literal, Protocol

from jitterbug.protocol.position import Position

TransportName = Literal["sse", "websocket"]


class Wire(Protocol):
    """One connection, open.

    Attributes:
        name: Which of the two.
        channels: Those its request asked for; every other takes a ``sub`` after the ``hello``.
    """

    name: TransportName
    channels: frozenset[str]

    def frames(self) -> AsyncGenerator[bytes]:
        """The text of each frame, UTF-8, in the order in which they come, until it just ends.

        Raises:
            NetworkError: It was cut.
            CanonicalError: More came than a frame can have.
            HubError: The hub ended it and says when to come back.
        """
        ...

    async def send(self, frame: bytes, frame_id: str | None) -> dict[str, Any]:
        """Send a signed frame up.

        Args:
            frame: Canonical, within the hub's limit.
            frame_id: Its own ``id``; None = nobody asks for the answer, so being on its way may count as sent.

        Returns:
            The hub's answer: ``id``, and ``pos`` for a publication.

        Raises:
            HubError: Refused.
            NetworkError: No answer; ``sent`` tells whether it may have arrived.
        """
        ...

    def answered(self, payload: Mapping[str, Any], *, refused: bool) -> None:
        """Take an ``ack`` or an ``err`` that came down, verified."""
        ...


Opener = Callable[[str, Mapping[str, Position | None]], AbstractAsyncContextManager[Wire]]
"""Opens a wire, from the key that shall sign it and the channels with the places after which to go on."""
