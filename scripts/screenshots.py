"""Write docs/images/live-page-*.png: the live page of a real hub in real Chromium, with some frames tampered with."""

import subprocess
import sys
from pathlib import Path
from typing import Literal

from playwright.sync_api import Browser, sync_playwright

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from tests.browser.conftest import ARGUMENTS, chromium_path, clean_environment, open_live, running_hub

IMAGES = Path(__file__).resolve().parent.parent / "docs" / "images"
ORDERS = [
    '{"order":41,"status":"paid"}',
    '{"order":41,"status":"packed"}',
    '{"order":42,"status":"paid"}',
    '{"order":41,"status":"shipped","carrier":"bike"}',
    '{"order":43,"status":"paid"}',
    '{"order":42,"status":"packed"}',
]
Scheme = Literal["light", "dark"]


def shoot(browser: Browser, url: str, scheme: Scheme, size: tuple[int, int], name: str) -> None:
    """Take one picture: a few frames verified, then one bit flipped now and then."""
    width, height = size
    context = browser.new_context(
        viewport={"width": width, "height": height}, color_scheme=scheme, device_scale_factor=2 if width < 500 else 1
    )
    page = context.new_page()
    open_live(page, url)
    command = [sys.executable, "-m", "jitterbug", "publish", "orders", "-", "--url", url]
    page.fill("#channel-name", "orders")
    page.click("#channel-form button")
    page.wait_for_timeout(4_500)
    with subprocess.Popen(command, env=clean_environment(), stdin=subprocess.PIPE, text=True) as feed:
        assert feed.stdin is not None
        for number, order in enumerate(ORDERS):
            if number == len(ORDERS) - 2:
                page.select_option("#tamper", "flip")
            feed.stdin.write(order + "\n")
            feed.stdin.flush()
            page.wait_for_timeout(400)
        page.wait_for_selector('#river li[data-verdict="refused"]')
        page.wait_for_timeout(2_500)
    page.evaluate("() => document.activeElement.blur()")
    page.screenshot(path=IMAGES / f"{name}.png")
    print(f"docs/images/{name}.png")
    context.close()


def main() -> int:
    """Take them all."""
    IMAGES.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright, running_hub(PROFILE="realtime") as url:
        browser = playwright.chromium.launch(executable_path=chromium_path(), args=ARGUMENTS)
        shoot(browser, url, "light", (1280, 800), "live-page-light")
        shoot(browser, url, "dark", (1280, 800), "live-page-dark")
        shoot(browser, url, "light", (390, 844), "live-page-phone-light")
        shoot(browser, url, "dark", (390, 844), "live-page-phone-dark")
        browser.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
