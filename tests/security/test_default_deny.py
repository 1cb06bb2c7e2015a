"""Without a rule nobody may do anything, and a rule can only ever allow by saying True (O33, R12)."""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jitterbug import Config, Jitterbug, Session
from jitterbug.errors import SettingError
from tests.looped import in_loop

SOMEBODY = Session("s" * 32, "somebody")


def hub(rule: Callable[..., Any] | None = None) -> Jitterbug:
    """A hub as an application mounts it, production rules."""
    return Jitterbug(session=lambda _request: SOMEBODY, authorize=rule)


@given(st.sampled_from(["subscribe", "publish"]), st.text("abc/09.$-_é \n", max_size=140))
@in_loop
async def test_a_hub_without_a_rule_denies_o33(action: Any, channel: str) -> None:
    """Whoever asks for whatever."""
    assert not await hub().hub.policy.allows(SOMEBODY, action, channel)


@pytest.mark.parametrize("verdict", [None, 1, "yes", [True], {"a": 1}, False, 0.0], ids=repr)
@in_loop
async def test_anything_but_true_denies_o33(verdict: object) -> None:
    assert not await hub(lambda *_: verdict).hub.policy.allows(SOMEBODY, "subscribe", "a")
    assert await hub(lambda *_: True).hub.policy.allows(SOMEBODY, "subscribe", "a")


@in_loop
async def test_a_rule_that_fails_denies_o33_r12() -> None:
    """Plain or async, whatever it raises."""

    def failing(*_: object) -> bool:
        raise KeyError("rule")

    async def failing_later(*_: object) -> bool:
        raise TimeoutError

    for rule in (failing, failing_later):
        assert not await hub(rule).hub.policy.allows(SOMEBODY, "publish", "a")


def test_without_a_session_source_there_is_no_hub_r13() -> None:
    """Production is what holds when nothing is said, and it does not run with anonymous sessions."""
    with pytest.raises(SettingError):
        Jitterbug()
    assert Config().development is False
