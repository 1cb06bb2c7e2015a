"""The gate every publication passes, from an application, a session, a back end or an emitter (R58, O26, O27)."""

from typing import Any, Final

from jitterbug.errors import CanonicalError, FrameTooLargeError, PublishError
from jitterbug.hub.channels import is_channel
from jitterbug.protocol import canonical
from jitterbug.protocol.codes import MAX_DEPTH
from jitterbug.protocol.publication import largest_frame_bytes

_DEPTH_AROUND_DATA: Final = 2
"""The frame and its payload."""


def prepare(channel: str, data: Any, max_frame_bytes: int) -> bytes:
    """Check a publication and return its data in canonical form, made once for all readers.

    Args:
        channel: Where it goes.
        data: Any JSON value.
        max_frame_bytes: Limit for the signed frame, in UTF-8 bytes.

    Raises:
        PublishError: The name is no channel, or the data has no canonical form.
        FrameTooLargeError: The signed frame could exceed the limit. Nothing is ever cut.
    """
    if not is_channel(channel):
        raise PublishError("A channel has 1 to 128 of A-Z a-z 0-9 _ - . / in its name.")
    try:
        encoded = canonical.encode(data)
    except CanonicalError as error:
        raise PublishError("The data is not JSON that a frame can carry.") from error
    if canonical.exceeds_depth(encoded, MAX_DEPTH - _DEPTH_AROUND_DATA):
        raise PublishError("The data is nested too deep for a frame.")
    frame_bytes = largest_frame_bytes(channel, encoded)
    if frame_bytes > max_frame_bytes:
        raise FrameTooLargeError(frame_bytes, max_frame_bytes)
    return encoded
