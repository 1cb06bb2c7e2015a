"""The live page: three built files, an exact CSP, and nothing else from the disk (R3, R47, R77, PROTOCOL §3)."""

import re
from collections.abc import Callable, Iterator
from importlib import resources
from pathlib import Path

import httpx2
import pytest

from jitterbug import Jitterbug
from jitterbug.server import console
from tests.server import serving
from tests.server.answers import assert_base, assert_refused
from tests.server.conftest import development
from tests.server.serving import Running, ask
from tests.server.visitor import Visitor
from tests.server.wire import exchange, request

Visit = Callable[..., Visitor]
CSP = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"
)
BUILT = {
    "index.html": ("text/html; charset=utf-8", "<!doctype html><script type=module src=./main.js></script>"),
    "main.js": ("text/javascript; charset=utf-8", "export {};"),
    "style.css": ("text/css; charset=utf-8", "body{}"),
    "icon.svg": ("image/svg+xml", "<svg/>"),
}
UNBUILT = {"__init__.py": "secret = 1", "main.js.map": "{}", "deeper/inside.js": "1"}
TRAVERSAL = [
    "/../settings/secrets.py", "/..%2fsettings%2fsecrets.py", "/%2e%2e/%2e%2e/config.py", "/..\\config.py",
    "/./main.js", "//main.js", "/main.js/", "/main.js%00.css", "/__init__.py", "/main.js.map", "/deeper/inside.js",
    "/deeper", "/etc/passwd", "//etc/passwd", "/file:///etc/passwd", "/MAIN.JS", "/index.html/..",
    "/%252e%252e/config.py", "/;/main.js",
]  # fmt: skip


def serve(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Running:
    """A development hub whose page lies in that folder."""
    monkeypatch.setattr(console.resources, "files", lambda _package: folder)
    return serving.start("transport", Jitterbug(config=development()))


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("console")
    for name, text in {**UNBUILT, **{name: text for name, (_, text) in BUILT.items()}}.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text)
    with pytest.MonkeyPatch.context() as monkeypatch:
        running = serve(folder, monkeypatch)
    yield running
    running.stop()


def get(server: Running, path: str, **headers: str) -> httpx2.Response:
    return ask("GET", f"{server.url}{path}", headers=headers)


@pytest.mark.parametrize("name", BUILT)
def test_the_built_files_are_served(page: Running, name: str) -> None:
    media_type, text = BUILT[name]
    answer = get(page, f"/{name}")

    assert (answer.status_code, answer.headers["content-type"], answer.text) == (200, media_type, text)
    assert_base(answer.headers)
    assert answer.headers["cross-origin-opener-policy"] == "same-origin"


@pytest.mark.parametrize("path", ["/", "/index.html", "/?kid=x", "/#hash"])
def test_the_page_runs_nothing_but_its_own_files(page: Running, path: str) -> None:
    """R77, REQUIREMENTS §2.15: on every HTML answer, and without ``'unsafe-inline'``."""
    answer = get(page, path)

    assert answer.headers["content-security-policy"] == CSP
    assert "unsafe" not in CSP
    assert answer.text == BUILT["index.html"][1]


@pytest.mark.parametrize("path", TRAVERSAL)
def test_nothing_else_on_the_disk_can_be_asked_for(page: Running, path: str) -> None:
    """R11: exact names of what was built; read once, when the hub starts."""
    head, body = exchange(page.port, request("GET", path, {"Connection": "close"}))

    assert (head.status, body) == (404, b'{"error":"invalid request"}')
    assert_base(head.headers)


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "TRACE", "OPTIONS"])
def test_the_page_is_only_read(page: Running, method: str) -> None:
    answer = ask(method, f"{page.url}/")

    assert_refused(answer, 405)
    assert answer.headers["allow"] == "GET"


def test_head_has_the_headers_alone(page: Running) -> None:
    answer = ask("HEAD", f"{page.url}/")

    assert (answer.status_code, answer.content) == (200, b"")
    assert answer.headers["content-security-policy"] == CSP


def test_a_foreign_name_gets_no_page(page: Running) -> None:
    """DNS rebinding: neither the page nor a login that comes with it."""
    answer = get(page, "/", host="evil.example")

    assert_refused(answer, 403)
    assert "set-cookie" not in answer.headers


def test_the_page_brings_a_login_to_whoever_has_none(page: Running, visit: Visit) -> None:
    """PROTOCOL §3: the same cookie as ``POST BASE/session``; who has one keeps it; other files bring none."""
    value, *attributes = get(page, "/").headers["set-cookie"].split("; ")
    assert sorted(attributes) == ["HttpOnly", "Path=/", "SameSite=Strict"]
    assert ask("POST", f"{page.url}/api/jitterbug/keys", headers={"cookie": value}).status_code == 200

    assert "set-cookie" not in get(page, "/", cookie=visit(page).cookie).headers
    assert "set-cookie" in get(page, "/", cookie="jitterbug=made-up").headers
    assert "made-up" not in get(page, "/", cookie="jitterbug=made-up").headers["set-cookie"]
    assert "set-cookie" not in get(page, "/main.js").headers


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_a_foreign_page_opens_no_login(page: Running, site: str) -> None:
    """The store of logins is bounded: a page of another site that asks again and again could crowd out real ones."""
    answer = get(page, "/", **{"sec-fetch-site": site})

    assert answer.status_code == 200
    assert "set-cookie" not in answer.headers
    assert "set-cookie" in get(page, "/", **{"sec-fetch-site": "none"}).headers


def test_without_a_built_page_the_remedy_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, visit: Visit) -> None:
    """And the hub itself works all the same."""
    running = serve(tmp_path, monkeypatch)
    try:
        answer = get(running, "/")
        assert answer.status_code == 503
        assert answer.headers["content-type"].startswith("text/plain")
        assert "make setup" in answer.text
        assert_base(answer.headers)
        assert visit(running).post_stream().conn
    finally:
        running.stop()


def test_what_was_really_built_is_complete_and_needs_no_other_host() -> None:
    """R47, R3: no inline script or style, no foreign URL, no key, nothing kept in the browser."""
    folder = resources.files("jitterbug.console")
    names = {item.name for item in folder.iterdir()}
    if "index.html" not in names:
        pytest.skip("the page has not been built here")
    html = (folder / "index.html").read_text()
    code = "".join((folder / name).read_text() for name in names if name.endswith((".js", ".css", ".html")))

    assert "<script>" not in html
    assert "<style" not in html
    assert " style=" not in html
    assert 'http-equiv="content-security-policy"' not in html.lower()
    for word in ("localStorage", "sessionStorage", "indexedDB", "document.cookie", "eval(", "new Function"):
        assert word not in code
    assert not re.search(r"""<(script|link|img)[^>]*(src|href)=["']?(https?:)?//""", html)
