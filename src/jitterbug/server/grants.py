"""What a token allows: patterns of channels to read and to write (PROTOCOL §3)."""

import re
from dataclasses import dataclass
from typing import Any, Final

from jitterbug.hub.policy import Action
from jitterbug.hub.sessions import Session

_PATTERN: Final = re.compile(r"\$?[A-Za-z0-9_\-./*]{1,128}", re.ASCII)
_MAX_PATTERNS: Final = 100


@dataclass(frozen=True, slots=True)
class Grants:
    """Patterns from a token. ``*`` stands for any run of characters but ``/``, ``**`` for any run at all.

    Attributes:
        subscribe: Channels that may be read.
        publish: Channels that may be written.
    """

    subscribe: tuple[re.Pattern[str], ...] = ()
    publish: tuple[re.Pattern[str], ...] = ()

    @classmethod
    def from_claim(cls, claim: Any) -> "Grants":
        """Read the ``jitterbug`` claim: ``{"subscribe": [patterns], "publish": [patterns]}``; either may be left out.

        Raises:
            ValueError: It has another form, or too many patterns.
        """
        if claim is None:
            return cls()
        if not isinstance(claim, dict) or not claim.keys() <= {"subscribe", "publish"}:
            raise ValueError("the jitterbug claim has another form")
        return cls(_patterns(claim.get("subscribe", [])), _patterns(claim.get("publish", [])))

    def allow(self, action: Action, channel: str) -> bool:
        """Whether one of the patterns is the channel's."""
        patterns = self.subscribe if action == "subscribe" else self.publish
        return any(pattern.fullmatch(channel) for pattern in patterns)


def rule(session: Session, action: Action, channel: str) -> bool:
    """The rule of a hub whose sessions come from tokens."""
    return isinstance(session.data, Grants) and session.data.allow(action, channel)


def _patterns(texts: Any) -> tuple[re.Pattern[str], ...]:
    if not isinstance(texts, list) or len(texts) > _MAX_PATTERNS:
        raise ValueError("patterns are a list of at most 100")
    return tuple(_compile(text) for text in texts)


def _compile(text: Any) -> re.Pattern[str]:
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
