"""The end of a wire as the hub sees it: something that takes bytes and says how many it still holds."""

from typing import Protocol

from jitterbug.protocol.codes import ByeReason


class Sink(Protocol):
    """One open wire. Never awaited: back-pressure is a number that is read."""

    def encode(self, frame: bytes, cursor: bytes | None) -> bytes:
        """A signed frame in the form of this transport; several may be joined for one write.

        Args:
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
