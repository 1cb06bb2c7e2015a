"""How one audit record is tied to the one before it: pure, lines in and lines out (R83-R87, REQUIREMENTS §5.8).

Each line is one JSON object in ASCII. ``prev`` is SHA-256 of the line before, so nothing can be changed, taken out, put
in or moved without the next record saying so. ``mac`` is HMAC-SHA256 under a key that is replaced by its own hash after
every record: whoever takes the host today has no key for yesterday's records.
"""

import hashlib
import json
import re
from dataclasses import dataclass, field
from typing import Any, Final

from jitterbug.protocol import base64
from jitterbug.protocol.signing import MacKey

GENESIS: Final = "0" * 64
"""``prev`` of the first record."""
KEY_BYTES: Final = 32
_EVOLVE: Final = b"jitterbug audit key v1\0"
_MAC: Final = re.compile(rb',"mac":"([A-Za-z0-9+/]{42}[AEIMQUYcgkosw048]=)"\}', re.ASCII)
_MAC_BYTES: Final = len(b',"mac":""}') + 44


@dataclass(frozen=True, slots=True)
class Seal:
    """Where a trail stands.

    Attributes:
        seq: Records so far.
        head: SHA-256 of the last line, hexadecimal; :data:`GENESIS` before the first.
        key: Key of the next record.
    """

    seq: int
    head: str
    key: bytes = field(repr=False)


def start(key: bytes) -> Seal:
    """The seal of an empty trail. Args: key: 32 bytes."""
    return Seal(0, GENESIS, key)


def append(seal: Seal, members: dict[str, Any]) -> tuple[bytes, Seal]:
    """Make the next line.

    Args:
        seal: Where the trail stands.
        members: JSON members of the record; ``seq``, ``prev`` and ``mac`` are set here.

    Returns:
        The line, without its end, and where the trail stands then.
    """
    record = {**members, "seq": seal.seq + 1, "prev": seal.head}
    body = json.dumps(record, sort_keys=True, ensure_ascii=True, separators=(",", ":")).encode("ascii")
    mac = base64.encode(MacKey(seal.key).mac(body))
    line = body[:-1] + b',"mac":"' + mac + b'"}'
    return line, advance(seal, line)


def advance(seal: Seal, line: bytes) -> Seal:
    """Where the trail stands after a line."""
    return Seal(seal.seq + 1, hashlib.sha256(line).hexdigest(), hashlib.sha256(_EVOLVE + seal.key).digest())


def fault(seal: Seal, line: bytes, *, with_key: bool) -> str | None:
    """Say what is wrong with the next line; None when nothing is.

    Args:
        seal: Where the trail stands before it.
        line: Without its end.
        with_key: Whether ``seal.key`` is the real key, or only the chain can be checked.
    """
    match = _MAC.fullmatch(line, len(line) - _MAC_BYTES) if len(line) > _MAC_BYTES else None
    if match is None:
        return "is not a whole record"
    body = line[:-_MAC_BYTES] + b"}"
    try:
        record = json.loads(body)
    except (ValueError, RecursionError):
        return "is not JSON"
    if not isinstance(record, dict) or record.get("seq") != seal.seq + 1:
        return f"is not record {seal.seq + 1}: one was taken out, put in or moved"
    if record.get("prev") != seal.head:
        return "does not follow from the record before it, which was changed or replaced"
    if with_key and not MacKey(seal.key).matches(body, base64.decode(match[1].decode())):
        return "has a wrong MAC: it was written by somebody without the key"
    return None
