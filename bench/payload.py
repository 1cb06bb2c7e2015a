"""What is published: JSON of a fixed size, with a mark that tells when."""

import time
from typing import Final

DATA_BYTES: Final = 200
_HEAD: Final = '{"note":"'
_MIDDLE: Final = '","sent":"'
_TAIL: Final = '"}'


def mark() -> str:
    """``jb~`` and the monotonic clock in nanoseconds, 19 digits, as ``bench/load.c`` looks for it."""
    return f"jb~{time.monotonic_ns():019}"


def data(size_bytes: int = DATA_BYTES) -> str:
    """Canonical JSON of this size, marked with now. Args: size_bytes: at least 64."""
    sent = mark()
    filling = "x" * (size_bytes - len(_HEAD) - len(_MIDDLE) - len(sent) - len(_TAIL))
    return f"{_HEAD}{filling}{_MIDDLE}{sent}{_TAIL}"
