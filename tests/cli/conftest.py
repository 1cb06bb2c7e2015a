"""The command line as a user has it: a process, real pipes."""

import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.client.conftest import hub_url, start_hub
from tests.client.hub_process import clean_environment

__all__ = ["hub_url", "start_hub"]

WITHIN_S = 60.0
INTERRUPTIBLE = """
import runpy, signal
signal.signal(signal.SIGINT, signal.default_int_handler)
runpy.run_module("jitterbug", run_name="__main__", alter_sys=True)
"""
"""``python -m jitterbug``, which takes interrupts even where this run is in the background and so ignores them."""
Result = subprocess.CompletedProcess[str]
Run = Callable[..., Result]
Start = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def jitterbug(tmp_path: Path) -> Run:
    """Runs a command to its end: ``jitterbug("keys", "new", input="…", environ={…})``."""

    def run(*arguments: str, input: str = "", environ: Mapping[str, str] | None = None, **options: Any) -> Result:  # noqa: A002
        return subprocess.run(
            [sys.executable, "-m", "jitterbug", *arguments],
            input=input,
            capture_output=True,
            encoding="utf-8",
            timeout=WITHIN_S,
            cwd=tmp_path,
            env=clean_environment(**(environ or {})),
            check=False,
            **options,
        )

    return run


@pytest.fixture
def started(tmp_path: Path) -> Iterator[Start]:
    """Starts a command and leaves it running; what still runs is ended after the test."""
    processes: list[subprocess.Popen[str]] = []

    def start(*arguments: str, environ: Mapping[str, str] | None = None) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-c", INTERRUPTIBLE, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            encoding="utf-8",
            cwd=tmp_path,
            env=clean_environment(**(environ or {})),
        )
        processes.append(process)
        return process

    yield start
    for process in processes:
        process.kill()
        process.communicate()
