"""History per pattern of channels: read strictly, refused by name (PROTOCOL §9, R73, R76)."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jitterbug.config import Config, HistoryRule
from jitterbug.errors import SettingError
from tests.settings.reading import attempt, read, refusal

NAME = "JITTERBUG_HISTORY_RULES"
good = st.builds(
    HistoryRule,
    st.text("ABCxyz019_-./*", min_size=1, max_size=20),
    st.integers(0, 100_000),
    st.integers(0, 31_536_000) | st.integers(0, 31_536_000 * 8).map(lambda eighths: eighths / 8),
)


@given(rules=st.lists(good, max_size=8))
def test_rules_arrive_as_they_stand_in_their_order(rules: list[HistoryRule]) -> None:
    text = ", ".join(f"{pattern}={size}:{ttl_s}" for pattern, size, ttl_s in rules)
    assert read({NAME: text}).config.history_rules == tuple(rules)


@given(text=st.text("ab/*=:,0 .1", max_size=20) | st.text(max_size=20))
def test_whatever_is_set_is_rules_or_refused_by_name(text: str) -> None:
    found = attempt({NAME: text})
    if isinstance(found, SettingError):
        assert found.setting == NAME
    else:
        patterns = [item.strip().partition("=")[0] for item in text.split(",") if text.strip()]
        assert [rule.pattern for rule in found.config.history_rules] == patterns


@pytest.mark.parametrize(
    "text",
    [
        "a", "a=", "a=1", "a=1:", "=1:1", "a=:1", "a=1:1:1", "a=1:1,", ",a=1:1", "a=1:1,,b=1:1", "a=1.0:1", "a=-1:1",
        "a=1:-1", "a=1e3:1", "a=1_0:1", "a=1:1e3", "a=1:inf", "a=\uff11:1", "a = 1:1", "a b=1:1", "é=1:1", "a?=1:1",
        "a=100001:1", "a=1:31536001", "$$=1:1", "a=1 :1", "a=1:1;b=1:1",
        ",".join(f"c{number}=1:1" for number in range(101)),
    ],
)  # fmt: skip
def test_what_is_no_rule_is_refused_and_not_repeated(text: str) -> None:
    error = refusal({NAME: text})
    assert error.setting == NAME
    assert "hidden" not in str(refusal({NAME: f"hidden!{text}"}))


def test_a_list_in_toml_is_a_list_of_rules(tmp_path: Path) -> None:
    (tmp_path / "jitterbug.toml").write_text('history_rules = ["orders/**=500:3600", "chat/*=50:0.5"]')
    rules = (HistoryRule("orders/**", 500, 3_600), HistoryRule("chat/*", 50, 0.5))
    assert read(cwd=tmp_path).config.history_rules == rules


@pytest.mark.parametrize(
    "rules",
    [
        "a=1:1",
        [HistoryRule("a", 1, 1)],
        (("a", 1, 1),),
        (HistoryRule("a b", 1, 1),),
        (HistoryRule("a", -1, 1),),
        (HistoryRule("a", 1, -1),),
        (HistoryRule("a", True, 1),),
        (HistoryRule("a", 1, float("nan")),),
        (HistoryRule("a", 1.0, 1),),  # type: ignore[arg-type]
        (HistoryRule(None, 1, 1),),  # type: ignore[arg-type]
        (HistoryRule("a", 1, 1),) * 101,
    ],
)
def test_an_application_is_held_to_the_same(rules: Any) -> None:
    with pytest.raises(SettingError) as caught:
        Config(history_rules=rules)
    assert caught.value.setting == "HISTORY_RULES"
