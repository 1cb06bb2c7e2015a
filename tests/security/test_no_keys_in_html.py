"""Pages hold no key, no session and no script of their own, whoever asks and whatever was issued before (R47, R4)."""

from collections.abc import Iterator
from html.parser import HTMLParser

import httpx2
import pytest

from jitterbug import Config, Jitterbug
from tests.security.needles import Needles
from tests.server import serving
from tests.server.serving import Running
from tests.server.visitor import Visitor

FILES = ["/", "/index.html", "/main.js", "/style.css", "/icon.svg", "/LICENSES.txt"]
HARMLESS = {"viewport", "description", "color-scheme", "theme-color"}


class Page(HTMLParser):
    """What is looked at in a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.metas: list[dict[str, str | None]] = []
        self.scripts: list[dict[str, str | None]] = []
        self.inline = ""
        self.hidden: list[dict[str, str | None]] = []
        self.handlers: list[str] = []
        self._in_script = False
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._in_script = tag == "script"
        self.handlers += [name for name, _ in attrs if name.startswith("on")]
        members = dict(attrs)
        if tag == "meta":
            self.metas.append(members)
        elif tag == "script":
            self.scripts.append(members)
        elif tag == "input" and members.get("type") == "hidden":
            self.hidden.append(members)

    def handle_data(self, data: str) -> None:
        self.inline += data.strip() if self._in_script else ""

    def handle_endtag(self, tag: str) -> None:
        self._in_script = self._in_script and tag != "script"


@pytest.fixture(scope="module")
def hub() -> Iterator[Running]:
    running = serving.start("transport", Jitterbug(config=Config(development=True, drain_s=0)))
    yield running
    running.stop()


def fetch_all(hub: Running, cookie: str = "") -> dict[str, httpx2.Response]:
    """Every file of the page."""
    headers = {"cookie": cookie} if cookie else {}
    with httpx2.Client(base_url=hub.url, headers=headers, trust_env=False, verify=False) as http:
        answers = {path: http.get(path) for path in FILES}
    if answers["/"].status_code == 503:
        pytest.skip("the live page is not built: make setup")
    return answers


def test_no_page_holds_a_key_or_a_session_r47_r4(hub: Running) -> None:
    """Searched before keys were given and after, by strangers and by those who hold them."""
    before = fetch_all(hub)
    with Visitor(hub) as visitor, Visitor(hub) as other:
        for each in (visitor, other):
            each.log_in()
        keys = [each.fetch_key() for each in (visitor, other, visitor)]
        assert visitor.post_stream(["a"]).conn
        needles = Needles()
        for number, key in enumerate(keys):
            needles.add_base64(f"secret {number}", key["secret"])
            needles.add_text(f"kid {number}", key["kid"])
        for each in (visitor, other):
            needles.add_text("session", each.cookie.partition("=")[2])
        pages = [before, fetch_all(hub), *(fetch_all(hub, each.cookie) for each in (visitor, other))]

    for answers in pages:
        for path, answer in answers.items():
            assert needles.found_in(answer.content) == [], path
    # The same bytes for everybody, so that there is nothing to look for.
    assert [{path: answer.content for path, answer in answers.items()} for answers in pages] == [
        {path: answer.content for path, answer in before.items()}
    ] * len(pages)


def test_meta_tags_say_nothing_of_keys_and_no_script_stands_in_a_page_r47(hub: Running) -> None:
    """Nothing is embedded: no script, no handler, no hidden field, no meta tag but what describes the page."""
    page = Page(fetch_all(hub)["/"].text)

    assert {meta.get("name") for meta in page.metas} - {None} <= HARMLESS
    assert [meta for meta in page.metas if "name" not in meta] == [{"charset": "utf-8"}]
    assert page.scripts
    assert all(script.get("src") for script in page.scripts)
    assert (page.inline, page.handlers, page.hidden) == ("", [], [])


def test_a_session_comes_as_a_cookie_alone_r47_r40(hub: Running) -> None:
    """The page hands out a development session by Set-Cookie, once, and no other file does."""
    answers = fetch_all(hub)
    cookie = answers["/"].headers["set-cookie"]

    assert [path for path, answer in answers.items() if "set-cookie" in answer.headers] == ["/"]
    assert {"HttpOnly", "SameSite=Strict", "Path=/"} <= set(cookie.split("; "))
