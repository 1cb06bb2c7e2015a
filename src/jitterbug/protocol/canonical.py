"""RFC 8785 canonical JSON, and the strict decoder that accepts only what it can carry (PROTOCOL §1, R27).

:func:`decode` refuses duplicate member names at any depth (compared after unescaping), lone surrogates, NaN and
infinities, a byte order mark, anything after the value, nesting beyond 32, and numbers that a double would
change. What it accepts, :func:`encode` writes in one way only.
"""

import json
import math
from collections.abc import Iterable
from typing import Any, Final

import rfc8785

from jitterbug.errors import CanonicalError
from jitterbug.protocol.codes import MAX_DEPTH, MAX_SAFE_INTEGER

_PLAIN: Final = json.JSONEncoder(
    ensure_ascii=False, check_circular=False, allow_nan=False, sort_keys=True, separators=(",", ":")
).encode
_SHORT_INTEGER: Final = 15
"""Decimal digits that always fit a double exactly."""


def encode(value: Any) -> bytes:
    """Return the RFC 8785 form of a JSON value, as UTF-8 bytes.

    Args:
        value: ``None``, bool, int, float, str, list, tuple or dict with string keys, nested at most 32 deep.

    Raises:
        CanonicalError: NaN, infinity, an integer beyond 2^53 - 1, a lone surrogate, another type, or too deep.
    """
    try:
        data = rfc8785.dumps(value)
    except (rfc8785.CanonicalizationError, RecursionError, UnicodeError, TypeError, ValueError) as error:
        raise CanonicalError("The value has no canonical JSON form.") from error
    if exceeds_depth(data, MAX_DEPTH):
        raise CanonicalError(f"The value is nested deeper than {MAX_DEPTH}.")
    return data


def encode_plain(value: dict[str, Any]) -> bytes:
    """Return the RFC 8785 form of an object that the hub itself made up, in a quarter of the time.

    Args:
        value: Member names are ASCII; members are text, booleans, ``None``, integers up to 2^53 - 1, fractions from
            0.001 to 1e15 that are not whole, and lists and objects of these.

    Raises:
        CanonicalError: A text holds a lone surrogate.
    """
    try:
        return _PLAIN(value).encode()
    except UnicodeError as error:
        raise CanonicalError("The value has no canonical JSON form.") from error


def decode(data: bytes) -> Any:
    """Parse JSON text strictly.

    Args:
        data: UTF-8 bytes. The caller limits their number; time and memory are linear in it.

    Returns:
        The value. Integer literals up to 2^53 - 1 become int, every other number float.

    Raises:
        CanonicalError: The text is not JSON, or is JSON that PROTOCOL §1 calls malformed.
    """
    try:
        text = str(data, "utf-8")
        value = _DECODER.decode(text)
    except (ValueError, RecursionError, TypeError) as error:
        raise CanonicalError("The text is not strict JSON.") from error
    if exceeds_depth(data, MAX_DEPTH):
        raise CanonicalError(f"The text is nested deeper than {MAX_DEPTH}.")
    # Text that is valid UTF-8 can hold a lone surrogate only as an escape.
    if b"\\u" in data and not all(map(_is_scalar_text, _strings(value))):
        raise CanonicalError("The text holds a lone surrogate.")
    return value


def is_lossless(text: str) -> bool:
    """Tell whether a JSON number and its canonical form denote the same decimal.

    Args:
        text: A number by the grammar of RFC 8259 §6.
    """
    value = float(text)
    if not math.isfinite(value):
        return False
    digits, _ = _decimal(text)
    if not digits or value == 0:
        return not digits and value == 0
    return _decimal(text) == _decimal(rfc8785.dumps(value).decode())


def _decimal(text: str) -> tuple[str, int]:
    """Digits without leading and trailing zeros, and the power of ten of the last one. Sign left out.

    ``float`` keeps the sign of whatever it rounds, so comparing magnitudes is enough.
    """
    mantissa, _, exponent = text.lower().partition("e")
    whole, _, fraction = mantissa.lstrip("-").partition(".")
    digits = (whole + fraction).lstrip("0")
    stripped = digits.rstrip("0")
    if not stripped:
        return "", 0
    # Only called for finite values: a longer exponent would have been infinite or zero.
    sign = -1 if exponent.startswith("-") else 1
    power = sign * int(exponent.lstrip("+-0")[:9] or "0")
    return stripped, power - len(fraction) + len(digits) - len(stripped)


def _integer(text: str) -> int | float:
    if len(text) <= _SHORT_INTEGER and text != "-0":
        return int(text)
    value = _real(text)
    return int(value) if text != "-0" and abs(value) <= MAX_SAFE_INTEGER else value


def _real(text: str) -> float:
    if not is_lossless(text):
        raise ValueError("lossy number")
    return float(text)


def _constant(text: str) -> float:
    raise ValueError(text)


def _members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("duplicate member name")
    return members


_DECODER: Final = json.JSONDecoder(
    object_pairs_hook=_members, parse_int=_integer, parse_float=_real, parse_constant=_constant
)


def exceeds_depth(data: bytes, limit: int) -> bool:
    """Tell whether valid JSON text is nested deeper than ``limit``, brackets inside strings left aside."""
    if data.count(b"{") + data.count(b"[") <= limit:
        return False  # nearly every text: no need to walk it
    depth = 0
    in_string = escaped = False
    for byte in data:
        if in_string:
            if escaped:
                escaped = False
            elif byte == 0x5C:  # backslash
                escaped = True
            elif byte == 0x22:  # quotation mark
                in_string = False
        elif byte == 0x22:
            in_string = True
        elif byte in {0x5B, 0x7B}:
            depth += 1
            if depth > limit:
                return True
        elif byte in {0x5D, 0x7D}:
            depth -= 1
    return False


def _strings(value: Any) -> Iterable[str]:
    stack = [value]
    while stack:
        item = stack.pop()
        if isinstance(item, str):
            yield item
        elif isinstance(item, dict):
            stack.extend(item.keys())
            stack.extend(item.values())
        elif isinstance(item, list):
            stack.extend(item)


def _is_scalar_text(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
