"""Strict JSON in, canonical JSON out, beside two other parsers (R25-R27)."""

import json
from typing import Any

import msgspec
import rfc8785

from fuzz import reading
from jitterbug.errors import CanonicalError
from jitterbug.protocol import canonical

_SAFE = 2**53 - 1
_msgspec = msgspec.json.Decoder().decode


def check(data: bytes) -> None:
    """Accepted exactly where PROTOCOL §1 says so, read as two others read it, written in one way only."""
    try:
        second = reading.read(data)
    except ValueError:
        _must_be_refused(data)
        _encodes_or_refuses(data)
        return
    text = canonical.encode(canonical.decode(data))
    assert text == rfc8785.dumps(second), "read otherwise by the standard library"
    assert text == rfc8785.dumps(_as_doubles(_msgspec(data))), "read otherwise by msgspec"
    assert canonical.encode(canonical.decode(text)) == text, "the canonical form has another canonical form"


def _must_be_refused(data: bytes) -> None:
    try:
        canonical.decode(data)
    except CanonicalError:
        return
    raise AssertionError("accepted, though PROTOCOL §1 calls it malformed")


def _encodes_or_refuses(data: bytes) -> None:
    """What a lenient parser makes of it, huge integers, NaN and halves of pairs among it, is encoded rightly or not."""
    try:
        value = json.loads(data)
    except (ValueError, RecursionError):
        return
    try:
        text = canonical.encode(value)
    except CanonicalError:
        return
    assert reading.read(text) == value, "encoded as something else"


def _as_doubles(value: Any) -> Any:
    """Integers beyond 2^53 - 1 as the doubles that JSON's numbers are here."""
    if isinstance(value, dict):
        return {name: _as_doubles(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_as_doubles(item) for item in value]
    return float(value) if isinstance(value, int) and abs(value) > _SAFE else value
