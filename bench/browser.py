"""How fast the project's client verifies in Chromium, all of it on one core, and whether the page waits."""

import shutil
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

from bench.browser_app import CLIENT
from bench.load import LoadError
from bench.peers.base import UnavailableError, free_port
from bench.processes import ServerProcess
from bench.publisher import Publisher, request

if TYPE_CHECKING:
    from playwright.sync_api import Page

FRAMES: Final = 18_000
"""The client remembers 20,000 nonces for ten seconds and refuses what is beyond them."""
_WARM_UP: Final = 2_000
_FORGOTTEN_AFTER_S: Final = 11
_SETTLE_S: Final = 0.5
_SAMPLED_EVERY_US: Final = 250
_IDLE: Final = "idle: bytes and verdicts are on their way"
PARTS: Final = {
    "(program)": "the browser: streams, promises, messages of its threads",
    "(garbage collector)": "garbage collection",
    "(idle)": _IDLE,
    "parse": "JSON.parse",
    "verify": "the call of crypto.subtle.verify",
}
"""Of the page's thread, by what V8's profiler calls them."""
_WITHIN_MS: Final = 30_000
_LOOK_MS: Final = 100
"""Looking whenever the page could be drawn anew would have the browser draw it, on the core that is measured."""
_ARGUMENTS: Final = ["--no-sandbox", "--disable-background-networking", "--disable-component-update", "--disable-sync"]


def chromium() -> str:
    """Where Chromium is. Raises UnavailableError."""
    found = next(
        (path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name))), None
    )
    if found is None or not CLIENT.exists():
        raise UnavailableError("Chromium or js/dist is missing: make setup browser")
    return found


def verified_per_s(frames: int = FRAMES) -> Mapping[str, float]:
    """Send frames as fast as the browser takes them.

    Returns:
        ``frames_per_s`` from the first to the last, ``longest_task_ms`` as its long-task observer saw it (0 = none of
        50 ms or more), ``refused``, and ``bare_per_s``: what WebCrypto alone verifies in that page, as many at once.
    """
    with _reading() as (page, port):
        _flood(page, port, frames)
        time.sleep(_SETTLE_S)
        seen = page.evaluate("() => ({ ...seen })")
        bare_per_s = page.evaluate(f"() => bare({frames})")
    if seen["count"] != frames:
        raise LoadError(f"the browser saw {seen['count']} of {frames} frames")
    return {
        "frames_per_s": frames / (seen["last"] - seen["first"]) * 1_000,
        "longest_task_ms": float(seen["longest"]),
        "refused": float(seen["refused"]),
        "bare_per_s": bare_per_s,
    }


def profile(frames: int = FRAMES) -> tuple[float, Mapping[str, float]]:
    """Where the page's thread spends a frame: microseconds of one, and the parts of it in per cent."""
    with _reading() as (page, port):
        session = page.context.new_cdp_session(page)
        session.send("Profiler.enable")
        session.send("Profiler.setSamplingInterval", {"interval": _SAMPLED_EVERY_US})
        session.send("Profiler.start")
        _flood(page, port, frames)
        taken = session.send("Profiler.stop")["profile"]
        seen = page.evaluate("() => ({ ...seen })")
    hits: defaultdict[str, float] = defaultdict(float)
    for node in taken["nodes"]:
        hits[_part_of(node["callFrame"])] += node.get("hitCount", 0)
    began_us, ended_us = taken["startTime"], taken["endTime"]
    flood_us = (seen["last"] - seen["first"]) * 1_000
    hits[_IDLE] -= sum(hits.values()) * (1 - flood_us / (ended_us - began_us))  # before the first and after the last
    whole = sum(hits.values())
    return flood_us / frames, {part: 100 * count / whole for part, count in hits.items()}


def _part_of(call: Mapping[str, str]) -> str:
    if call["url"]:
        return "the client"
    return PARTS.get(call["functionName"], "other built-in functions")


@contextmanager
def _reading() -> Iterator[tuple["Page", int]]:
    """A page that reads, its code compiled; and the hub's port."""
    from playwright.sync_api import sync_playwright  # noqa: PLC0415 - takes a second

    port = free_port()
    command = [
        sys.executable,
        "-m",
        "uvicorn",
        "--factory",
        "bench.browser_app:app",
        f"--port={port}",
        "--no-access-log",
    ]
    http = ["--http=jitterbug.server.uvicorn:PushProtocol", "--log-level=warning"]
    with tempfile.TemporaryDirectory() as folder, ServerProcess([*command, *http], cwd=Path(folder)) as process:
        process.wait_listening(port)
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=chromium(), args=_ARGUMENTS)
            try:
                page = browser.new_page()
                page.goto(f"http://127.0.0.1:{port}/")
                page.wait_for_function("() => window.push !== undefined")
                time.sleep(1)
                _flood(page, port, _WARM_UP)
                time.sleep(_FORGOTTEN_AFTER_S)
                yield page, port
            finally:
                browser.close()


def _flood(page: "Page", port: int, count: int) -> None:
    page.evaluate("() => { seen.count = 0; seen.longest = 0 }")
    publisher = Publisher(port)
    publisher.send(request(f"/flood?count={count}", b"", port=port))
    page.wait_for_function(f"() => seen.count >= {count}", timeout=_WITHIN_MS, polling=_LOOK_MS)
    publisher.close()
