"""The log tells causes and nothing else: no value of a variable, and no line that a stranger wrote (R4, R48, R64)."""

import base64
import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.security.dev_hub import PATIENCE_S, DevHub
from tests.server.visitor import Visitor

FAIL = """
import logging, sys
from jitterbug.cli import logs
logs.set_up(as_json=sys.argv[1] == "json")
def handler(scope, secret):
    raise KeyError("cause")
try:
    handler({"headers": [(b"cookie", b"__Host-jitterbug=COOKIE-VALUE")]}, b"SECRET-VALUE")
except KeyError:
    logging.getLogger("jitterbug.server").exception("Request %s failed", "REQUEST-ID")
"""
FORGED = "FORGED the audit trail was verified"
HOSTILE = {
    "critical extension": {"alg": "HS256", "crit": [f"x\n{FORGED}"], f"x\n{FORGED}": 1},
    "algorithm": {"alg": f"HS256\n{FORGED}"},
    "key id": {"alg": "HS256", "kid": f"x\r\n{FORGED}"},
    "type": {"alg": "HS256", "typ": f"\x1b[2K\n{FORGED}"},
}


@pytest.mark.parametrize("form", ["text", "json"])
def test_a_traceback_shows_where_and_why_but_no_value_r4_r48(form: str, tmp_path: Path) -> None:
    """R64: a handler that fails holds cookies, keys and payloads in its variables."""
    done = subprocess.run(
        [sys.executable, "-c", FAIL, form], capture_output=True, check=True, timeout=PATIENCE_S, cwd=tmp_path
    )
    text = done.stderr.decode()

    for part in ("REQUEST-ID", "handler", "KeyError"):
        assert part in text
    for value in ("COOKIE-VALUE", "SECRET-VALUE"):
        assert value not in text


def unsigned(header: dict[str, object]) -> str:
    """A token by nobody."""
    parts = (base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode() for part in (header, {}))
    return ".".join((*parts, "AAAA"))


def test_a_stranger_writes_no_line_of_the_log_r64(tmp_path: Path) -> None:
    """CWE-117: what a token, a path, a host or a query says stays on the line of the refusal, escaped."""
    environ = {"JITTERBUG_JWT_KEY": "qP7vXr2LmW9tZc4Nf8sYh3Jd6bGk5RwTe1UaVoCx0i", "JITTERBUG_JWT_AUDIENCE": "hub"}
    with DevHub(tmp_path, environ=environ, logs_everything=True) as hub:
        with Visitor(hub) as stranger:  # type: ignore[arg-type]
            for header in HOSTILE.values():
                authorization = {"Authorization": f"Bearer {unsigned(header)}"}
                assert stranger.http.post("/session", headers=authorization).status_code == 401
            for path in (f"/x%0A{FORGED}", f"/keys?a=%0D%0A{FORGED}", f"/stream?kid=%0A{FORGED}&channel=a"):
                assert stranger.http.get(path.replace(" ", "%20")).status_code in {401, 404, 405}
        hub.stop()
        lines = hub.written()["stderr"].decode().splitlines()

    assert [line for line in lines if line.lstrip("\x1b[2K").startswith("FORGED")] == []
    assert sum("refused" in line for line in lines) >= len(HOSTILE)
