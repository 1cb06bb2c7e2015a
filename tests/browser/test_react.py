"""The React hooks with the real React in real Chromium, in strict mode, which mounts everything twice."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page

from tests.browser.origin import BASE, Origin, origin
from tests.server.serving import until

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(90)]

JS = Path(__file__).resolve().parents[2] / "js"
APP = "test/support/react-app.mjs"
SHOW = """async ([source, base]) => {
  const url = URL.createObjectURL(new Blob([source], { type: "text/javascript" }));
  const { mount, onServer } = await import(url);
  const { connect } = await import("/client/index.js");
  window.server = onServer();
  window.app = mount();
  window.app.show({ push: null, channel: "numbers" });
  window.before = document.body.innerText;
  window.push = await connect(base);
  window.app.show({ push: window.push, channel: "numbers" });
}"""


@pytest.fixture(scope="module")
def bundle() -> str:
    """The application with React and the hooks' source in it."""
    command = [
        "node_modules/.bin/esbuild",
        APP,
        "--bundle",
        "--format=esm",
        '--define:process.env.NODE_ENV="development"',
    ]
    return subprocess.run(command, cwd=JS, check=True, capture_output=True, text=True).stdout


@pytest.fixture
def place() -> Iterator[Origin]:
    with origin() as running:
        yield running


@pytest.fixture
def page(browser: Browser, place: Origin, bundle: str) -> Iterator[Page]:
    """The application is shown, its channel subscribed. Nothing may be complained about."""
    with browser.new_context() as context:
        page = context.new_page()
        complaints: list[str] = []
        page.on("console", lambda line: complaints.append(line.text) if line.type == "error" else None)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.goto(f"{place.url}/app")
        page.evaluate(SHOW, [bundle, BASE])
        until(lambda: place.channels == {"numbers"})
        yield page
        # The first key is asked for without a session: Chromium reports any 401.
        assert [text for text in complaints if "401" not in text] == []


def expect_shown(page: Page, name: str, text: str) -> None:
    page.wait_for_function("([name, text]) => document.getElementById(name)?.innerText === text", arg=[name, text])


def test_the_latest_publication_is_shown(page: Page, place: Origin) -> None:
    """Before a client there is nothing and no fault, on a server neither; then the newest of many."""
    assert page.evaluate("window.before").split() == ["connecting", "null"]
    assert 'id="one">null<' in page.evaluate("window.server")
    expect_shown(page, "status", "live")
    place.publish("numbers", *range(50))
    expect_shown(page, "one", "49")
    assert page.evaluate("window.push.stats.reconnects") == 0


def test_two_components_share_a_subscription_which_goes_with_the_last(page: Page, place: Origin) -> None:
    page.evaluate("window.app.show({ push: window.push, channel: 'numbers', twice: true })")
    place.publish("numbers", 1)
    expect_shown(page, "one", "1")
    expect_shown(page, "two", "1")
    page.evaluate("window.app.show({ push: window.push, channel: 'numbers' })")
    place.publish("numbers", 2)
    expect_shown(page, "one", "2")
    page.evaluate("window.app.unmount()")
    until(lambda: place.channels == set())


def test_another_channel_takes_the_place_of_the_first(page: Page, place: Origin) -> None:
    """What the old channel brought is not shown as the new one's."""
    place.publish("numbers", 1)
    expect_shown(page, "one", "1")
    page.evaluate("window.app.show({ push: window.push, channel: 'letters' })")
    expect_shown(page, "one", "null")
    until(lambda: place.channels == {"letters"})
    place.publish("letters", "a")
    expect_shown(page, "one", '"a"')


def test_the_state_of_the_stream_is_shown(page: Page) -> None:
    expect_shown(page, "status", "live")
    page.evaluate("window.push.close()")
    expect_shown(page, "status", "closed")
