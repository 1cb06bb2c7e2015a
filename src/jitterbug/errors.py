"""One tree of errors. Each has a stable ``code`` for machines and a ``remedy`` for the person on call.

::

    JitterbugError
    ├── SecurityError        a frame was refused; says nothing more, on purpose (R59, R60)
    ├── SettingError         a setting is missing, malformed or too weak
    ├── PublishError         a publication was refused at the gate
    │   └── FrameTooLargeError
    ├── CanonicalError       a value or text that canonical JSON cannot carry
    └── StoreError           the store did not answer; nothing was passed unchecked
        └── UnfitError       something the hub depends on is not there, such as a disk for its audit trail
"""

from typing import ClassVar


class JitterbugError(Exception):
    """Base of all errors raised on purpose.

    Attributes:
        code: Stable identifier such as ``JB_SETTING``, safe to match on.
        remedy: What the operator or developer can do about it, one sentence; may be empty.
    """

    code: ClassVar[str] = "JB_ERROR"
    remedy: str = ""

    def __init__(self, message: str, *, remedy: str = "") -> None:
        super().__init__(message)
        if remedy:
            self.remedy = remedy

    def __str__(self) -> str:
        """The message, followed by the remedy where there is one."""
        text = str(self.args[0])
        return f"{text} {self.remedy}" if self.remedy else text


class SecurityError(JitterbugError):
    """A frame did not verify. One text for every cause (PROTOCOL §1, R59): the cause goes to the log alone."""

    code = "JB_VERIFY"

    def __init__(self) -> None:
        super().__init__("Frame verification failed")


class SettingError(JitterbugError):
    """A setting is missing, malformed or too weak. Names the setting, never its value (R73)."""

    code = "JB_SETTING"

    def __init__(self, setting: str, problem: str, *, remedy: str = "") -> None:
        super().__init__(f"{setting}: {problem}.", remedy=remedy)
        self.setting = setting


class CanonicalError(JitterbugError, ValueError):
    """A value or a text that RFC 8785 canonical JSON, as restricted by PROTOCOL §1, cannot carry."""

    code = "JB_CANONICAL"


class PublishError(JitterbugError):
    """A publication was refused at the gate: bad channel name, data that is not JSON, or not allowed."""

    code = "JB_PUBLISH"


class FrameTooLargeError(PublishError):
    """The signed frame would exceed ``MAX_FRAME_BYTES`` (R58). Nothing is ever cut to fit.

    Attributes:
        frame_bytes: What the frame would measure at most on the wire, in UTF-8 bytes.
        limit_bytes: The limit in force.
    """

    code = "JB_FRAME_TOO_LARGE"

    def __init__(self, frame_bytes: int, limit_bytes: int) -> None:
        super().__init__(
            f"The signed frame could take {frame_bytes} bytes; the limit is {limit_bytes}.",
            remedy="Send less data (an id to fetch, say), or raise MAX_FRAME_BYTES on every node.",
        )
        self.frame_bytes = frame_bytes
        self.limit_bytes = limit_bytes


class StoreError(JitterbugError):
    """The store failed or is full. The hub refuses rather than pass anything unchecked (R12)."""

    code = "JB_STORE"


class UnfitError(StoreError):
    """Something the hub depends on is not there. What could not be recorded or checked is not done at all (R12)."""

    code = "JB_UNFIT"

    def __init__(self) -> None:
        super().__init__("The hub is not fit to act.", remedy="Look at its log: as a rule the audit disk is full.")
