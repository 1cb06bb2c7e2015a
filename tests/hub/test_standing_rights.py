"""Channels open to every login by configuration: additive, and never the hub's own unless named (O33, PROTOCOL §9)."""

from typing import Any, Literal

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from jitterbug.config import Config
from jitterbug.hub.channels import is_channel
from jitterbug.hub.policy import Action, Policy, allow_all, deny_all
from jitterbug.hub.sessions import Session
from jitterbug.hub.standing_rights import StandingRights
from jitterbug.patterns import compile_pattern
from jitterbug.server.app import Jitterbug
from jitterbug.stores.memory import MemoryStore
from jitterbug.testing import ManualClock
from tests.hub.house import ALICE
from tests.looped import in_loop

channels = st.text("ab/$", min_size=1, max_size=8).filter(is_channel)
patterns = st.text("ab/*", min_size=1, max_size=8)
actions = st.sampled_from(["subscribe", "publish"])


@given(data=st.data(), action=actions, channel=channels)
@in_loop
async def test_what_a_pattern_names_is_allowed_and_nothing_else(data: Any, action: Action, channel: str) -> None:
    assume(not channel.startswith("$"))
    pattern = data.draw(patterns | st.just(channel))
    standing = StandingRights(**{action: [pattern]})
    other: Literal["subscribe", "publish"] = "publish" if action == "subscribe" else "subscribe"

    named = compile_pattern(pattern).fullmatch(channel) is not None
    assert await Policy(deny_all, standing).allows(ALICE, action, channel) is named
    assert not await Policy(deny_all, standing).allows(ALICE, other, channel)


@given(patterns=st.lists(patterns, max_size=3), channel=channels)
@in_loop
async def test_a_rule_that_allows_is_not_narrowed_by_them(patterns: list[str], channel: str) -> None:
    standing = StandingRights(subscribe=patterns)
    assert await Policy(allow_all, standing).allows(ALICE, "subscribe", channel)


@pytest.mark.parametrize("pattern", ["**", "*", "*/*", "**/alerts"])
@in_loop
async def test_the_hubs_own_channels_are_not_among_everything(pattern: str) -> None:
    policy = Policy(deny_all, StandingRights(subscribe=[pattern], publish=[pattern]))
    assert not await policy.allows(ALICE, "subscribe", "$sys/alerts")


@pytest.mark.parametrize("pattern", ["$sys/*", "$**", "$sys/alerts"])
@in_loop
async def test_the_hubs_own_channels_are_read_where_a_pattern_names_them_and_never_written(pattern: str) -> None:
    policy = Policy(deny_all, StandingRights(subscribe=[pattern], publish=[pattern]))
    assert await policy.allows(ALICE, "subscribe", "$sys/alerts")
    assert not await policy.allows(ALICE, "publish", "$sys/alerts")


@in_loop
async def test_they_hold_where_the_rule_fails() -> None:
    def fails(_session: Session, _action: Action, _channel: str) -> bool:
        raise RuntimeError("no database")

    policy = Policy(fails, StandingRights(subscribe=["news/*"]))
    assert await policy.allows(ALICE, "subscribe", "news/a")
    assert not await policy.allows(ALICE, "subscribe", "orders/a")


@in_loop
async def test_a_hub_reads_them_from_its_settings_and_a_development_hub_then_opens_nothing_else() -> None:
    clock = ManualClock()
    config = Config(development=True, subscribe=("news/**",), publish=("chat/*",))
    policy = Jitterbug(config=config, clock=clock, store=MemoryStore(clock)).hub.policy

    assert await policy.allows(ALICE, "subscribe", "news/a/b")
    assert await policy.allows(ALICE, "publish", "chat/a")
    assert not await policy.allows(ALICE, "publish", "news/a")
    assert not await policy.allows(ALICE, "subscribe", "orders")


@in_loop
async def test_a_development_hub_without_them_stays_open() -> None:
    policy = Jitterbug(config=Config(development=True)).hub.policy
    assert await policy.allows(ALICE, "publish", "anything")
