"""Pages that are put away, frozen and cut off, in real Chromium: each number arrives once and in order all the same."""

import json
from collections.abc import Iterator
from contextlib import closing

import pytest
from playwright.sync_api import Browser, BrowserContext, Page

from tests.browser.conftest import ARGUMENTS, chromium_path
from tests.browser.kept_page import go_back
from tests.browser.origin import BASE, Origin, origin, wait_for_count
from tests.browser.raw_tab import RawTab
from tests.server.serving import until

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(90)]

CHANNEL = "numbers"
TRANSPORTS = ["sse", "websocket"]
CONNECT = """async ([base, channel, transport]) => {
  Object.assign(window, { got: [], gaps: [], codes: [], refused: [], restored: [], kept: [] });
  addEventListener("pagehide", (event) => window.kept.push(event.persisted));
  addEventListener("pageshow", (event) => window.restored.push(event.persisted));
  const { connect } = await import("/client/index.js");
  const push = (window.push = await connect(base, { channels: { [channel]: null }, transport }));
  push.on("status", ({ state, code }) => window.codes.push(code ?? state));
  push.on("gap", ({ reason }) => window.gaps.push(reason));
  push.on("frame", ({ verdict, reason }) => verdict === "refused" && window.refused.push(reason));
  push.subscribe(channel, (number) => window.got.push(number));
}"""


@pytest.fixture
def place() -> Iterator[Origin]:
    with origin() as running:
        yield running


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    with browser.new_context() as made:
        yield made


def reader(context: BrowserContext, place: Origin, transport: str) -> Page:
    """A page that follows the numbers; the first ten are there."""
    page = context.new_page()
    page.goto(f"{place.url}/reader")
    page.evaluate(CONNECT, [BASE, CHANNEL, transport])
    page.wait_for_timeout(200)  # "from now on" starts when the hub has said so
    place.publish(CHANNEL, *range(10))
    wait_for_count(page, 10)
    return page


def expect_all(page: Page, place: Origin) -> None:
    """Every number once and in order; nothing refused, no gap."""
    wait_for_count(page, len(place.sent[CHANNEL]))
    assert page.evaluate("window.got") == place.sent[CHANNEL]
    assert page.evaluate("[window.gaps, window.refused]") == [[], []]


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_a_page_goes_to_the_back_forward_cache_and_misses_nothing_when_it_comes_back(
    browser: Browser, place: Origin, transport: str
) -> None:
    """Its wire is closed while it is away, or the browser would not keep it; shown again it resumes at once."""
    # A browser of its own, since Playwright turns the cache off.
    keeping = browser.browser_type.launch(
        executable_path=chromium_path(), args=ARGUMENTS, ignore_default_args=["--disable-back-forward-cache"]
    )
    with keeping, keeping.new_context() as context:
        page = reader(context, place, transport)
        for turn in range(3):
            page.goto(f"{place.url}/elsewhere?{turn}", wait_until="commit")
            until(lambda: place.streams == 0)
            place.publish(CHANNEL, *range(10 * (turn + 1), 10 * (turn + 2)))
            go_back(page)
            expect_all(page, place)
        assert page.evaluate("window.restored") == [True] * 3, "the page was loaded anew, not restored"
        assert page.evaluate("window.codes") == ["JB_PAUSED", "live"] * 3
        assert place.streams == 1


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_a_frozen_page_misses_nothing(browser: Browser, place: Origin, transport: str) -> None:
    """Page Lifecycle: hidden, then frozen with the hub publishing on, then active again."""
    with closing(RawTab(browser, f"{place.url}/reader")) as tab:
        tab.evaluate(f"({CONNECT})({json.dumps([BASE, CHANNEL, transport])})")
        tab.hide()
        for turn in range(3):
            place.publish(CHANNEL, *range(10 * turn, 10 * turn + 5))
            tab.until(f"window.got.length >= {10 * turn + 5}")
            tab.send("Page.setWebLifecycleState", state="frozen")
            if transport == "websocket":  # a frozen page's fetch is ended by the browser only when the page goes on
                until(lambda: place.streams == 0)
            place.publish(CHANNEL, *range(10 * turn + 5, 10 * turn + 10))
            tab.send("Page.setWebLifecycleState", state="active")
            tab.until(f"window.got.length >= {10 * turn + 10}")
        assert tab.evaluate("window.got") == place.sent[CHANNEL]
        assert tab.evaluate("[window.gaps, window.refused]") == [[], []]
        assert tab.evaluate("window.codes") == ["JB_PAUSED", "live"] * 3
        until(lambda: place.streams == 1)


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_a_page_without_a_network_misses_nothing(context: BrowserContext, place: Origin, transport: str) -> None:
    """What was open over the absence is not trusted; the network is tried at once when it is back."""
    page = reader(context, place, transport)
    for turn in range(2):
        context.set_offline(True)
        place.publish(CHANNEL, *range(10 * (turn + 1), 10 * (turn + 2)))
        page.wait_for_timeout(3_000)
        context.set_offline(False)
        page.wait_for_function("() => window.push.status.state === 'live'", timeout=3_000)
        expect_all(page, place)
    assert page.evaluate("window.push.stats.reconnects") >= 2
    until(lambda: place.streams == 1)
