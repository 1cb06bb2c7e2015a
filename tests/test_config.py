"""Settings: every number has a range that is checked at both ends, and no secret shows (R55, R73, R76)."""

import dataclasses
import math
import pickle
import traceback
from dataclasses import fields
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jitterbug.config import PROFILES, Config, Secret
from jitterbug.errors import JitterbugError, SettingError

NUMBERS = {item.name: item for item in fields(Config) if "setting" in item.metadata}
WHOLE = sorted(name for name, item in NUMBERS.items() if item.type is int)
REAL = sorted(set(NUMBERS) - set(WHOLE))
ROOM = {"skew_ms": 0, "replay_window_ms": 3_600_000}
"""Out of each other's way where one of the two is tried at its ends."""

PUBLISHED = {
    "skew_ms": 5_000, "replay_window_ms": 10_000, "key_ttl_s": 600, "rate_capacity": 10, "rate_refill_per_s": 1,
    "max_frames_per_tick": 10, "tick_ms": 50, "buffer_frames": 100, "max_frame_bytes": 1_024, "heartbeat_s": 15,
    "keys_per_minute": 10,
}  # fmt: skip
"""The numbers of the security model."""


def config(name: str, value: Any) -> Config:
    """One setting set, the others where they do not matter."""
    return Config(**{**ROOM, name: value})


def refused(name: str, value: Any) -> SettingError:
    with pytest.raises(SettingError) as caught:
        config(name, value)
    return caught.value


def ends(name: str) -> tuple[float, float]:
    return NUMBERS[name].metadata["low"], NUMBERS[name].metadata["high"]


# Numbers


def test_the_defaults_are_the_numbers_of_the_security_model_r32_r38_r41_r51_r52_r56_r57_r58_r75() -> None:
    default = Config()

    assert {name: getattr(default, name) for name in PUBLISHED} == PUBLISHED
    assert not default.development
    assert default.hmac_secret is None


def test_every_number_has_a_range_and_a_name_of_its_own_r55() -> None:
    numeric = {item.name for item in fields(Config) if item.type in {int, float}}

    assert numeric == set(NUMBERS)
    assert len({item.metadata["setting"] for item in NUMBERS.values()}) == len(NUMBERS)
    for name in NUMBERS:
        low, high = ends(name)
        assert 0 <= low <= getattr(Config(), name) <= high < math.inf


@pytest.mark.parametrize("name", sorted(NUMBERS))
@pytest.mark.parametrize("end", [0, 1])
def test_a_number_may_stand_at_either_end_of_its_range_r55(name: str, end: int) -> None:
    value = ends(name)[end]

    assert getattr(config(name, value), name) == value


@pytest.mark.parametrize("name", sorted(NUMBERS))
@pytest.mark.parametrize("end", [0, 1])
def test_a_number_just_outside_its_range_is_refused_by_name_r55(name: str, end: int) -> None:
    edge = ends(name)[end]
    direction = -1 if end == 0 else 1
    outside: list[float] = [edge + direction]
    if name in REAL:
        outside.append(math.nextafter(edge, direction * math.inf))
    for value in outside:
        error = refused(name, value)
        assert error.setting == NUMBERS[name].metadata["setting"]
        assert str(error).startswith(f"{error.setting}: must be a")


@pytest.mark.parametrize("name", sorted(NUMBERS))
@pytest.mark.parametrize(
    "value", [True, False, "10", "", None, b"1", [1], math.nan, math.inf, -math.inf, 1j, -1, 10**12, 1e300, object()]
)
def test_what_is_no_number_in_range_is_refused_r55_r76(name: str, value: Any) -> None:
    assert refused(name, value).code == "JB_SETTING"


@pytest.mark.parametrize("name", WHOLE)
def test_a_fraction_is_no_whole_number_not_even_a_round_one_r55(name: str) -> None:
    assert "a whole number" in str(refused(name, float(getattr(Config(), name))))


@pytest.mark.parametrize("name", REAL)
def test_a_whole_number_is_a_number(name: str) -> None:
    assert getattr(config(name, 1), name) == 1


def test_a_number_beyond_all_doubles_is_refused_like_any_other() -> None:
    assert refused("rate_capacity", 10**400).code == "JB_SETTING"


# Settings that depend on each other


@given(st.integers(min_value=0, max_value=300_000), st.integers(min_value=1, max_value=700_000))
def test_the_replay_window_is_at_least_twice_the_skew_r76(skew_ms: int, window_ms: int) -> None:
    if window_ms >= 2 * skew_ms:
        assert Config(skew_ms=skew_ms, replay_window_ms=window_ms).replay_window_ms == window_ms
    else:
        with pytest.raises(SettingError, match="twice HMAC_CLOCK_SKEW_MS") as caught:
            Config(skew_ms=skew_ms, replay_window_ms=window_ms)
        assert caught.value.setting == "HMAC_REPLAY_WINDOW_MS"
        assert caught.value.remedy


@pytest.mark.parametrize(
    ("skew_ms", "window_ms", "right"), [(5_000, 10_000, True), (5_000, 9_999, False), (0, 1, True)]
)
def test_the_window_is_judged_at_its_limit_r76(skew_ms: int, window_ms: int, *, right: bool) -> None:
    if right:
        assert Config(skew_ms=skew_ms, replay_window_ms=window_ms).skew_ms == skew_ms
    else:
        with pytest.raises(SettingError, match="HMAC_REPLAY_WINDOW_MS"):
            Config(skew_ms=skew_ms, replay_window_ms=window_ms)


@pytest.mark.parametrize(
    "origin", ["*", "null", "https://*", "https://*.example.com", "*://example.com", "https://example.com:*"]
)
def test_an_origin_is_no_wildcard(origin: str) -> None:
    with pytest.raises(SettingError, match="wildcard") as caught:
        Config(allowed_origins=("https://example.com", origin))

    assert caught.value.setting == "ALLOWED_ORIGINS"
    assert "List each origin" in caught.value.remedy


def test_origins_in_full_are_taken() -> None:
    origins = ("https://example.com", "http://localhost:8440", "https://example.com:8443")

    assert Config(allowed_origins=origins).allowed_origins == origins


# Profiles and changes


def test_the_strict_profile_is_the_default() -> None:
    assert Config.profile("strict") == Config()
    assert PROFILES["strict"] == {}


def test_the_realtime_profile_is_the_documented_set() -> None:
    """PROTOCOL §9."""
    changed = {
        "rate_capacity": 200,
        "rate_refill_per_s": 100,
        "max_frames_per_tick": 50,
        "buffer_frames": 1_000,
        "max_frame_bytes": 16_384,
    }
    realtime = Config.profile("realtime")
    differs = {item.name for item in fields(Config) if getattr(realtime, item.name) != getattr(Config(), item.name)}

    assert {name: getattr(realtime, name) for name in changed} == changed
    assert differs == set(changed)


def test_a_profile_takes_changes_and_checks_them() -> None:
    assert Config.profile("realtime", rate_capacity=7).rate_capacity == 7
    with pytest.raises(SettingError, match="RATE_CAPACITY"):
        Config.profile("realtime", rate_capacity=0)


@pytest.mark.parametrize("name", ["", "STRICT", "fast", "strict "])
def test_an_unknown_profile_is_refused_and_not_repeated(name: str) -> None:
    with pytest.raises(SettingError, match="not one of strict, realtime") as caught:
        Config.profile(name)

    assert caught.value.setting == "PROFILE"
    assert not name.strip() or name not in str(caught.value).split()


def test_a_copy_with_changes_is_checked_again() -> None:
    assert Config().with_changes(tick_ms=20) == Config(tick_ms=20)
    with pytest.raises(SettingError, match="HMAC_REPLAY_WINDOW_MS"):
        Config().with_changes(skew_ms=5_001)


def test_settings_are_frozen_and_none_is_made_up() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        Config().skew_ms = 1  # type: ignore[misc]
    with pytest.raises(TypeError):
        Config(unsigned=True)  # type: ignore[call-arg]
    with pytest.raises(TypeError):
        Config(True)  # type: ignore[call-arg]


# Secrets

HIDDEN = b"correct horse battery staple 123"


def test_a_secret_gives_its_bytes_when_asked() -> None:
    assert Secret(HIDDEN).reveal() == HIDDEN


@pytest.mark.parametrize(
    "holder", [Secret(HIDDEN), Config(hmac_secret=Secret(HIDDEN), hmac_previous_keys={"old-key": Secret(HIDDEN)})]
)
def test_no_notation_of_settings_shows_a_secret_r48_r73(holder: Any) -> None:
    for text in (repr(holder), str(holder), f"{holder}", f"{holder!r:>100}", ascii([holder])):
        assert "horse" not in text
        assert HIDDEN.hex() not in text
        assert "Secret(\u2026)" in text or "Secret(\\u2026)" in text


@pytest.mark.parametrize("holder", [Secret(HIDDEN), Config(hmac_secret=Secret(HIDDEN))])
@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_no_secret_is_pickled_r48(holder: Any, protocol: int) -> None:
    with pytest.raises(TypeError, match="not pickled"):
        pickle.dumps(holder, protocol)


@given(st.integers(min_value=10**13, max_value=10**30))
def test_an_error_names_the_setting_and_never_the_value_r73(value: int) -> None:
    error = refused("rate_capacity", value)
    text = "".join(traceback.format_exception(error))

    assert str(error) == "RATE_CAPACITY: must be a whole number from 1 to 1,000,000."
    assert isinstance(error, JitterbugError)
    assert str(value) not in text
    assert f"{value:,}" not in text
