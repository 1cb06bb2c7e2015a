"""Patterns of channel names: ``*`` stands for any run of characters but ``/``, ``**`` for any run at all."""

import re
from typing import Any, Final

_PATTERN: Final = re.compile(r"\$?[A-Za-z0-9_\-./*]{1,128}", re.ASCII)


def compile_pattern(text: Any) -> re.Pattern[str]:
    """Compile a pattern, to be used with ``fullmatch`` on a channel name.

    Raises:
        ValueError: It is no channel name, perhaps with ``*`` or ``**``.
    """
    if not isinstance(text, str) or _PATTERN.fullmatch(text) is None:
        raise ValueError("a pattern is a channel name, perhaps with * or **")
    # Three stars and more mean the same as two.
    *heads, tail = re.split(r"\*{2,}", text)
    if not heads:
        return re.compile(_within_segments(tail, is_last=True), re.ASCII)
    first, *middle = (_within_segments(head, is_last=False) for head in heads)
    found = "".join(f"(?>.*?{part})" for part in middle)
    return re.compile(f"{first}{found}.*{_within_segments(tail, is_last=True)}", re.ASCII)


def _within_segments(text: str, *, is_last: bool) -> str:
    """What stands between two ``**``, as a regular expression.

    A wildcard takes as little as it can and never takes it back, ``(?>…)``: where the next literal stands first is the
    best place for all that follows. So the time is at most the square of the channel's length; backtracking over every
    wildcard at once would never end on ``*a*a*a*a*a*a*b``.
    """
    literal, *rest = text.split("*")
    parts = [f"(?>[^/]*?{re.escape(item)})" for item in rest]
    if is_last and rest:
        parts[-1] = f"[^/]*{re.escape(rest[-1])}"
    return re.escape(literal) + "".join(parts)
