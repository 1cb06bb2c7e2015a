"""Going back to a page that the browser has kept (back/forward cache)."""

import time

from playwright.sync_api import Error, Page

PATIENCE_S = 10.0


def go_back(page: Page) -> None:
    """Go back. For a moment after a page was put away Playwright is attached to none, and says so: nothing was done."""
    deadline_s = time.monotonic() + PATIENCE_S
    while True:
        try:
            page.go_back(wait_until="commit", timeout=PATIENCE_S * 1_000)
        except Error as error:
            if "Not attached to an active page" not in str(error) or time.monotonic() > deadline_s:
                raise
            page.wait_for_timeout(20)
        else:
            return
