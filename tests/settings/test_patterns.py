"""Lists of channel patterns among the settings: read strictly, refused by name (PROTOCOL §9, R73, R76)."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jitterbug.config import Config
from jitterbug.errors import SettingError
from tests.settings.reading import attempt, read, refusal

FIELDS = {"JITTERBUG_PRESENCE": "presence", "JITTERBUG_SUBSCRIBE": "subscribe", "JITTERBUG_PUBLISH": "publish"}
each_name = pytest.mark.parametrize("name", FIELDS)


@each_name
@given(patterns=st.lists(st.text("ABCxyz019_-./*", min_size=1, max_size=20), max_size=5))
def test_patterns_arrive_as_they_stand(name: str, patterns: list[str]) -> None:
    assert getattr(read({name: ", ".join(patterns)}).config, FIELDS[name]) == tuple(patterns)


@each_name
@given(text=st.text("ab/*$, ", max_size=12) | st.text(max_size=12))
def test_whatever_is_set_is_patterns_or_refused_by_name(name: str, text: str) -> None:
    found = attempt({name: text})
    assert not isinstance(found, SettingError) or found.setting == name


@each_name
@pytest.mark.parametrize("text", ["a b", "a,,b", "é", "a?", "$$", "a" * 130, ","])
def test_what_is_no_pattern_is_refused_and_not_repeated(name: str, text: str) -> None:
    error = refusal({name: f"hidden,{text}"})
    assert error.setting == name
    assert "hidden" not in str(error)


@each_name
def test_a_list_in_toml_is_a_list_of_patterns(name: str, tmp_path: Path) -> None:
    (tmp_path / "jitterbug.toml").write_text(f'{FIELDS[name]} = ["news/**", "chat/*"]')
    assert getattr(read(cwd=tmp_path).config, FIELDS[name]) == ("news/**", "chat/*")


@pytest.mark.parametrize("field", FIELDS.values())
def test_one_text_is_no_list(field: str) -> None:
    with pytest.raises(SettingError, match="not a list"):
        Config(**{field: "news"})  # type: ignore[arg-type]


@pytest.mark.parametrize("field", FIELDS.values())
def test_nothing_is_set_by_default(field: str) -> None:
    assert getattr(Config(), field) == ()
