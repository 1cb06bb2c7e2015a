"""Who may read and write which channel. Default deny (PROTOCOL §4, REQUIREMENTS §2.30)."""

import inspect
import logging
from collections.abc import Awaitable, Callable
from typing import Final, Literal

from jitterbug.hub.channels import is_channel, is_reserved
from jitterbug.hub.sessions import Session
from jitterbug.hub.standing_rights import StandingRights

_LOG: Final = logging.getLogger("jitterbug.policy")
Action = Literal["subscribe", "publish"]
Rule = Callable[[Session, Action, str], bool | Awaitable[bool]]
"""An application's rule, plain or async. Anything but True is a refusal; an exception is too, and is logged."""


def allow_all(_session: Session, _action: Action, _channel: str) -> bool:
    """The rule of a development hub."""
    return True


def deny_all(_session: Session, _action: Action, _channel: str) -> bool:
    """The rule where nobody gave one."""
    return False


class Policy:
    """The rule, behind what no rule can allow and what needs none."""

    __slots__ = ("_rule", "_standing")

    def __init__(self, rule: Rule, standing: StandingRights | None = None) -> None:
        """Args: standing: what every session may; None = nothing."""
        self._rule = rule
        self._standing = standing or StandingRights()

    async def allows(self, session: Session, action: Action, channel: str) -> bool:
        """Decide. A name nobody could use, and the hub's own channels for publishing, are refused before the rule."""
        if not is_channel(channel) or (action == "publish" and is_reserved(channel)):
            return False
        if self._standing.allow(action, channel):
            return True
        try:
            verdict = self._rule(session, action, channel)
            if inspect.isawaitable(verdict):
                verdict = await verdict
        except Exception:
            _LOG.exception("The rule failed, which refuses session %s to %s %r", session.hash, action, channel)
            return False
        return verdict is True
