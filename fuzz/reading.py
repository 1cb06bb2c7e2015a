"""A second reading of JSON, from PROTOCOL §1 and the standard library, to hold ours against."""

import json
import re
from decimal import Decimal
from math import isinf
from typing import Any

MAX_DEPTH = 32
_SAFE = 2**53 - 1
_INTEGER = re.compile(r"-?[0-9]+", re.ASCII)


def read(data: bytes) -> Any:
    """Parse what a frame may hold.

    Raises:
        ValueError: It is not JSON, or is JSON that PROTOCOL §1 calls malformed.
    """
    try:
        value = json.loads(
            data.decode(),
            object_pairs_hook=_members,
            parse_int=_number,
            parse_float=_number,
            parse_constant=_refuse,
        )
    except RecursionError:
        raise ValueError("too deep") from None
    _look(value, 0)
    return value


def _look(value: Any, above: int) -> None:
    """Refuse what is nested too deep and what has no UTF-8 form."""
    if isinstance(value, str):
        value.encode()  # raises for half of a surrogate pair
    if not isinstance(value, (dict, list)):
        return
    if above == MAX_DEPTH:
        raise ValueError("too deep")
    for name in value if isinstance(value, dict) else ():
        name.encode()
    for item in value.values() if isinstance(value, dict) else value:
        _look(item, above + 1)


def _members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    names = [name for name, _ in pairs]
    if len(set(names)) < len(names):
        raise ValueError("a name comes twice")
    return dict(pairs)


def _number(text: str) -> int | float:
    value = float(text)
    if value == 0:
        lossy = re.search("[1-9]", re.split("[eE]", text)[0]) is not None
    else:
        lossy = isinf(value) or Decimal(repr(value)) != Decimal(text)
    if lossy:
        raise ValueError("digits would be lost")
    whole = _INTEGER.fullmatch(text) and text != "-0" and abs(value) <= _SAFE
    return int(value) if whole else value


def _refuse(name: str) -> Any:
    raise ValueError(name)
