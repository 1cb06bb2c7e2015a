"""What nodes share. Small protocols; an implementation is chosen by URL (see :func:`jitterbug.stores.open_store`).

**Delivery promise.** ``append`` gives each publication of a channel the next offset and hands it to every attached
node. A node sees a channel's publications in the order of their offsets, each at most once; one that it missed shows
as a step in the offsets and can be read back while history lasts. Nothing is dropped without that trace.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from jitterbug.protocol.codes import GapReason
from jitterbug.protocol.position import Position
from jitterbug.protocol.publication import PreparedPublication
from jitterbug.protocol.replay import Claim

Deliver = Callable[[PreparedPublication], None]


@dataclass(frozen=True, slots=True)
class Backlog:
    """The answer to "what came after this position?".

    Attributes:
        position: Where the channel stands now.
        publications: Everything after the position asked for, in order, complete; empty when ``lost``.
        lost: Why it cannot be complete; None when it is.
    """

    position: Position
    publications: Sequence[PreparedPublication] = ()
    lost: GapReason | None = None


class Broker(Protocol):
    """Channels: positions, history, fan-out between nodes."""

    async def append(self, channel: str, data: bytes, *, publication_id: str | None = None) -> Position:
        """Append a publication and fan it out.

        Args:
            channel: Checked name.
            data: Canonical JSON, checked for size.
            publication_id: Makes a repetition answer with the first position and deliver nothing, as long as
                history lasts; None = always new.

        Raises:
            StoreError: The store is away; nothing was published as far as is known.
        """
        ...

    async def read(self, channel: str, since: Position | None) -> Backlog:
        """Read a channel after a position; None = only where it stands.

        Raises:
            StoreError: The store is away.
        """
        ...

    def attach(self, deliver: Deliver) -> None:
        """Name the function that gets every publication on this node."""
        ...


class ReplayStore(Protocol):
    """Nonces accepted anywhere."""

    async def claim(self, kid: str, nonce: str, ts: int, now_ms: int, share: str | None = None) -> Claim:
        """Insert if absent, atomically; see :meth:`jitterbug.protocol.replay.ReplayWindow.claim`.

        Raises:
            StoreError: The store is away: the caller refuses the frame (R12).
        """
        ...


class LimitStore(Protocol):
    """Counts that hold whichever node answers."""

    async def admit(self, key: str, limit: int, window_s: float) -> float:
        """Count one, if the last ``window_s`` seconds hold fewer than ``limit``.

        Returns:
            0.0 when it was counted, else the seconds after which it would be.

        Raises:
            StoreError: The store is away: the caller refuses.
        """
        ...


class Store(Broker, ReplayStore, LimitStore, Protocol):
    """All of it."""

    async def start(self) -> None:
        """Connect."""
        ...

    async def stop(self) -> None:
        """Let go. Safe to call twice."""
        ...
