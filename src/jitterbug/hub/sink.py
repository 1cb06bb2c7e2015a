"""The end of a wire as the hub sees it: something that takes bytes and says how many it still holds."""

from typing import ClassVar, Final, Protocol

from jitterbug.protocol.codes import ByeReason


class Sink(Protocol):
    """One open wire. Never awaited: back-pressure is a number that is read.

    What stands around a frame on this wire is asked for before the frame is made, so that all of it is put together
    in one copy. Several may be joined for one write.
    """

    @property
    def after(self) -> bytes:
        """What stands behind each frame."""
        ...

    def before(self, frame_bytes: int, cursor: bytes | None) -> bytes:
        """What stands before a frame.

        Args:
            frame_bytes: Length of the frame to come.
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


class _NoWire:
    """Swallows everything."""

    __slots__ = ()

    after: ClassVar[bytes] = b""

    def before(self, frame_bytes: int, cursor: bytes | None) -> bytes:  # noqa: ARG002 - nothing stands before nothing
        return b""

    def write(self, data: bytes) -> None:
        pass

    def pending_bytes(self) -> int:
        return 0

    def end(self, reason: ByeReason | None) -> None:
        pass

    def abort(self) -> None:
        pass


NO_WIRE: Final[Sink] = _NoWire()
"""What a closed connection has in place of its wire."""
