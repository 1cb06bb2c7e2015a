"""``jitterbug keys new`` (R23, R73)."""

from pathlib import Path

from jitterbug.settings import load
from tests.cli.conftest import Run


def test_two_lines_for_an_env_file_that_a_production_hub_takes(jitterbug: Run, tmp_path: Path) -> None:
    result = jitterbug("keys", "new")
    assert result.returncode == 0
    assert [line.split("=", 1)[0] for line in result.stdout.splitlines()] == ["HMAC_KEY_ID", "HMAC_SECRET"]
    (tmp_path / ".env").write_text(result.stdout)
    secret = load({}, environ={}, cwd=tmp_path).config.hmac_secret
    assert secret is not None
    assert len(secret.reveal()) == 32


def test_advice_goes_to_standard_error_and_has_nothing_of_the_key(jitterbug: Run) -> None:
    result = jitterbug("keys", "new")
    kid, secret = (line.split("=", 1)[1] for line in result.stdout.splitlines())
    assert "HMAC_PREVIOUS_KEYS" in result.stderr
    assert kid not in result.stderr
    assert secret not in result.stderr


def test_no_two_keys_are_alike(jitterbug: Run) -> None:
    first, second = (jitterbug("keys", "new").stdout.splitlines() for _ in range(2))
    assert not set(first) & set(second)
