"""Addresses, origins, networks, stores, files and tokens."""

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jitterbug.errors import SettingError
from jitterbug.settings import names
from tests.settings.reading import GOOD, ROOT, attempt, read, refusal


@pytest.mark.parametrize(
    ("text", "address"),
    [("127.0.0.1:0", ("127.0.0.1", 0)), ("[::1]:8440", ("::1", 8440)), ("localhost:65535", ("localhost", 65535))],
)
def test_an_address_is_host_and_port(text: str, address: tuple[str, int]) -> None:
    assert read({"JITTERBUG_BIND": text}).bind == address


@pytest.mark.parametrize("text", ["8440", ":8440", "127.0.0.1", "127.0.0.1:65536", "::1:8440", "[x]:1", "a b:1", "h:٣"])
def test_a_malformed_address_is_refused(text: str) -> None:
    assert refusal({"JITTERBUG_BIND": text}).setting == "JITTERBUG_BIND"


@pytest.mark.parametrize("name", ["JITTERBUG_BIND", "JITTERBUG_ADMIN_BIND"])
@pytest.mark.parametrize("host", ["0.0.0.0", "[::]", "192.0.2.1", "hub.example"])
def test_a_development_hub_binds_to_loopback_only(name: str, host: str) -> None:
    """R13."""
    assert refusal({name: f"{host}:9000"}).setting == name
    settings = read({**ROOT, name: f"{host}:9000"}, development=False)
    assert (host.strip("[]"), 9000) in {settings.bind, settings.admin_bind}


def test_both_listeners_on_one_address_are_refused() -> None:
    assert refusal({"JITTERBUG_ADMIN_BIND": "127.0.0.1:8440"}).setting == "JITTERBUG_ADMIN_BIND"


@pytest.mark.parametrize(
    "text", ["*", "https://*.example.org", "null", "example.org", "https://a/b", "https://A.example"]
)
def test_an_origin_that_no_browser_sends_or_that_stands_for_many_is_refused(text: str) -> None:
    assert refusal({"JITTERBUG_ALLOWED_ORIGINS": f"https://ok.example,{text}"}).setting == "JITTERBUG_ALLOWED_ORIGINS"


@pytest.mark.parametrize("text", ["0.0.0.0/0", "::/0", "proxy.example", "10.0.0.1/8", "10.0.0.0/33"])
def test_a_proxy_that_is_no_network_or_everybody_is_refused(text: str) -> None:
    assert refusal({"JITTERBUG_TRUSTED_PROXIES": f"127.0.0.1,{text}"}).setting == "JITTERBUG_TRUSTED_PROXIES"


def test_networks_of_proxies_are_kept_in_order() -> None:
    assert read({"JITTERBUG_TRUSTED_PROXIES": "10.0.0.0/8, ::1"}).config.trusted_proxies == ("10.0.0.0/8", "::1")


NO_ENGINES = ["memory://x", "redis://", "http://localhost", "localhost:6379", "redis://h:port", "", "sqlite://h/x.db"]
NO_FILES = ["", "/", "a/", ".", "..", "a/..", ":memory:", "x.db?mode=ro", "x.db#1", "x\n.db", "x\0.db"]


@pytest.mark.parametrize("text", [*NO_ENGINES, "sqlite:", "sqlite:x.db", *map("sqlite:///{}".format, NO_FILES)])
def test_an_engine_that_is_no_store_is_refused(text: str) -> None:
    assert refusal({"JITTERBUG_ENGINE": text}).setting == "JITTERBUG_ENGINE"


@pytest.mark.parametrize(
    ("text", "file"),
    [("sqlite:///h.db", "{cwd}/h.db"), ("sqlite:///a/h.db", "{cwd}/a/h.db"), ("sqlite:////srv/h.db", "/srv/h.db")],
)
def test_the_file_of_an_engine_is_relative_with_three_slashes_and_absolute_with_four(
    text: str, file: str, tmp_path: Path
) -> None:
    assert read({"JITTERBUG_ENGINE": text}, cwd=tmp_path).engine == f"sqlite:///{file.format(cwd=tmp_path)}"


def test_certificate_and_key_go_together_and_must_be_there(tmp_path: Path) -> None:
    (tmp_path / "cert.pem").write_text("x")
    for environ, setting in (
        ({"JITTERBUG_TLS_CERT": "cert.pem"}, "JITTERBUG_TLS_KEY"),
        ({"JITTERBUG_TLS_KEY": "cert.pem"}, "JITTERBUG_TLS_CERT"),
        ({"JITTERBUG_TLS_CERT": "cert.pem", "JITTERBUG_TLS_KEY": "missing.pem"}, "JITTERBUG_TLS_KEY"),
    ):
        with pytest.raises(SettingError) as caught:
            read(environ, cwd=tmp_path)
        assert caught.value.setting == setting


def test_a_relative_path_starts_where_the_process_was_started(tmp_path: Path) -> None:
    assert read({"JITTERBUG_AUDIT_FILE": "trail.log"}, cwd=tmp_path).audit_file == tmp_path / "trail.log"


@pytest.mark.parametrize(
    ("environ", "setting"),
    [
        ({"JITTERBUG_JWT_ALGORITHM": "none", "JITTERBUG_JWT_KEY": GOOD}, "JITTERBUG_JWT_ALGORITHM"),
        ({"JITTERBUG_JWT_KEY": GOOD}, "JITTERBUG_JWT_AUDIENCE"),
        ({"JITTERBUG_JWT_AUDIENCE": "hub"}, "JITTERBUG_JWT_AUDIENCE"),
        ({"JITTERBUG_JWT_KEY": "short", "JITTERBUG_JWT_AUDIENCE": "hub"}, "JITTERBUG_JWT_KEY"),
        (
            {"JITTERBUG_JWT_KEY": "-----BEGIN PUBLIC KEY-----\nx", "JITTERBUG_JWT_AUDIENCE": "hub"},
            "JITTERBUG_JWT_ALGORITHM",
        ),
        (
            {"JITTERBUG_JWT_KEY": GOOD, "JITTERBUG_JWT_AUDIENCE": "hub", "JITTERBUG_JWT_ALGORITHM": "ES256"},
            "JITTERBUG_JWT_ALGORITHM",
        ),
    ],
)
def test_token_settings_that_would_let_anybody_in_are_refused(environ: dict[str, str], setting: str) -> None:
    """RFC 8725: no ``none``, no public key used as a shared secret, an audience always."""
    assert refusal(environ).setting == setting


@pytest.mark.parametrize(
    "url",
    [
        "http://hooks.example",
        "http://127.0.0.1.hooks.example",
        "http://localhost.hooks.example",
        "https://",
        "http://[x",
    ],
)
def test_an_alert_webhook_in_the_clear_is_for_this_machine_only(url: str) -> None:
    """R5: a name that merely begins like this machine's is another machine."""
    environ = {"JITTERBUG_ALERT_WEBHOOK_URL": url, "JITTERBUG_ALERT_WEBHOOK_SECRET": GOOD}
    assert refusal(environ).setting == "JITTERBUG_ALERT_WEBHOOK_URL"


@pytest.mark.parametrize(
    "url", ["https://hooks.example/a", "http://127.0.0.1:9000/a", "http://[::1]/", "http://localhost/a"]
)
def test_an_alert_webhook_needs_its_secret_and_neither_is_shown(url: str) -> None:
    assert refusal({"JITTERBUG_ALERT_WEBHOOK_URL": url}).setting == "JITTERBUG_ALERT_WEBHOOK_SECRET"
    settings = read({"JITTERBUG_ALERT_WEBHOOK_URL": url, "JITTERBUG_ALERT_WEBHOOK_SECRET": GOOD})
    assert settings.alert_webhook_url == url
    assert url not in repr(settings)
    assert GOOD not in repr(settings)


def test_an_unknown_profile_is_refused_under_its_full_name() -> None:
    assert refusal({"JITTERBUG_PROFILE": "fast"}).setting == "JITTERBUG_PROFILE"


def test_a_setting_can_change_a_profile() -> None:
    config = read({"JITTERBUG_PROFILE": "realtime", "JITTERBUG_RATE_CAPACITY": "7"}).config
    assert (config.rate_capacity, config.rate_refill_per_s) == (7, 100.0)


@given(
    name=st.sampled_from(sorted(names.KNOWN)),
    value=st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=60).map("\N{CURRENCY SIGN}{}".format),
)
def test_no_message_repeats_the_value_it_refuses(name: str, value: str) -> None:
    """R73: whatever is set, a refusal names the setting and never the value."""
    found = attempt({**ROOT, name: value})
    if isinstance(found, SettingError):
        assert value not in str(found)
        assert found.__cause__ is None


def test_the_environment_of_this_very_process_can_be_read() -> None:
    ours = {name: text for name, text in os.environ.items() if not names.is_ours(name)}
    assert read(ours).profile == "strict"
