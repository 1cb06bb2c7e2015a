"""A real hub in a process of its own, and a real Chromium that shows its live page."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

CONSOLE = Path(__file__).resolve().parents[2] / "src" / "jitterbug" / "console"
BROWSERS = (os.environ.get("JITTERBUG_TEST_CHROMIUM", ""), "chromium", "chromium-browser", "google-chrome")
# The flags beside --no-sandbox keep the browser from looking for hosts of its maker at every start.
ARGUMENTS = [
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-quic",
    "--disable-sync",
    "--no-first-run",
    *(["--no-sandbox"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []),
]


def chromium_path() -> str | None:
    """Where the browser is; None = nowhere."""
    return next((found for name in BROWSERS if name and (found := shutil.which(name))), None)


@contextmanager
def running_hub(bind: str = "127.0.0.1:0", **settings: str) -> Iterator[str]:
    """Start ``jitterbug dev``; give its URL.

    Args:
        bind: Where it listens; a free port unless one is named.
        settings: Environment names without their prefix, such as ``KEY_TTL_S="6"``.
    """
    command = [
        sys.executable,
        "-m",
        "jitterbug",
        "dev",
        "--json",
        "--bind",
        bind,
        "--admin-bind",
        "127.0.0.1:0",
    ]
    with subprocess.Popen(command, env=clean_environment(**settings), stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield json.loads(process.stdout.readline())["url"]
        finally:
            process.terminate()
            assert process.wait(timeout=15) == 0, "the hub did not stop in order"


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    """Chromium, for the tests of this folder: beyond it, Playwright's own loop would still count as running."""
    path = chromium_path()
    if path is None:
        pytest.fail("No Chromium found. Run `make browser`, or set JITTERBUG_TEST_CHROMIUM.")
    if not (CONSOLE / "main.js").is_file():
        pytest.fail("The live page is not built. Run `make setup`.")
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=path, args=ARGUMENTS)
        yield chromium
        chromium.close()


@pytest.fixture(scope="package")
def hub_url() -> Iterator[str]:
    """A development hub with room for everything the tests publish."""
    with running_hub(PROFILE="realtime") as url:
        yield url


class Complaints(list[str]):
    """What the browser complained about, and every request that left the hub's origin."""

    def watch(self, context: BrowserContext, origin: str) -> None:
        context.on("console", lambda line: self.append(line.text) if line.type == "error" else None)
        context.on("weberror", lambda error: self.append(str(error.error)))
        context.on("request", lambda request: None if request.url.startswith(origin) else self.append(request.url))


@pytest.fixture
def complaints() -> Complaints:
    """Must be empty at the end of a test that asks for ``page``, but for what the test expects."""
    return Complaints()


@pytest.fixture
def page(browser: Browser, hub_url: str, complaints: Complaints) -> Iterator[Page]:
    """The live page of ``hub_url``, live."""
    context = browser.new_context(viewport={"width": 1280, "height": 800})
    complaints.watch(context, hub_url)
    page = context.new_page()
    open_live(page, hub_url)
    yield page
    context.close()


def open_live(page: Page, url: str) -> None:
    """Open the live page and wait until its stream is live."""
    page.goto(url)
    page.wait_for_selector("#stream-state[data-state=live]", state="attached", timeout=15_000)


@pytest.fixture
def feed(hub_url: str) -> Iterator[Callable[[str], None]]:
    """Publishes lines on ``demo`` from outside the browser, so that what the page goes through cannot stop it."""
    command = [sys.executable, "-m", "jitterbug", "publish", "demo", "-", "--url", hub_url]
    with subprocess.Popen(command, env=clean_environment(), stdin=subprocess.PIPE, text=True) as process:
        pipe = process.stdin
        assert pipe is not None

        def send(line: str) -> None:
            pipe.write(line + "\n")
            pipe.flush()

        yield send
        pipe.close()
        assert process.wait(timeout=20) == 0, "a line was refused"


def clean_environment(**settings: str) -> dict[str, str]:
    """The environment without anybody's settings of Jitterbug, and with these."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("JITTERBUG_", "HMAC_"))}
    return kept | {f"JITTERBUG_{name}": value for name, value in settings.items()}


def publish(page: Page, text: str, channel: str = "demo") -> None:
    """Publish through the page's own form."""
    page.fill("#publish-channel", channel)
    page.fill("#publish-data", text)
    page.click("#publish-form button[type=submit]")


def row(verdict: str, text: str) -> str:
    """Selector of a row of the river."""
    return f'#river li[data-verdict="{verdict}"]:has-text("{text}")'
