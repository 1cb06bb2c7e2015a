"""Where settings come from, and which source wins (PROTOCOL §9)."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jitterbug.errors import SettingError
from jitterbug.settings import names
from tests.settings.reading import GOOD, read

LAYERS = ("toml", ".env", "environment", "flag")


@given(present=st.sets(st.sampled_from(LAYERS)))
def test_flags_win_over_environment_over_env_file_over_toml_over_defaults(
    present: set[str], tmp_path_factory: pytest.TempPathFactory
) -> None:
    """PROTOCOL §9: the strongest source that sets a name has it, whatever the others say."""
    cwd = tmp_path_factory.mktemp("sources")
    ports = {layer: 9000 + number for number, layer in enumerate(LAYERS)}
    if "toml" in present:
        (cwd / "jitterbug.toml").write_text(f'bind = "127.0.0.1:{ports["toml"]}"\n')
    if ".env" in present:
        (cwd / ".env").write_text(f"OTHER=$BIND\nexport JITTERBUG_BIND='127.0.0.1:{ports['.env']}' # mine\n")
    environ = {"JITTERBUG_BIND": f"127.0.0.1:{ports['environment']}"} if "environment" in present else {}
    flags = {"JITTERBUG_BIND": f"127.0.0.1:{ports['flag']}"} if "flag" in present else {}
    strongest = max((ports[layer] for layer in present), default=8440)
    assert read(environ, flags, cwd).bind == ("127.0.0.1", strongest)


def test_a_toml_file_has_numbers_lists_and_any_spelling_of_a_name(tmp_path: Path) -> None:
    (tmp_path / "jitterbug.toml").write_text(
        'KEY_TTL_S = 60.5\nJITTERBUG_RATE_CAPACITY = 20\nhmac_clock_skew_ms = 2000\nprofile = "realtime"\n'
        'allowed_origins = ["https://a.example", "https://b.example:8443"]\n'
    )
    settings = read(cwd=tmp_path)
    assert settings.config.key_ttl_s == 60.5
    assert settings.config.rate_capacity == 20
    assert settings.config.skew_ms == 2_000
    assert settings.config.max_frame_bytes == 16_384
    assert settings.config.allowed_origins == ("https://a.example", "https://b.example:8443")
    assert settings.profile == "realtime"


@pytest.mark.parametrize(
    ("text", "setting"),
    [
        ("bind = 8440", "JITTERBUG_BIND"),
        ("tick_ms = true", "JITTERBUG_TICK_MS"),
        ("tick_ms = -5", "JITTERBUG_TICK_MS"),
        ("key_ttl_s = 6e2", "JITTERBUG_KEY_TTL_S"),
        ("key_ttl_s = inf", "JITTERBUG_KEY_TTL_S"),
        ("tick_mss = 5", "JITTERBUG_TICK_MSS"),
        ("tick_ms = 50\nTICK_MS = 60", "JITTERBUG_TICK_MS"),
        ("[server]\nbind = 1", "JITTERBUG_SERVER"),
        ("bind = ", "jitterbug.toml"),
        (f'hmac_secret = "{GOOD}"', "HMAC_SECRET"),
    ],
)
def test_a_toml_file_is_read_as_strictly_as_the_environment(text: str, setting: str, tmp_path: Path) -> None:
    (tmp_path / "jitterbug.toml").write_text(text)
    with pytest.raises(SettingError) as caught:
        read(cwd=tmp_path)
    assert caught.value.setting == setting
    assert GOOD not in str(caught.value)


def test_no_line_of_an_env_file_is_skipped_because_it_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text('JITTERBUG_TICK_MS="50\nJITTERBUG_BIND=127.0.0.1:1\n')
    with pytest.raises(SettingError, match=r"line 1 cannot be read"):
        read(cwd=tmp_path)


def test_unreadable_bytes_in_a_file_are_told_by_its_name(tmp_path: Path) -> None:
    (tmp_path / ".env").write_bytes(b"JITTERBUG_BIND=\xff\xfe\n")
    with pytest.raises(SettingError) as caught:
        read(cwd=tmp_path)
    assert caught.value.setting == ".env"


@pytest.mark.parametrize("name", sorted(names.SECRETS))
def test_a_secret_is_not_taken_from_a_flag(name: str) -> None:
    """Process lists show flags to everybody on the machine."""
    with pytest.raises(SettingError) as caught:
        read(flags={name: GOOD})
    assert caught.value.setting == name
    assert GOOD not in str(caught.value)
