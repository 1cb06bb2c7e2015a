"""Numbers are plain digits and within their range (R55, R75, R76)."""

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from jitterbug.config import Config
from jitterbug.errors import SettingError
from jitterbug.settings import names
from tests.settings.reading import attempt, read, refusal

NUMBERS = sorted(names.NUMBERS)


@given(name=st.sampled_from(NUMBERS), text=st.text(max_size=12))
@example(name="HMAC_REPLAY_WINDOW_MS", text="5_000")
@example(name="HMAC_REPLAY_WINDOW_MS", text="\uff15\uff10\uff10\uff10\uff10")
@example(name="HMAC_REPLAY_WINDOW_MS", text="\u0661\u0662\u0663\u0664\u0665")
@example(name="HMAC_REPLAY_WINDOW_MS", text="1e4")
@example(name="HMAC_REPLAY_WINDOW_MS", text="-10000")
@example(name="HMAC_REPLAY_WINDOW_MS", text="+10000")
@example(name="HMAC_REPLAY_WINDOW_MS", text=" 10000")
@example(name="HMAC_REPLAY_WINDOW_MS", text="10000\n")
@example(name="HMAC_REPLAY_WINDOW_MS", text="0x2710")
@example(name="HMAC_REPLAY_WINDOW_MS", text="")
@example(name="HMAC_REPLAY_WINDOW_MS", text="ten seconds")
@example(name="JITTERBUG_KEY_TTL_S", text="nan")
@example(name="JITTERBUG_KEY_TTL_S", text="inf")
@example(name="JITTERBUG_KEY_TTL_S", text=".5")
@example(name="JITTERBUG_KEY_TTL_S", text="5.")
def test_a_number_in_any_spelling_but_plain_digits_is_refused(name: str, text: str) -> None:
    """R76: what ``int()`` and ``float()`` would take beside plain digits is refused, and the setting is named."""
    whole, dot, fraction = text.partition(".")
    plain = whole.isascii() and whole.isdigit() and (not dot or (fraction.isascii() and fraction.isdigit()))
    assume(not plain)
    error = refusal({name: text})
    assert error.setting == name
    assert name in str(error)


@given(name=st.sampled_from(NUMBERS), number=st.integers(0, 10**14))
def test_plain_digits_are_read_as_they_stand_or_out_of_range(name: str, number: int) -> None:
    """R55, R75, R76: a number arrives unchanged in the field of its name, or the range is told."""
    found = attempt({name: str(number)})
    if isinstance(found, SettingError):
        assert found.setting in {name, "HMAC_REPLAY_WINDOW_MS"}
    else:
        assert getattr(found.config, names.NUMBERS[name].field) == number


@pytest.mark.parametrize("name", [name for name in NUMBERS if names.NUMBERS[name].whole])
def test_a_fraction_is_refused_where_a_whole_number_belongs(name: str) -> None:
    assert refusal({name: "20000.0"}).setting == name


@pytest.mark.parametrize("text", ["0", "9999", "5001"])
def test_a_replay_window_under_twice_the_skew_is_refused(text: str) -> None:
    """R76."""
    assert refusal({"HMAC_REPLAY_WINDOW_MS": text}).setting == "HMAC_REPLAY_WINDOW_MS"


def test_the_skew_and_the_window_follow_their_settings() -> None:
    """R75, R76."""
    config = read({"HMAC_CLOCK_SKEW_MS": "1000", "HMAC_REPLAY_WINDOW_MS": "2000"}).config
    assert (config.skew_ms, config.replay_window_ms) == (1_000, 2_000)


def test_without_any_setting_the_defaults_are_those_of_the_security_model() -> None:
    """R32, R33, R38, R51, R52, R56-R58: the seed's numbers."""
    settings = read()
    assert settings.config == Config(development=True)
    assert (settings.bind, settings.admin_bind) == (("127.0.0.1", 8440), ("127.0.0.1", 8441))
    assert settings.engine == "memory://"
