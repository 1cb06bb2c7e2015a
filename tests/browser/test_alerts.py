"""Alerts of a real hub on the live page in real Chromium: seen, said, readable on a small phone, and nothing moves."""

from collections.abc import Iterator
from http.client import HTTPConnection
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, BrowserContext, Page

from jitterbug.telemetry.alerts import AUTH_FAILURES_PER_MINUTE
from tests.browser.conftest import Complaints, open_live, publish, row, running_hub

pytestmark = [pytest.mark.browser, pytest.mark.slow]

KEPT = 20
BOXES = """() => ['path', 'river', 'publish-form'].map((id) => {
  const { x, y, width, height } = document.getElementById(id).getBoundingClientRect();
  return [x, y, width, height];
})"""
SUBJECTS = (
    """() => [...document.querySelectorAll('#alerts-list li')].map((item) => /127[.0-9]+/.exec(item.innerText)[0])"""
)
CUT_OFF = """() => [document.documentElement, ...document.querySelectorAll('#alerts-body, #alerts-body *')]
  .filter((element) => element.scrollWidth > element.clientWidth && getComputedStyle(element).display !== 'inline')
  .map((element) => element.outerHTML.slice(0, 200))"""


@pytest.fixture
def own_hub_url() -> Iterator[str]:
    """A hub for one test: a rule speaks once a minute for one address."""
    with running_hub(PROFILE="realtime") as url:
        yield url


@pytest.fixture
def context(browser: Browser, own_hub_url: str, complaints: Complaints) -> Iterator[BrowserContext]:
    context = browser.new_context(viewport={"width": 1280, "height": 800})
    complaints.watch(context, own_hub_url)
    yield context
    context.close()


@pytest.fixture
def page(context: BrowserContext, own_hub_url: str) -> Page:
    """The live page of ``own_hub_url``, live."""
    page = context.new_page()
    open_live(page, own_hub_url)
    return page


def fail_authentication(url: str, source: str = "127.0.0.1") -> None:
    """Ask for a stream without a session, once more than the hub takes quietly, from an address of this machine."""
    address = urlsplit(url)
    for _ in range(AUTH_FAILURES_PER_MINUTE + 1):
        connection = HTTPConnection(address.hostname or "", address.port, timeout=10, source_address=(source, 0))
        connection.request("GET", "/api/jitterbug/stream?ch=demo")
        assert connection.getresponse().status == 401
        connection.close()


def test_an_alert_is_seen_and_said_and_moves_nothing(page: Page, own_hub_url: str, complaints: Complaints) -> None:
    """Eleven failed authentications: within ten seconds one new alert, and every part of the page where it was."""
    assert page.get_attribute("#alerts", "data-count") == "0"
    assert "None since this page was opened" in page.inner_text("#alerts summary")
    before = page.evaluate(BOXES)

    fail_authentication(own_hub_url)

    page.wait_for_selector('#alerts[data-count="1"][data-unseen="1"]', timeout=10_000)
    assert "Many requests without a session" in page.inner_text("#alerts summary")
    assert page.evaluate(BOXES) == before
    page.wait_for_selector('#announcer:has-text("Many requests without a session, 11 requests")', state="attached")
    assert complaints == []


def test_an_alert_says_what_when_how_many_and_what_to_do(page: Page, own_hub_url: str) -> None:
    """The keyboard opens the list; looked at, the alert is no longer new."""
    fail_authentication(own_hub_url)
    page.wait_for_selector('#alerts[data-unseen="1"]', timeout=10_000)
    page.focus("#alerts summary")
    page.keyboard.press("Enter")

    page.wait_for_selector('#alerts[open][data-unseen="0"]')
    words = page.inner_text("#alerts-list li")
    assert "11 requests" in words
    assert "from 127.0.0.1" in words
    assert "More than 10 requests without a valid session within a minute from one address." in words
    assert "Block it, or look whether a client has lost its login." in words
    assert page.get_attribute("#alerts-list time", "datetime")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [320, 1280])
def test_the_words_of_an_alert_fit(page: Page, own_hub_url: str, width: int, scheme: str) -> None:
    """On the smallest phone and on a laptop no text of an alert is cut off, and the page does not scroll sideways."""
    page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
    page.set_viewport_size({"width": width, "height": 640})
    fail_authentication(own_hub_url)
    page.wait_for_selector('#alerts[data-count="1"]', timeout=10_000)
    page.click("#alerts summary")
    page.wait_for_selector("#alerts-list li")

    assert page.evaluate(CUT_OFF) == []


def test_an_alert_out_of_the_history_is_not_called_new(page: Page, context: BrowserContext, own_hub_url: str) -> None:
    """One raised while the page was cut off joins the list after the resume, but is neither new nor said aloud."""
    # Offline, the browser opens nothing new but leaves an open stream alone: a frame taken out makes the page leave it.
    context.set_offline(True)
    page.select_option("#tamper", "drop")
    page.wait_for_selector("#stream-state[data-state=reconnecting]", state="attached", timeout=30_000)
    page.select_option("#tamper", "off")
    fail_authentication(own_hub_url)
    context.set_offline(False)

    page.wait_for_selector('#alerts[data-count="1"]', timeout=30_000)
    assert page.get_attribute("#alerts", "data-unseen") == "0"
    # More than the second for which the page gathers alerts before it says them.
    page.wait_for_timeout(1_500)
    assert "Many requests" not in page.inner_text("#announcer")


def test_a_crowd_of_alerts_stays_bounded_and_newest_first(page: Page, own_hub_url: str) -> None:
    """One more than the page keeps, while the list is open: the first is gone, the last is on top, nothing moves."""
    page.click("#alerts summary")
    page.mouse.move(0, 0)
    before = page.evaluate(BOXES)
    try:
        for last in range(KEPT + 1):
            fail_authentication(own_hub_url, f"127.0.1.{last + 1}")
    except OSError:
        pytest.skip("This machine has no loopback address but 127.0.0.1")
    publish(page, '"after the crowd"')
    page.wait_for_selector(row("verified", "after the crowd"))
    page.wait_for_selector(f'#alerts-list li:first-child:has-text("127.0.1.{KEPT + 1}")', timeout=10_000)

    subjects = page.evaluate(SUBJECTS)
    assert subjects == [f"127.0.1.{number}" for number in range(KEPT + 1, 1, -1)]
    assert page.evaluate(BOXES)[0] == before[0]
