"""Who comes and goes, told to pages in real Chromium: by a stream of their own, and by one that tabs share."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page
from starlette.requests import Request

from jitterbug.hub.sessions import Session
from tests.browser.origin import BASE, Origin, origin

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(60)]

ROOM = "room/1"
CONNECT = """async ([base, file, name, options]) => {
  const client = await import(`/client/${file}.js`);
  window.here = [];
  window.kinds = [];
  const push = (window.push = await client[name](base, { channels: { "room/1": null }, ...options }));
  push.on("presence", ({ kind, members }) => { window.kinds.push(kind); window.here = members; });
}"""
KINDS = {
    "connect": ["index", "connect", {}],
    "locks": ["tabs", "connectShared", {}],
    "worker": ["tabs", "connectShared", {"worker": "/client/worker.js"}],
}


def by_cookie(request: Request) -> Session | None:
    who = request.cookies.get("who")
    return Session(f"session-of-{who}-0123456789abcdef", subject=who) if who else None


@pytest.fixture
def place() -> Iterator[Origin]:
    with origin(presence=("room/*",), session=by_cookie, authorize=lambda *_: True) as running:
        yield running


def visit(browser: Browser, place: Origin, who: str, kind: str, pages: int) -> list[Page]:
    context = browser.new_context()
    context.add_cookies([{"name": "who", "value": who, "url": place.url}])
    opened = [context.new_page() for _ in range(pages)]
    for page in opened:
        page.goto(f"{place.url}/page")
        page.evaluate(CONNECT, [BASE, *KINDS[kind]])
    return opened


def wait_for_members(page: Page, *members: str) -> None:
    page.wait_for_function("who => window.here.join() === who", arg=",".join(members), timeout=20_000)


@pytest.mark.parametrize("kind", KINDS)
def test_pages_are_told_who_is_there(browser: Browser, place: Origin, kind: str) -> None:
    """Each tab, whoever holds the stream; one that goes is told after the grace; what is not read shows nobody."""
    adas = visit(browser, place, "ada", kind, 2)
    bobs = visit(browser, place, "bob", kind, 1)
    for page in (*adas, *bobs):
        wait_for_members(page, "ada", "bob")
    assert place.server.do(place.server.push.presence, ROOM) == ["ada", "bob"]
    bobs[0].context.close()
    for page in adas:
        wait_for_members(page, "ada")
        assert page.evaluate("window.kinds").count("leave") == 1
    adas[0].context.close()
