"""The end of a wire as the hub sees it: something that takes bytes and says how many it still holds."""

from typing import Protocol

from jitterbug.protocol.codes import ByeReason


class Sink(Protocol):
    """One open wire. Never awaited: back-pressure is a number that is read."""

    def encode(self, parts: list[bytes], frame: bytes, cursor: bytes | None) -> None:
        """Append a signed frame to ``parts`` in the form of this transport.

        Args:
            parts: Pieces of the write being gathered.
            frame: The signed frame.
            cursor: Resume cursor after this frame; None = it does not move.
        """
        ...

    def write(self, data: bytes) -> None:
        """Hand bytes to the wire at once. Never blocks; a wire that is gone swallows them."""
        ...

    def pending_bytes(self) -> int:
        """Bytes written and not yet taken by the kernel."""
        ...

    def end(self, reason: ByeReason | None) -> None:
        """Finish the stream after what was written. Args: reason: that of the ``bye``; None = there was none."""
        ...

    def abort(self) -> None:
        """Cut the wire, whatever is pending."""
        ...
