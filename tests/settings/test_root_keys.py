"""Root keys: strong or refused, and never shown (R13, R23, R73)."""

import base64
import os
import pickle
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jitterbug.settings import root_key
from jitterbug.settings.secrets import DOCUMENTATION_SAMPLE
from jitterbug.settings.sources import Given
from jitterbug.settings.weak import is_repetitive, weakness
from tests.settings.reading import GOOD, OTHER, ROOT, read, refusal


@given(data=st.binary(max_size=80))
def test_any_root_key_of_32_random_bytes_or_more_is_read_and_every_other_refused(data: bytes) -> None:
    """R23, R73: the bytes arrive unchanged, or the setting is named and the value is not."""
    text = base64.b64encode(data).decode()
    environ = {"HMAC_KEY_ID": "root_one", "HMAC_SECRET": text}
    if weakness(data, 32) is None:
        secret = read(environ).config.hmac_secret
        assert secret is not None
        assert secret.reveal() == data
    else:
        error = refusal(environ)
        assert error.setting == "HMAC_SECRET"
        assert not text or text not in str(error)


@pytest.mark.parametrize("length", [24, 32, 64])
def test_what_a_generator_makes_is_never_called_weak(length: int) -> None:
    """R73: an operator who did all right must not be sent away, be it once in five hundred times."""
    assert {weakness(os.urandom(length), 24) for _ in range(20_000)} == {None}


@given(unit=st.binary(min_size=1, max_size=12), length=st.integers(32, 64))
def test_a_repeated_unit_is_refused_however_long(unit: bytes, length: int) -> None:
    """R73: all-equal bytes, and every other short pattern."""
    data = (unit * length)[:length]
    assert refusal({"HMAC_KEY_ID": "root_one", "HMAC_SECRET": base64.b64encode(data).decode()}).setting == "HMAC_SECRET"


@given(start=st.integers(0, 255), step=st.integers(0, 255), length=st.integers(32, 64))
def test_an_even_count_is_refused(start: int, step: int, length: int) -> None:
    assert is_repetitive(bytes((start + step * number) % 256 for number in range(length)))


@given(st.data())
def test_bytes_from_a_generator_are_not_called_repetitive(data: st.DataObject) -> None:
    random = data.draw(st.randoms(use_true_random=True))
    assert not is_repetitive(random.randbytes(32))


@pytest.mark.parametrize(
    "text",
    [
        "", "changeme", DOCUMENTATION_SAMPLE, GOOD.rstrip("="), GOOD + "\n", " " + GOOD, GOOD.replace("+", "-"),
        GOOD[:-2] + "B=", base64.b64encode(bytes(31)).decode(), "A" * 44, "é" * 44,
    ],
)  # fmt: skip
def test_a_weak_or_malformed_secret_stops_a_production_hub(text: str) -> None:
    """R73, O35: empty, short, not base64, all-equal bytes, the documentation's sample."""
    error = refusal({"HMAC_KEY_ID": "root_one", "HMAC_SECRET": text}, development=False)
    assert error.setting == "HMAC_SECRET"
    assert "jitterbug keys new" in error.remedy
    assert len(text) < 8 or text.strip() not in str(error)


@pytest.mark.parametrize("missing", ["HMAC_KEY_ID", "HMAC_SECRET"])
@pytest.mark.parametrize("development", [True, False])
def test_half_a_root_key_is_refused(missing: str, development: bool) -> None:
    """R73."""
    environ = {name: text for name, text in ROOT.items() if name != missing}
    assert refusal(environ, development=development).setting == missing


def test_a_production_hub_needs_a_root_key_and_a_development_hub_does_not() -> None:
    """R13, R73: no settings at all = production rules, and it does not start."""
    assert refusal({}, development=False).setting == "HMAC_KEY_ID"
    assert read({}, development=True).config.hmac_secret is None
    config = read(ROOT, development=False).config
    assert not config.development
    assert config.hmac_key_id == "root_one"


@pytest.mark.parametrize("kid", ["", "abc", "a:bc", "root one", "x" * 65, "schlüssel"])
def test_a_malformed_key_id_is_refused(kid: str) -> None:
    assert refusal({**ROOT, "HMAC_KEY_ID": kid}).setting == "HMAC_KEY_ID"


def test_previous_keys_are_read_and_held_to_the_same_rules() -> None:
    """PROTOCOL §2: ``kid:base64,kid:base64``."""
    keys = read({**ROOT, "HMAC_PREVIOUS_KEYS": f"root_zero:{OTHER}, root_minus:{GOOD}"}).config.hmac_previous_keys
    assert {kid: secret.reveal() for kid, secret in keys.items()} == {
        "root_zero": base64.b64decode(OTHER),
        "root_minus": base64.b64decode(GOOD),
    }


@pytest.mark.parametrize(
    "text",
    [
        "root_zero",
        f"root_one:{OTHER}",
        f"root_zero:{OTHER},root_zero:{OTHER}",
        "root_zero:AAAA",
        f"r:{OTHER}",
        f":{OTHER}",
    ],
)
def test_malformed_previous_keys_are_refused(text: str) -> None:
    error = refusal({**ROOT, "HMAC_PREVIOUS_KEYS": text})
    assert error.setting == "HMAC_PREVIOUS_KEYS"
    assert OTHER not in str(error)


def test_no_repr_and_no_pickle_of_settings_shows_a_secret() -> None:
    """R48, R73."""
    environ = {
        **ROOT,
        "HMAC_PREVIOUS_KEYS": f"root_zero:{OTHER}",
        "JITTERBUG_JWT_KEY": GOOD,
        "JITTERBUG_JWT_AUDIENCE": "hub",
        "JITTERBUG_ENGINE": "redis://user:hunter2@localhost:6379/0",
    }
    settings = read(environ)
    shown = repr(settings) + repr(Given(GOOD, "environment"))
    for secret in (GOOD, OTHER, "hunter2", repr(base64.b64decode(GOOD))):
        assert secret not in shown
    with pytest.raises(TypeError):
        pickle.dumps(settings)


def test_a_back_end_reads_the_root_key_alone(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text(f"HMAC_KEY_ID=root_one\nHMAC_SECRET={GOOD}\n")
    found = root_key(environ={}, cwd=tmp_path)
    assert found is not None
    assert (found[0], found[1].reveal()) == ("root_one", base64.b64decode(GOOD))
    assert root_key(environ={}, cwd=Path("/nonexistent")) is None
