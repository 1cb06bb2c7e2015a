"""What a token allows: patterns of channels to read and to write (PROTOCOL §3)."""

import re
from dataclasses import dataclass
from typing import Any, Final

from jitterbug.hub.policy import Action
from jitterbug.hub.sessions import Session
from jitterbug.patterns import compile_pattern

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
    return tuple(compile_pattern(text) for text in texts)
