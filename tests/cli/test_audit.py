"""``jitterbug audit``: what an operator sees of a trail, whole or not (REQUIREMENTS §5.8)."""

import base64
import json
import os
import pty
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from jitterbug.cli.app import run as command_line
from jitterbug.telemetry.audit import seal_file
from tests.client.hub_process import clean_environment
from tests.telemetry.trails import KEY, chain, write

LINES, SEAL = chain(20)
Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def jitterbug(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs a command to its end, in this process: two dozen interpreters would take longer than all the rest."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str) -> "subprocess.CompletedProcess[str]":
        status = command_line(arguments)
        return subprocess.CompletedProcess(arguments, status, *capsys.readouterr())

    return run


@pytest.fixture
def trail(tmp_path: Path) -> Path:
    return write(tmp_path / "audit.jsonl", LINES, SEAL)


@pytest.fixture
def key_file(tmp_path: Path) -> str:
    file = tmp_path / "first.key"
    file.write_bytes(base64.b64encode(KEY) + b"\n")
    return str(file)


def test_a_whole_trail_is_said_to_be_whole(jitterbug: Run, trail: Path, key_file: str) -> None:
    for options in ([], ["--checkpoint", f"20:{SEAL.head}"], ["--key-file", key_file]):
        result = jitterbug("audit", "verify", "audit.jsonl", *options)
        assert result.returncode == 0
        assert result.stdout == f"Whole: 20 records. Checkpoint 20:{SEAL.head}\n"
        assert result.stderr == "", "no progress where there is no terminal"


def test_a_changed_record_is_named_by_its_line(jitterbug: Run, trail: Path) -> None:
    write(trail, [*LINES[:6], LINES[6].replace(b"failed", b"passed"), *LINES[7:]])
    result = jitterbug("audit", "verify", "audit.jsonl")

    assert (result.returncode, result.stdout) == (1, "")
    assert result.stderr.startswith("jitterbug: JB_AUDIT: Line 8 does not follow from the record before it")
    assert result.stderr.endswith("7 records before it are good.\n")
    assert result.stderr.count("\n") == 1


def test_json_says_the_same_to_machines(jitterbug: Run, trail: Path) -> None:
    whole = jitterbug("audit", "verify", "audit.jsonl", "--json")
    assert (whole.returncode, whole.stderr) == (0, "")
    size = trail.stat().st_size
    assert json.loads(whole.stdout) == {
        "whole": True, "fault": None, "records": 20, "head": SEAL.head, "line": None, "offset": size,
    }  # fmt: skip

    write(trail, LINES[:-1])
    cut = jitterbug("audit", "verify", "audit.jsonl", "--json")
    read = json.loads(cut.stdout)
    assert (cut.returncode, read["whole"], read["records"], read["line"]) == (1, False, 19, None)
    assert "cut off at the end" in read["fault"]


def test_a_cut_tail_is_found_by_the_checkpoint_alone(jitterbug: Run, trail: Path) -> None:
    write(trail, LINES[:-1])
    seal_file.path_beside(trail).unlink()

    assert jitterbug("audit", "verify", "audit.jsonl").returncode == 0
    result = jitterbug("audit", "verify", "audit.jsonl", "--checkpoint", f"20:{SEAL.head}")
    assert result.returncode == 1
    assert "ends before the checkpoint" in result.stderr


@pytest.mark.parametrize(
    "checkpoint", ["", "20", "20:abc", f"x:{'0' * 64}", f"²:{'0' * 64}", f"{'9' * 5_000}:{'0' * 64}"]
)
def test_what_is_no_checkpoint_is_wrong_usage(jitterbug: Run, trail: Path, checkpoint: str) -> None:
    result = jitterbug("audit", "verify", "audit.jsonl", "--checkpoint", checkpoint)
    assert result.returncode == 2
    assert "RECORDS:HEAD" in result.stderr
    assert "Traceback" not in result.stderr


def test_what_cannot_be_read_is_one_line(jitterbug: Run, trail: Path, tmp_path: Path) -> None:
    """No traceback, and nothing of what may be a key."""
    (tmp_path / "folder").mkdir()
    for file in ("missing.jsonl", "folder"):
        result = jitterbug("audit", "verify", file)
        assert result.returncode == 1
        assert f"{file} cannot be read (" in result.stderr
        assert result.stderr.count("\n") == 1
    seal_file.path_beside(trail).write_text('{"seq": 1, "head": "x", "key": "needle"')
    result = jitterbug("audit", "verify", "audit.jsonl")
    assert (result.returncode, result.stdout) == (1, "")
    assert "audit.jsonl.seal cannot be read" in result.stderr
    assert "needle" not in result.stderr
    assert "Traceback" not in result.stderr


def test_a_trail_that_was_begun_with_a_key_is_verified_with_it(jitterbug: Run, tmp_path: Path) -> None:
    """Nothing on the host holds the first key afterwards; a forgery with every hash made anew is found with it."""
    begun = jitterbug("audit", "init", "own.jsonl")
    key = base64.b64decode(begun.stdout)
    (tmp_path / "own.key").write_text(begun.stdout)
    assert (begun.returncode, len(key), begun.stderr) == (0, 32, "")
    assert jitterbug("audit", "init", "own.jsonl").returncode == 1

    trail = tmp_path / "own.jsonl"
    write(trail, *chain(5, key))
    assert jitterbug("audit", "verify", "own.jsonl", "--key-file", "own.key").returncode == 0
    assert begun.stdout.strip() not in seal_file.path_beside(trail).read_text()

    write(trail, *chain(5, bytes(32)))
    assert jitterbug("audit", "verify", "own.jsonl").returncode == 0
    forged = jitterbug("audit", "verify", "own.jsonl", "--key-file", "own.key")
    assert forged.returncode == 1
    assert "Line 1 has a wrong MAC" in forged.stderr


@pytest.mark.parametrize("text", [b"", b"AAAA", b"\xff\xff", b"A" * 44])
def test_what_is_no_key_is_refused_and_not_quoted(jitterbug: Run, trail: Path, tmp_path: Path, text: bytes) -> None:
    (tmp_path / "bad.key").write_bytes(text)
    result = jitterbug("audit", "verify", "audit.jsonl", "--key-file", "bad.key")
    assert (result.returncode, result.stdout) == (1, "")
    assert "bad.key holds no key" in result.stderr
    assert not text or text.decode("latin-1") not in result.stderr


def test_progress_is_shown_on_a_terminal_and_leaves_nothing_behind(tmp_path: Path) -> None:
    """50,000 records; standard output stays the result alone."""
    lines, seal = chain(50_000)
    write(tmp_path / "large.jsonl", lines, seal)
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "jitterbug", "audit", "verify", "large.jsonl"]
    environ = clean_environment(TERM="xterm")
    with subprocess.Popen(command, cwd=tmp_path, env=environ, stdout=subprocess.PIPE, stderr=theirs) as process:
        os.close(theirs)
        shown = b""
        while True:
            try:
                chunk = os.read(ours, 65_536)
            except OSError:  # Linux: the other end is closed
                break
            if not chunk:
                break
            shown += chunk
        assert process.stdout is not None
        output = process.stdout.read()
    os.close(ours)

    assert process.returncode == 0
    assert output == f"Whole: 50,000 records. Checkpoint 50000:{seal.head}\n".encode()
    assert b"verifying" in shown
    assert shown.rstrip().endswith(b"\x1b[2K"), "the bar is wiped"
