"""The example of the README runs as it stands, under the server its users have (R64 apart, all of it for real)."""

import asyncio
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

from jitterbug import connect
from jitterbug.client import UnauthorizedError

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"
PATIENCE_S = 20


@pytest.fixture
def process() -> Iterator[tuple[subprocess.Popen[str], str]]:
    """The example under plain uvicorn, as ``uvicorn fastapi_app:app`` starts it, and its address."""
    command = [sys.executable, "-m", "uvicorn", "fastapi_app:app", "--app-dir", str(EXAMPLES), "--port", "0"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as child:
        try:
            assert child.stderr is not None
            for line in child.stderr:
                if found := re.search(r"running on (http://127\.0\.0\.1:\d+)", line):
                    yield child, found[1]
                    break
        finally:
            child.kill()


def log_in(url: str, user: str) -> dict[str, str]:
    """The cookie of a user."""
    answer = httpx2.post(f"{url}/login/{user}", trust_env=False)
    assert answer.status_code == 200
    return dict(answer.cookies)


async def first_publication(url: str, user: str, cookies: dict[str, str]) -> tuple[str, object]:
    """Listen, ship an order, and wait for what the stream says about it."""
    async with connect(url, channels=[f"orders/{user}"], cookies=cookies, open_timeout_s=0) as stream:
        async with httpx2.AsyncClient(trust_env=False) as client:
            await client.post(f"{url}/orders/{user}/42/ship")
        async for publication in stream:
            return publication.channel, publication.data
    raise AssertionError("the stream ended")


def test_an_order_that_ships_is_seen_by_its_owner(process: tuple[subprocess.Popen[str], str]) -> None:
    """Login by the application's own cookie, a rule, a verified frame."""
    _, url = process
    cookies = log_in(url, "ada")

    found = asyncio.run(asyncio.wait_for(first_publication(url, "ada", cookies), PATIENCE_S))

    assert found == ("orders/ada", {"order": 42, "status": "shipped"})


def test_nobody_else_gets_in(process: tuple[subprocess.Popen[str], str]) -> None:
    """R37, R40: no login, a made-up one."""
    _, url = process
    for cookies in ({}, {"login": "made-up"}):
        answer = httpx2.post(f"{url}/api/jitterbug/keys", cookies=cookies, trust_env=False)
        assert (answer.status_code, answer.text) == (401, '{"error":"unauthorized"}')
    with pytest.raises(UnauthorizedError):
        asyncio.run(asyncio.wait_for(first_publication(url, "ada", {"login": "made-up"}), PATIENCE_S))


def test_ctrl_c_ends_it_with_a_stream_open(process: tuple[subprocess.Popen[str], str]) -> None:
    """PROTOCOL §5: open streams never block the end, under plain uvicorn either, and are told when to come back."""
    child, url = process
    with httpx2.Client(base_url=url, cookies=log_in(url, "ada"), trust_env=False) as client:
        kid = client.post("/api/jitterbug/keys").json()["kid"]
        with client.stream("GET", "/api/jitterbug/stream", params={"kid": kid, "channel": "orders/ada"}) as stream:
            lines = stream.iter_lines()
            while '"t":"subscribed"' not in next(lines):
                pass
            started_s = time.monotonic()
            child.send_signal(signal.SIGINT)
            rest = "".join(lines)

    assert '"reason":"shutdown"' in rest
    child.wait(PATIENCE_S)
    assert time.monotonic() - started_s < 5 + 2
