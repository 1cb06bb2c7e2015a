"""JSON or text, without guessing wrong in silence."""

import json
from typing import Any, Never

from jitterbug.errors import CanonicalError
from jitterbug.protocol import canonical


def read_data(data: bytes) -> Any:
    """Read what somebody typed: JSON if it parses as JSON, else text.

    Args:
        data: UTF-8.

    Raises:
        CanonicalError: It is JSON that would not arrive as it is (a lossy number, a member twice), or no UTF-8.
    """
    try:
        text = data.decode()
    except UnicodeDecodeError:
        raise CanonicalError("Not UTF-8.") from None
    try:
        json.loads(text, parse_constant=_refuse, parse_int=str, parse_float=str)
    except (ValueError, RecursionError):
        return text
    try:
        return canonical.decode(data)
    except CanonicalError:
        raise CanonicalError(
            "JSON that cannot arrive as it is: a number too exact for a double, a member twice, or nested too deep.",
            remedy="Put exact numbers into text.",
        ) from None


def _refuse(text: str) -> Never:
    """NaN and Infinity are no JSON (RFC 8259 §6)."""
    raise ValueError(text)
