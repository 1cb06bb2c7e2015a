"""How much is kept follows the first rule whose pattern is the channel's."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jitterbug.config import HistoryRule
from jitterbug.patterns import compile_pattern
from jitterbug.stores.retention import Limits, Retention

patterns = st.text("ab*/", min_size=1, max_size=5)
rules = st.lists(st.builds(HistoryRule, patterns, st.integers(0, 5), st.integers(0, 5)), max_size=6)


@given(rules=rules, channels=st.lists(st.text("ab/", min_size=1, max_size=6), max_size=10))
def test_the_first_rule_that_matches_counts_else_the_default(rules: list[HistoryRule], channels: list[str]) -> None:
    retention = Retention(7, 70, rules)
    for channel in channels:
        matching = [rule for rule in rules if compile_pattern(rule.pattern).fullmatch(channel)]
        assert retention.limits(channel) == (Limits(*matching[0][1:]) if matching else Limits(7, 70))


@pytest.mark.parametrize(("limits", "nothing"), [((0, 5), True), ((5, 0), True), ((1, 0.5), False)])
def test_without_size_or_time_nothing_is_kept(limits: tuple[int, float], *, nothing: bool) -> None:
    assert Limits(*limits).keeps_nothing is nothing
