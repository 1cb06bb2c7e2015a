"""``jitterbug check`` says whether ``serve`` would start; the refusals are in test_serve (PROTOCOL §9)."""

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.forked import Forked
from tests.server.production import TOKEN_KEY, Authority, good_settings


@pytest.fixture(scope="module")
def forked() -> Iterator[Forked]:
    with Forked() as parent:
        yield parent


@pytest.fixture(scope="module")
def environ(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    return {**good_settings(), **Authority(tmp_path_factory.mktemp("authority")).settings()}


def test_good_settings_hold(forked: Forked, tmp_path: Path, environ: dict[str, str]) -> None:
    """Nothing is started: an address that somebody else listens on does not matter. Advice is not a failure."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        bind = f"127.0.0.1:{listener.getsockname()[1]}"
        ended = forked.run("check", "--bind", bind, cwd=tmp_path, environ=environ)
    assert (ended.status, ended.err) == (0, "")
    assert ended.out.startswith("The settings hold.\n")
    assert "JITTERBUG_AUDIT_FILE" in ended.out
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_advised_where_the_audit_trail_is_on(
    forked: Forked, tmp_path: Path, environ: dict[str, str]
) -> None:
    """R83: and nothing is written either."""
    ended = forked.run("check", cwd=tmp_path, environ={**environ, "JITTERBUG_AUDIT_FILE": "audit.jsonl"})
    assert (ended.status, ended.out, ended.err) == (0, "The settings hold.\n", "")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("network", ["127.0.0.1", "10.0.0.0/8", "::1,fd00::/8", "0.0.0.0/1"])
def test_listed_proxies_stand_in_for_certificates(
    forked: Forked, tmp_path: Path, environ: dict[str, str], network: str
) -> None:
    """R49: TLS may end in front of the hub."""
    kept = {name: text for name, text in environ.items() if "TLS" not in name}
    ended = forked.run("check", cwd=tmp_path, environ={**kept, "JITTERBUG_TRUSTED_PROXIES": network})
    assert (ended.status, ended.err) == (0, "")


def test_no_value_is_ever_printed(forked: Forked, tmp_path: Path, environ: dict[str, str]) -> None:
    """R73."""
    for arguments in (["check"], ["check", "--set", "TICK_MS=nonsense"], ["check", "--bogus"]):
        ended = forked.run(*arguments, cwd=tmp_path, environ=environ)
        assert environ["HMAC_SECRET"] not in ended.out + ended.err
        assert TOKEN_KEY not in ended.out + ended.err
        assert "nonsense" not in ended.err
