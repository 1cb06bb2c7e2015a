"""``jitterbug dev``."""

import json
import signal
from pathlib import Path

import httpx2
import pytest

from tests.cli.conftest import WITHIN_S, Start
from tests.client.conftest import StartHub

ANY = ["--bind", "127.0.0.1:0", "--admin-bind", "127.0.0.1:0", "--set", "DRAIN_S=0"]


def test_one_line_of_json_says_where_it_listens_and_an_interrupt_ends_it(started: Start) -> None:
    process = started("dev", *ANY, "--json")
    assert process.stdout is not None
    listening = json.loads(process.stdout.readline())
    assert httpx2.get(f"{listening['url']}/api/jitterbug/health", trust_env=False).json() == {"status": "ok"}
    assert httpx2.get(f"{listening['admin_url']}/health/ready", trust_env=False).status_code == 200
    process.send_signal(signal.SIGINT)
    output, errors = process.communicate(timeout=WITHIN_S)
    assert (process.returncode, output) == (0, "")
    assert "Traceback" not in errors


def test_without_json_it_tells_a_person_what_to_do_next(started: Start) -> None:
    process = started("dev", *ANY, "--profile", "realtime")
    assert process.stdout is not None
    text = ""
    while "Ctrl-C" not in text:
        line = process.stdout.readline()
        assert line, "it ended early"
        text += line
    assert "http://127.0.0.1:" in text
    assert "200 frames at once, then 100 a second" in text
    assert "16,384 bytes" in text
    assert "jitterbug listen --url http://127.0.0.1:" in text
    assert "jitterbug publish --url http://127.0.0.1:" in text
    assert "\x1b" not in text


def test_settings_of_env_file_environment_and_flags_reach_the_hub(start_hub: StartHub, tmp_path: Path) -> None:
    """PROTOCOL §9: a flag over the environment, both over the defaults."""
    hub = start_hub(environ={"JITTERBUG_KEY_TTL_S": "111", "JITTERBUG_KEYS_PER_MINUTE": "1"}, key_ttl_s=222)
    with httpx2.Client(base_url=f"{hub.url}/api/jitterbug", trust_env=False) as visitor:
        assert visitor.post("/session").status_code == 204
        key = visitor.post("/keys").json()
        assert key["expiresAt"] - key["serverTime"] == 222_000
        assert visitor.post("/keys").status_code == 429


def test_a_port_that_is_taken_is_told_with_status_1(started: Start, start_hub: StartHub) -> None:
    hub = start_hub()
    process = started("dev", "--bind", hub.bind, "--admin-bind", "127.0.0.1:0")
    _, errors = process.communicate(timeout=WITHIN_S)
    assert process.returncode == 1
    assert "Traceback" not in errors


@pytest.mark.parametrize("name", ["HMAC_SECRET", "HMAC_PREVIOUS_KEYS", "JWT_KEY"])
def test_a_secret_is_not_taken_from_the_command_line(started: Start, name: str) -> None:
    """Process lists show it to everybody."""
    process = started("dev", "--set", f"{name}=c2VjcmV0IHNlY3JldA==")
    _, errors = process.communicate(timeout=WITHIN_S)
    assert process.returncode == 78
    assert "c2Vj" not in errors
