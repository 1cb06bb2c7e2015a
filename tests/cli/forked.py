"""Commands run to their end in processes of their own, without the second or more that importing takes each time."""

import json
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from tests.client.hub_process import clean_environment

_PARENT = """
import contextlib, gc, io, json, os, signal, sys, tempfile
import jitterbug.cli.logs, jitterbug.server.rules, jitterbug.server.run
from jitterbug.__main__ import main

# What is imported or made at first use is so before the first fork; nothing of it survives in a command's result.
sys.argv[1:] = ["check"]
with contextlib.redirect_stderr(io.StringIO()):
    main()
gc.collect()
gc.freeze()

def child(case, out, err):
    signal.alarm(20)
    os.dup2(out.fileno(), 1)
    os.dup2(err.fileno(), 2)
    os.environ.clear()
    os.environ.update(case["environ"])
    os.chdir(case["cwd"])
    sys.argv[1:] = case["arguments"]
    try:
        status = main()
    except SystemExit as ended:
        status = ended.code if isinstance(ended.code, int) else 1
    except BaseException:
        sys.excepthook(*sys.exc_info())
        status = 1
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status or 0)

for line in sys.stdin:
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        pid = os.fork()
        if pid == 0:
            child(json.loads(line), out, err)
        status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        texts = []
        for file in (out, err):
            file.seek(0)
            texts.append(file.read().decode())
        print(json.dumps([status, *texts]), flush=True)
"""


@dataclass(frozen=True)
class Ended:
    """How a command ended."""

    status: int
    out: str
    err: str


class Forked:
    """One process that has imported everything; each command is a fork of it."""

    def __init__(self) -> None:
        self._parent = subprocess.Popen(
            [sys.executable, "-c", _PARENT],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            encoding="utf-8",
            env=clean_environment(),
        )

    def run(self, *arguments: str, cwd: Path, environ: Mapping[str, str]) -> Ended:
        """Run ``jitterbug`` with these arguments and settings."""
        assert self._parent.stdin is not None
        assert self._parent.stdout is not None
        case = {"arguments": arguments, "cwd": str(cwd), "environ": clean_environment(**environ)}
        self._parent.stdin.write(json.dumps(case) + "\n")
        self._parent.stdin.flush()
        return Ended(*json.loads(self._parent.stdout.readline()))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._parent.communicate()
