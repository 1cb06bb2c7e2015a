"""The live page in real Chromium: what it verifies, what it refuses, and what it leaves behind."""

import subprocess
import sys
import time
from collections.abc import Callable

import pytest
from playwright.sync_api import Browser, Page

from tests.browser.conftest import Complaints, clean_environment, open_live, publish, row, running_hub

pytestmark = [pytest.mark.browser, pytest.mark.slow]

STORAGE = """async () => ({
  local: localStorage.length, session: sessionStorage.length, cookie: document.cookie,
  databases: (await indexedDB.databases()).length, caches: (await caches.keys()).length,
  workers: (await navigator.serviceWorker.getRegistrations()).length,
})"""
EMPTY = {"local": 0, "session": 0, "cookie": "", "databases": 0, "caches": 0, "workers": 0}


def count(page: Page, name: str) -> int:
    return int(page.inner_text(f"#count-{name}"))


def delivered(page: Page, text: str) -> int:
    """Wait for the row of a publication that the client took, and count such rows.

    A verified frame behind a hole is shown as well; that one is asked for again, and has not been delivered.
    """
    rows = f'{row("verified", text)}:not(:has-text("After a hole, asked again"))'
    page.wait_for_selector(rows, state="attached", timeout=30_000)
    return page.locator(rows).count()


def test_what_is_published_appears_verified(page: Page, complaints: Complaints) -> None:
    """A publication arrives, WebCrypto verifies it, nothing is refused, the CSP is not violated (R1, R77)."""
    publish(page, '{"hello":"seal"}')

    page.wait_for_selector(row("verified", "seal"))
    assert count(page, "verified") > 0
    assert count(page, "refused") == 0
    assert complaints == []


def test_lines_piped_into_publish_appear_verified_at_once(
    page: Page, hub_url: str, record_property: Callable[[str, object], None]
) -> None:
    """``journalctl -f | jitterbug publish logs -``: a line written to the pipe is seen verified in the page."""
    command = [sys.executable, "-m", "jitterbug", "publish", "logs", "-", "--url", hub_url]
    page.evaluate("""() => {
      window.seenAt = {};
      new MutationObserver(() => {
        const row = document.querySelector('#river li[data-verdict=verified][data-channel=logs]');
        const found = row && /pipe-line-\\d+/.exec(row.textContent);
        if (found && !(found[0] in window.seenAt)) window.seenAt[found[0]] = Date.now();
      }).observe(document.getElementById('river'), { childList: true });
    }""")
    delays_ms = []
    with subprocess.Popen(command, stdin=subprocess.PIPE, text=True, env=clean_environment()) as process:
        assert process.stdin is not None
        for number in range(12):
            line = f"pipe-line-{number}"
            written_ms = time.time() * 1_000
            process.stdin.write(f"Nov 24 12:00:00 host app[1]: {line}\n")
            process.stdin.flush()
            page.wait_for_function(f"() => window.seenAt['{line}']", timeout=10_000)
            delays_ms.append(page.evaluate(f"() => window.seenAt['{line}']") - written_ms)
        process.stdin.close()
        assert process.wait(timeout=10) == 0
    # The first line waits for the command to start; a busy machine may hold up one of the others.
    usual_ms = sorted(delays_ms[1:])[len(delays_ms) // 2]
    record_property("median_ms", round(usual_ms))
    record_property("worst_ms", round(max(delays_ms[1:])))
    assert usual_ms < 100


@pytest.mark.parametrize(
    ("choice", "reason"), [("flip", "signature"), ("replay", "replay"), ("delay", "stale"), ("reorder", "order")]
)
def test_tampering_is_refused_and_nothing_is_lost(
    page: Page, feed: Callable[[str], None], choice: str, reason: str
) -> None:
    """Each kind of tampering shows as its refusal; afterwards everything published has arrived verified (R14-R16)."""
    page.select_option("#tamper", choice)
    for number in range(60):
        feed(f"{choice}-{number:02}")
        if page.query_selector(f'#river li[data-verdict="refused"][data-reason="{reason}"]'):
            break
        page.wait_for_timeout(120)
    page.wait_for_selector(f'#river li[data-verdict="refused"][data-reason="{reason}"]', timeout=20_000)
    page.select_option("#tamper", "off")

    page.wait_for_selector("#stream-state[data-state=live]", state="attached", timeout=20_000)
    feed(f"{choice}-last")
    page.wait_for_selector(row("verified", f"{choice}-last"), timeout=20_000)
    for sent in range(number + 1):
        assert delivered(page, f"{choice}-{sent:02}") == 1
    assert count(page, "refused") >= 1


def test_dropped_frames_are_noticed_and_recovered(page: Page, feed: Callable[[str], None]) -> None:
    """A frame that is cut out leaves a hole in ``seq``: the page resumes and gets it from history (O-case 2.6)."""
    page.select_option("#tamper", "drop")
    for number in range(15):
        feed(f"drop-{number:02}")
        page.wait_for_timeout(120)
    page.select_option("#tamper", "off")
    feed("drop-last")

    for name in [*(f"{number:02}" for number in range(15)), "last"]:
        assert delivered(page, f"drop-{name}") == 1


def test_keys_rotate_without_losing_a_frame(browser: Browser) -> None:
    """With keys of six seconds the page rotates twice; each number published shows once, verified (R2, R50)."""
    with running_hub(PROFILE="realtime", KEY_TTL_S="6", KEYS_PER_MINUTE="60") as url:
        context = browser.new_context()
        page = context.new_page()
        open_live(page, url)
        first_kid = page.get_attribute("#key-ring", "data-kid")
        number = 0
        deadline = time.monotonic() + 30
        while int(page.get_attribute("#key-ring", "data-rotations") or 0) < 2:
            assert time.monotonic() < deadline, "no two rotations in 30 s"
            publish(page, f'"turn-{number:03}"')
            number += 1
            page.wait_for_timeout(150)
        publish(page, '"turn-end"')
        page.wait_for_selector(row("verified", "turn-end"))

        assert page.get_attribute("#key-ring", "data-kid") != first_kid
        assert count(page, "refused") == 0
        assert count(page, "gaps") == 0
        for turn in range(number):
            assert len(page.query_selector_all(row("verified", f"turn-{turn:03}"))) == 1
        context.close()


def test_the_browser_keeps_nothing(page: Page) -> None:
    """No storage of the browser holds anything after a session, and the cookie is not for scripts (R3, R48)."""
    publish(page, '"trace"')
    page.wait_for_selector(row("verified", "trace"))

    assert page.evaluate(STORAGE) == EMPTY


def test_what_is_typed_is_measured_against_the_limit_of_the_hub(browser: Browser) -> None:
    """As soon as the page is live, before anything is typed: a limit of its own guess would forbid what is allowed."""
    with running_hub(MAX_FRAME_BYTES="5000") as url:
        context = browser.new_context()
        page = context.new_page()
        open_live(page, url)
        assert page.inner_text("#publish-size").endswith(" of 5000 bytes")
        page.fill("#publish-data", "x" * 5_000)
        assert page.inner_text("#publish-size") == "over 5000 bytes: will be refused"
        context.close()


def test_a_lost_hub_is_shown_and_found_again(browser: Browser) -> None:
    """When the hub goes the page says so and counts down; it is live again with the next one, and not before."""
    context = browser.new_context()
    page = context.new_page()
    with running_hub(DRAIN_S="0") as url:
        open_live(page, url)
        publish(page, '"before"')
        page.wait_for_selector(row("verified", "before"))
    page.wait_for_selector("#stream-state[data-state=reconnecting]", state="attached", timeout=10_000)
    page.wait_for_timeout(1_500)
    assert page.get_attribute("#stream-state", "data-state") == "reconnecting"

    with running_hub(bind=url.rstrip("/").removeprefix("http://"), DRAIN_S="0"):
        page.wait_for_selector("#stream-state[data-state=live]", state="attached", timeout=30_000)
        publish(page, '"after"')
        page.wait_for_selector(row("verified", "after"))
        assert delivered(page, "before") == 1
        assert count(page, "refused") == 0
        context.close()


@pytest.mark.parametrize("width", [390, 768, 1280])
def test_nothing_is_wider_than_the_screen(browser: Browser, hub_url: str, width: int) -> None:
    """A phone, a tablet, a laptop: no sideways scrolling, long data included."""
    context = browser.new_context(viewport={"width": width, "height": 800})
    page = context.new_page()
    open_live(page, hub_url)
    publish(page, '"' + "wide" * 100 + '"')
    page.wait_for_selector(row("verified", "widewide"))

    assert page.evaluate("() => document.documentElement.scrollWidth <= document.documentElement.clientWidth")
    context.close()


def test_the_page_works_with_the_keyboard_alone(page: Page) -> None:
    """Tab reaches the tamper switch, the publish form and the frames; Enter opens an envelope, Escape closes it."""
    publish(page, '"keys only"')
    page.wait_for_selector(row("verified", "keys only"))
    reached: set[str] = set()
    page.evaluate("() => document.activeElement.blur()")
    for _ in range(40):
        page.keyboard.press("Tab")
        reached.add(page.evaluate("() => document.activeElement.closest('[id]')?.id ?? ''"))
    assert {"tamper", "publish-data", "publish-channel", "channel-name", "theme"} <= reached

    page.focus('#river .row-face[tabindex="0"]')
    page.keyboard.press("Enter")
    page.wait_for_selector("#envelope[open]")
    page.keyboard.press("Escape")
    page.wait_for_selector("#envelope:not([open])", state="attached")
