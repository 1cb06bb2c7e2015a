"""Only the names of the contract are settings (PROTOCOL §9)."""

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from jitterbug.config import Config
from jitterbug.errors import SettingError
from jitterbug.settings import names
from tests.settings.reading import read, refusal


@given(
    tail=st.text("ABCDEFGHIJKLMNOPQRSTUVWXYZ_", min_size=1, max_size=20),
    prefix=st.sampled_from(["JITTERBUG_", "HMAC_"]),
)
def test_an_unknown_name_of_ours_is_refused_wherever_it_stands(prefix: str, tail: str) -> None:
    name = prefix + tail
    assume(name not in names.KNOWN)
    assert refusal({name: "1"}).setting == name
    with pytest.raises(SettingError) as caught:
        read(flags={name: "1"})
    assert caught.value.setting == name


@pytest.mark.parametrize(
    ("wrong", "right"),
    [
        ("JITTERBUG_KEY_TTL", "JITTERBUG_KEY_TTL_S"),
        ("JITTERBUG_HMAC_SECRET", "HMAC_SECRET"),
        ("HMAC_SECRETS", "HMAC_SECRET"),
        ("HMAC_BIND", "JITTERBUG_BIND"),
        ("jitterbug_bind", "JITTERBUG_BIND"),
    ],
)
def test_the_nearest_name_is_proposed(wrong: str, right: str) -> None:
    assert f"Did you mean {right}?" in str(refusal({wrong: "1"}))


def test_names_of_others_are_left_alone() -> None:
    assert read({"PATH": "/bin", "REDIS_URL": "x", "MY_HMAC_SECRET": "y"}).config == Config(development=True)


def test_every_name_of_the_contract_is_known() -> None:
    assert {
        "HMAC_KEY_ID",
        "HMAC_SECRET",
        "HMAC_PREVIOUS_KEYS",
        "HMAC_CLOCK_SKEW_MS",
        "HMAC_REPLAY_WINDOW_MS",
        "JITTERBUG_BIND",
        "JITTERBUG_ADMIN_BIND",
        "JITTERBUG_ENGINE",
        "JITTERBUG_TLS_CERT",
        "JITTERBUG_TLS_KEY",
        "JITTERBUG_TRUSTED_PROXIES",
        "JITTERBUG_ALLOWED_ORIGINS",
        "JITTERBUG_KEY_TTL_S",
        "JITTERBUG_RATE_CAPACITY",
        "JITTERBUG_RATE_REFILL_PER_S",
        "JITTERBUG_MAX_FRAMES_PER_TICK",
        "JITTERBUG_TICK_MS",
        "JITTERBUG_BUFFER_FRAMES",
        "JITTERBUG_MAX_FRAME_BYTES",
        "JITTERBUG_HEARTBEAT_S",
        "JITTERBUG_HISTORY_SIZE",
        "JITTERBUG_HISTORY_TTL_S",
        "JITTERBUG_HISTORY_RULES",
        "JITTERBUG_PRESENCE",
        "JITTERBUG_PUBLISHER_KEYS",
        "JITTERBUG_SUBSCRIBE",
        "JITTERBUG_PUBLISH",
        "JITTERBUG_KEYS_PER_MINUTE",
        "JITTERBUG_MAX_CONNECTIONS",
        "JITTERBUG_MAX_CONNECTIONS_PER_SESSION",
        "JITTERBUG_MAX_CONNECTIONS_PER_ADDRESS",
        "JITTERBUG_MAX_SESSIONS_PER_ADDRESS",
        "JITTERBUG_AUDIT_FILE",
        "JITTERBUG_JWT_KEY",
        "JITTERBUG_JWT_ALGORITHM",
        "JITTERBUG_JWT_AUDIENCE",
        "JITTERBUG_PROFILE",
        "JITTERBUG_DRAIN_S",
        "JITTERBUG_SECURITY_POLICY",
        "JITTERBUG_ALERT_WEBHOOK_URL",
        "JITTERBUG_ALERT_WEBHOOK_SECRET",
    } == names.KNOWN
