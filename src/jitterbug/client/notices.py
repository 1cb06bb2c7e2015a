"""What a stream tells beside publications, and what it counts. Never a secret, never a cause sent to the hub (R60)."""

from collections import Counter
from dataclasses import dataclass, field
from typing import ClassVar, Literal

from jitterbug.protocol.codes import Refusal
from jitterbug.protocol.remedies import REMEDIES
from jitterbug.protocol.session import Gap
from jitterbug.protocol.verifying import Refused

State = Literal["connecting", "live", "waiting", "refused", "closed"]


@dataclass(frozen=True, slots=True)
class Status:
    """How the stream stands.

    Attributes:
        state: ``connecting`` = opening a stream; ``live`` = verified frames arrive; ``waiting`` = will try again;
            ``refused`` = the hub said no for good; ``closed`` = closed on this side.
        code: Why it is not live, such as ``JB_NETWORK``; empty when there is nothing to say.
        remedy: What to do about it; empty where ``code`` is.
        retry_in_s: Seconds until the next try; 0 unless ``waiting``.
    """

    state: State
    code: str = ""
    remedy: str = ""
    retry_in_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Paced:
    """A publication waits this many seconds because the hub limits the rate. It is sent again, not lost (R54)."""

    wait_s: float
    code: ClassVar[str] = "JB_PACED"
    remedy: ClassVar[str] = REMEDIES["JB_PACED"]


@dataclass(frozen=True, slots=True)
class Unsubscribed:
    """The hub ended a subscription that this side had not given up: the right to it ended."""

    channel: str
    reason: str
    code: ClassVar[str] = "JB_CHANNEL_ENDED"
    remedy: ClassVar[str] = REMEDIES["JB_CHANNEL_ENDED"]


@dataclass(frozen=True, slots=True)
class Joined:
    """A subject came to a channel that has presence on, or was there already when this side came."""

    channel: str
    subject: str


@dataclass(frozen=True, slots=True)
class Left:
    """A subject that had joined is there no more. After a break all leave, and those who are there join."""

    channel: str
    subject: str


@dataclass(frozen=True, slots=True)
class Rotated:
    """The connection is signed by another key from now on (R50)."""

    kid: str


Notice = Gap | Joined | Left | Paced | Refused | Rotated | Status | Unsubscribed
"""A gap comes in its place between publications; everything else as soon as it happens."""


@dataclass(slots=True)
class Stats:
    """Counters of one stream since it was opened.

    Attributes:
        verified: Frames that passed every check.
        refused: Frames that did not, by reason.
        rotations: Times a live connection changed its key.
        gaps: Gaps the hub told of, and holes found.
        duplicates: Publications dropped because they had been delivered before.
        connections: Streams that got as far as ``hello``.
    """

    verified: int = 0
    refused: Counter[Refusal] = field(default_factory=Counter)
    rotations: int = 0
    gaps: int = 0
    duplicates: int = 0
    connections: int = 0
