"""``jitterbug serve`` refuses, before it listens, whatever is missing or weak (R10, R13, R20, R72-R76, PROTOCOL §9)."""

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.bad_settings import CASES, Changes, write_files
from tests.cli.conftest import Run
from tests.cli.forked import Forked
from tests.server.production import Authority, good_settings, root_pair


def changed(authority: Authority, changes: Changes) -> dict[str, str]:
    """Good settings but for these changes."""
    settings: dict[str, str | None] = {**good_settings(), **authority.settings(), **changes}
    return {name: text for name, text in settings.items() if text is not None}


@pytest.fixture(scope="module")
def forked() -> Iterator[Forked]:
    with Forked() as parent:
        yield parent


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, authority: Authority) -> Path:
    """Where the commands run: the broken files, no ``.env`` and no ``jitterbug.toml``."""
    found = tmp_path_factory.mktemp("cwd")
    write_files(found, authority)
    return found


@pytest.fixture(scope="module")
def taken() -> Iterator[str]:
    """An address somebody else listens on: whoever tries to listen there ends with another status."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield f"127.0.0.1:{listener.getsockname()[1]}"


@pytest.mark.parametrize(("name", "changes"), CASES)
def test_bad_settings_end_with_78_before_anything_listens(
    forked: Forked, authority: Authority, folder: Path, taken: str, name: str, changes: Changes
) -> None:
    """R10, R13, R20, R72-R76: one line that names the setting and the remedy, never the value.

    The address is taken, which would be found out by listening. ``check`` says the same, word for word.
    """
    environ = {**changed(authority, changes), "JITTERBUG_BIND": taken}
    ended = forked.run("serve", cwd=folder, environ=environ)
    assert (ended.status, ended.out) == (78, ""), ended.err
    assert ended.err.count("\n") == 1
    assert ended.err.startswith(f"jitterbug: JB_SETTING: {name}")
    for text in filter(None, changes.values()):
        for item in text.replace("\n", ",").split(","):
            assert len(item) < 4 or item.endswith(".pem") or item not in ended.err, "a value is told"
    assert forked.run("check", cwd=folder, environ=environ) == ended


def test_a_secret_on_the_command_line_or_in_a_repository_is_refused(
    forked: Forked, authority: Authority, tmp_path: Path
) -> None:
    """R73: flags show in process lists, ``jitterbug.toml`` in repositories."""
    secret = root_pair("root_two")[1]
    environ = changed(authority, {"HMAC_SECRET": None})
    ended = forked.run("serve", "--set", f"HMAC_SECRET={secret}", cwd=tmp_path, environ=environ)
    (tmp_path / "jitterbug.toml").write_text(f'HMAC_SECRET = "{secret}"\n')
    by_file = forked.run("serve", cwd=tmp_path, environ=environ)
    for item in (ended, by_file):
        assert item.status == 78
        assert "HMAC_SECRET" in item.err
        assert secret not in item.err


def test_a_broken_env_file_is_told_without_its_text(forked: Forked, authority: Authority, tmp_path: Path) -> None:
    """R73: the line's number is enough."""
    secret = root_pair("root_two")[1]
    (tmp_path / ".env").write_text(f"# mine\nHMAC_SECRET='{secret}\n")
    ended = forked.run("serve", cwd=tmp_path, environ=changed(authority, {"HMAC_SECRET": None}))
    assert ended.status == 78
    assert ".env" in ended.err
    assert secret not in ended.err


def test_a_taken_port_is_told_in_one_line_with_status_1(
    forked: Forked, authority: Authority, tmp_path: Path, taken: str
) -> None:
    environ = {**changed(authority, {}), "JITTERBUG_BIND": taken}
    ended = forked.run("serve", cwd=tmp_path, environ=environ)
    assert (ended.status, ended.out) == (1, "")
    assert "jitterbug: JB_LISTEN: " in ended.err
    assert "Traceback" not in ended.err


def test_log_lines_have_two_forms(forked: Forked, authority: Authority, tmp_path: Path) -> None:
    ended = forked.run("serve", "--log", "xml", cwd=tmp_path, environ=changed(authority, {}))
    assert (ended.status, ended.out) == (2, "")
    assert "--log takes text or json" in ended.err


def test_a_process_of_its_own_ends_with_78(jitterbug: Run) -> None:
    """R20: nothing set at all, as a user would start it."""
    result = jitterbug("serve")
    assert (result.returncode, result.stdout) == (78, "")
    assert result.stderr.startswith("jitterbug: JB_SETTING: HMAC_KEY_ID: is missing. Make one with: jitterbug keys new")
