"""Who may do what: default deny, and nothing but True is a yes (REQUIREMENTS §2.30, R12, O33)."""

import logging
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jitterbug.hub.policy import Action, Policy, allow_all, deny_all
from jitterbug.hub.sessions import Session
from tests.hub.house import ALICE
from tests.looped import in_loop

verdicts = st.one_of(
    st.sampled_from([True, False, None, 1, 0, "yes", "True", b"", [], [1], {"ok": True}]), st.integers(), st.text()
)


@given(verdict=verdicts, action=st.sampled_from(["subscribe", "publish"]))
@in_loop
async def test_nothing_but_true_is_a_yes_from_a_plain_or_an_async_rule(verdict: Any, action: Action) -> None:
    asked = []

    def plain(session: Session, what: Action, channel: str) -> Any:
        asked.append((session, what, channel))
        return verdict

    async def waits(session: Session, what: Action, channel: str) -> Any:
        return plain(session, what, channel)

    assert await Policy(plain).allows(ALICE, action, "a") is (verdict is True)
    assert await Policy(waits).allows(ALICE, action, "a") is (verdict is True)
    assert asked == [(ALICE, action, "a")] * 2


@pytest.mark.parametrize("channel", ["", "a b", "$", "a" * 129, "a\n", None, 5])
@pytest.mark.parametrize("action", ["subscribe", "publish"])
@in_loop
async def test_a_name_nobody_could_use_is_refused_before_the_rule_is_asked(channel: Any, action: Action) -> None:
    def rule(_session: Session, _action: Action, _channel: str) -> bool:
        raise AssertionError("asked")

    assert not await Policy(rule).allows(ALICE, action, channel)


@in_loop
async def test_the_hubs_own_channels_may_be_read_but_no_rule_lets_anybody_publish_there() -> None:
    assert await Policy(allow_all).allows(ALICE, "subscribe", "$sys/activity")
    assert not await Policy(allow_all).allows(ALICE, "publish", "$sys/activity")


@pytest.mark.parametrize("action", ["subscribe", "publish"])
@in_loop
async def test_without_a_rule_nothing_is_allowed(action: Action) -> None:
    assert not await Policy(deny_all).allows(ALICE, action, "a")


@pytest.mark.parametrize("is_async", [False, True])
@in_loop
async def test_r12_a_rule_that_raises_is_a_refusal_and_is_logged(
    is_async: bool, caplog: pytest.LogCaptureFixture
) -> None:
    def fails(_session: Session, _action: Action, _channel: str) -> bool:
        raise RuntimeError("the directory is away")

    async def fails_later(_session: Session, _action: Action, _channel: str) -> bool:
        raise RuntimeError("the directory is away")

    with caplog.at_level(logging.ERROR):
        assert not await Policy(fails_later if is_async else fails).allows(ALICE, "subscribe", "a")
    assert "the directory is away" in caplog.text
    assert ALICE.id not in caplog.text
