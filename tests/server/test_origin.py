"""Which pages may talk to a hub from a browser: its own, those listed, no others (PROTOCOL §3, REQUIREMENTS §2.19)."""

from collections.abc import Callable, Iterator

import httpx2
import pytest

from jitterbug import Config, Jitterbug, SettingError
from jitterbug.protocol.codes import Down, ErrorCode
from jitterbug.server.answers import RefusedRequest
from jitterbug.server.handshake import check_development
from tests.server import serving
from tests.server.answers import assert_no_cors, assert_refused, causes
from tests.server.conftest import development
from tests.server.serving import Running
from tests.server.visitor import JSON, Visitor

Visit = Callable[..., Visitor]
ROUTES = [
    ("POST", "/session"),
    ("DELETE", "/session"),
    ("POST", "/keys"),
    ("GET", "/stream"),
    ("POST", "/stream"),
    ("POST", "/frames"),
]
FOREIGN = [
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site"},
    {"Origin": "null"},
    {"Origin": ""},
    {"Origin": "https://evil.example"},
    {"Origin": "http://127.0.0.1"},
    {"Origin": "http://127.0.0.1:1"},
    {"Origin": "https://127.0.0.1:{port}"},
    {"Origin": "http://127.0.0.1:{port}/"},
    {"Origin": "http://127.0.0.1:{port}.evil.example"},
    {"Origin": "http://localhost:{port}"},
    {"Origin": "http://user@127.0.0.1:{port}"},
    {"Origin": "http://127.0.0.1:{port} https://evil.example"},
    {"Origin": "http://127.0.0.1:{port}", "Sec-Fetch-Site": "cross-site"},
]
OWN = [
    {},
    {"Origin": "http://127.0.0.1:{port}"},
    {"Sec-Fetch-Site": "same-origin"},
    {"Sec-Fetch-Site": "none"},
    {"Origin": "http://127.0.0.1:{port}", "Sec-Fetch-Site": "same-origin"},
]
LISTED = "https://app.example"
NEARLY = [
    "https://app.example.evil.test", "https://app.example:443", "http://app.example", "https://APP.example", "null", "*"
]  # fmt: skip


def of(hub: Running, headers: dict[str, str]) -> dict[str, str]:
    return {name: value.format(port=hub.port) for name, value in headers.items()}


def body_for(visitor: Visitor, method: str, path: str) -> dict:
    """A request that is in order, but for where it comes from."""
    if path == "/stream" and method == "GET":
        return {"params": {"kid": visitor.kid}}
    if path == "/stream":
        return {"json": {"kid": visitor.kid}}
    if path == "/frames":
        return {"content": visitor.sign({"t": "ping", "id": "1", "conn": "x"}), "headers": JSON}
    return {}


@pytest.fixture(scope="module")
def listing() -> Iterator[Running]:
    """A hub that lists one more origin."""
    running = serving.start("transport", Jitterbug(config=development(allowed_origins=(LISTED,))))
    yield running
    running.stop()


@pytest.mark.parametrize("headers", FOREIGN, ids=str)
@pytest.mark.parametrize(("method", "path"), ROUTES)
def test_what_a_foreign_page_sends_is_refused(
    hub: Running, visitor: Visitor, method: str, path: str, headers: dict[str, str], log: pytest.LogCaptureFixture
) -> None:
    """R40: 403 before anything else, with a good cookie and a good key, whatever else is in order."""
    options = body_for(visitor, method, path)
    options["headers"] = {**options.get("headers", {}), **of(hub, headers)}

    request_id = assert_refused(visitor.http.request(method, path, **options), 403)

    assert "origin" in causes(log, request_id)
    assert visitor.http.post("/keys").status_code == 200, "it must not have ended the session"


@pytest.mark.parametrize("headers", OWN, ids=str)
def test_its_own_page_and_programs_are_served(hub: Running, visit: Visit, headers: dict[str, str]) -> None:
    """Neither header means that it is not a browser: allowed."""
    visitor = visit(hub)
    visitor.http.headers.update(of(hub, headers))

    visitor.log_in()
    visitor.fetch_key()
    streams = [
        visitor.get_stream("a", headers=of(hub, headers)),
        visitor.post_stream(["a"], headers=of(hub, headers)),
    ]
    for stream in streams:
        stream.control(Down.SUBSCRIBED)
    assert visitor.send({"t": "ping", "id": "1", "conn": streams[0].conn}).json() == {"id": "1"}
    for answer in visitor.answers:
        assert_no_cors(answer.headers)


def test_two_origins_are_none(hub: Running, visitor: Visitor) -> None:
    """A repeated header is refused, not chosen from."""
    own = f"http://127.0.0.1:{hub.port}"
    for pair in ([own, own], [own, "https://evil.example"], ["https://evil.example", own]):
        assert_refused(visitor.http.post("/keys", headers=[("origin", value) for value in pair]), 403)


@pytest.mark.parametrize(("method", "path"), ROUTES)
def test_no_preflight_is_granted_to_a_foreign_page(hub: Running, stranger: Visitor, method: str, path: str) -> None:
    """PROTOCOL §3, O31: no CORS, for nobody, unless listed."""
    headers = {"origin": "https://evil.example", "access-control-request-method": method}
    assert_refused(stranger.http.options(path, headers=headers), 403)


def assert_cors(answer: httpx2.Response) -> None:
    """CORS headers that name exactly the listed origin."""
    assert answer.headers["access-control-allow-origin"] == LISTED
    assert answer.headers["access-control-allow-credentials"] == "true"
    assert "Origin" in answer.headers["vary"]


@pytest.mark.parametrize(("method", "path"), ROUTES)
def test_a_listed_origin_gets_its_preflight(listing: Running, method: str, path: str) -> None:
    """PROTOCOL §3: CORS answers name exactly that origin; without a cookie, as preflights come."""
    headers = {
        "origin": LISTED,
        "access-control-request-method": method,
        "access-control-request-headers": "content-type",
        "sec-fetch-site": "cross-site",
    }
    with Visitor(listing) as stranger:
        answer = stranger.http.options(path, headers=headers)

        assert answer.status_code == 204
        assert_cors(answer)
        assert method in answer.headers["access-control-allow-methods"]
        allowed = answer.headers["access-control-allow-headers"].split(", ")
        assert "content-type" in allowed
        assert ("authorization" in allowed) == (path == "/session"), "a token goes there, and nowhere else"


def test_a_listed_origin_is_served_and_can_read_what_is_refused(listing: Running, visit: Visit) -> None:
    """Errors carry the headers too, or the page could not tell one from another."""
    visitor = visit(listing)
    visitor.http.headers.update({"origin": LISTED, "sec-fetch-site": "cross-site"})

    key = visitor.http.post("/keys")
    bad = visitor.post("/frames", b"{}")
    stream = visitor.post_stream(["a"], headers={"Origin": LISTED})
    stream.control(Down.SUBSCRIBED)

    assert (key.status_code, bad.status_code) == (200, 400)
    for answer in (key, bad):
        assert_cors(answer)
    assert stream.head is not None
    assert stream.head.headers["access-control-allow-origin"] == LISTED


@pytest.mark.parametrize("origin", NEARLY)
def test_what_looks_like_a_listed_origin_is_not(listing: Running, visit: Visit, origin: str) -> None:
    """Exact text; never a wildcard, never reflected."""
    visitor = visit(listing)

    assert_refused(visitor.http.post("/keys", headers={"origin": origin}), 403)
    assert_refused(visitor.http.options("/keys", headers={"origin": origin}), 403)


@pytest.mark.parametrize("origin", ["*", "null", "https://*.example"])
def test_a_wildcard_cannot_be_listed(origin: str) -> None:
    with pytest.raises(SettingError, match="ALLOWED_ORIGINS"):
        Config(allowed_origins=(origin,))


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "http://127.0.0.1:{port}"},
        {"origin": LISTED},
        {"origin": "null"},
        {"sec-fetch-site": "same-origin"},
        {"sec-fetch-site": "none"},
        {"sec-fetch-site": "cross-site"},
    ],
    ids=str,
)
@pytest.mark.parametrize("method", ["POST", "OPTIONS"])
def test_browsers_do_not_publish_as_a_back_end(listing: Running, method: str, headers: dict[str, str]) -> None:
    """PROTOCOL §6: refused with any ``Origin`` or ``Sec-Fetch-Site``, the hub's own and listed ones included."""
    with Visitor(listing) as back_end:
        answer = back_end.http.request(method, "/publish", headers={**JSON, **of(listing, headers)}, content=b"{}")

        assert_refused(answer, 403)


@pytest.mark.parametrize(
    "host",
    [
        "evil.example", "evil.example:{port}", "127.0.0.1.evil.example", "localhost.evil.example", "127.0.0.2",
        "0.0.0.0", "[::2]:{port}", "", "127.0.0.1@evil.example", "localhost:1@evil.example", "[::1", "127.0.0.1 evil",
    ],
)  # fmt: skip
def test_a_development_hub_knows_only_names_of_this_machine(hub: Running, visitor: Visitor, host: str) -> None:
    """DNS rebinding: a page of another name that resolves to loopback would pass as same origin."""
    own_as_the_page_sees_it = host.format(port=hub.port)
    headers = {"host": own_as_the_page_sees_it, "origin": f"http://{own_as_the_page_sees_it}"}

    for method, path in (("POST", "/keys"), ("GET", "/health"), ("GET", "/nothing"), ("OPTIONS", "/keys")):
        assert_refused(visitor.http.request(method, path, headers=headers), 403)


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:{port}", "127.0.0.1:{port}", "[::1]", "[::1]:{port}"])
def test_by_those_names_it_answers(hub: Running, visitor: Visitor, host: str) -> None:
    own = host.format(port=hub.port)

    assert visitor.http.post("/keys", headers={"host": own, "origin": f"http://{own}"}).status_code == 200


@pytest.mark.parametrize("client", [("192.0.2.7", 5), ("::ffff:192.0.2.7", 5), ("unix", 0), None])
def test_a_development_hub_answers_this_machine_only(client: tuple[str, int] | None) -> None:
    """PROTOCOL §3: even if something were to listen on another address."""
    scope = {"type": "http", "client": client, "headers": [(b"host", b"localhost")]}

    with pytest.raises(RefusedRequest) as refused:
        check_development(scope)

    assert (refused.value.code, refused.value.status) == (ErrorCode.UNAUTHORIZED, 403)
