"""Behind proxies, and over plain HTTP where that may be: R5, R49, R79, PROTOCOL §3, ASVS 4.1.2, 4.1.3, 15.3.4."""

import itertools
import json
import socket
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import httpx2
import pytest
from starlette.types import Message, Scope

from jitterbug import Config, Jitterbug, Session
from jitterbug.addresses import counted_as
from tests.looped import in_loop
from tests.server.answers import assert_no_cors, assert_refused
from tests.server.conftest import Start
from tests.server.production import BASE_PATH, ProductionHub, good_settings, token
from tests.server.visitor import Visitor

UNLISTED, LISTED = "127.0.0.1", "127.0.0.2"
HTTPS = {"x-forwarded-proto": "https"}
ROUTES = [
    ("POST", "/session"), ("DELETE", "/session"), ("POST", "/keys"), ("GET", "/stream"), ("POST", "/stream"),
    ("POST", "/frames"), ("POST", "/publish"), ("GET", "/health"), ("OPTIONS", "/keys"), ("GET", "/nothing"),
]  # fmt: skip
OUTSIDE = ["/", "/.well-known/security.txt", "/metrics"]
_clients = itertools.count(1)


def new_client() -> str:
    """An address in a block nobody had before, of those kept for documentation."""
    return f"2001:db8:0:{next(_clients):x}::1"


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ProductionHub]:
    """A production hub that speaks plain HTTP to one proxy, which is another loopback address."""
    environ = {
        **good_settings(),
        "JITTERBUG_TRUSTED_PROXIES": f"{LISTED},10.0.0.0/8",
        "JITTERBUG_MAX_SESSIONS_PER_ADDRESS": "3",
    }
    with ProductionHub(tmp_path_factory.mktemp("proxied"), environ) as running:
        yield running


@pytest.fixture
def from_address(hub: ProductionHub) -> Iterator[Callable[[str], httpx2.Client]]:
    """Somebody who connects from that loopback address."""
    clients: list[httpx2.Client] = []

    def connect(address: str) -> httpx2.Client:
        transport = httpx2.HTTPTransport(local_address=address)
        clients.append(httpx2.Client(base_url=hub.url, transport=transport, timeout=20))
        return clients[-1]

    yield connect
    for client in clients:
        client.close()


_SUBJECTS = itertools.count()


def bearer(**claims: Any) -> dict[str, str]:
    """The token of somebody who has not been here: a subject has a limit of its own, which is not the matter here."""
    return {"authorization": f"Bearer {token(**{'sub': f'somebody-{next(_SUBJECTS)}', **claims})}"}


def assert_untouched(answer: httpx2.Response) -> None:
    """Check that nothing moved and nobody was sent elsewhere."""
    assert_refused(answer, 403)
    assert "set-cookie" not in answer.headers
    assert "location" not in answer.headers
    assert "strict-transport-security" in answer.headers


@pytest.mark.parametrize(
    ("address", "headers"),
    [
        (UNLISTED, {}), (UNLISTED, HTTPS), (UNLISTED, {**HTTPS, "x-forwarded-for": LISTED}),
        (UNLISTED, {"forwarded": "proto=https"}), (UNLISTED, {"x-forwarded-ssl": "on", "front-end-https": "on"}),
        (UNLISTED, {"x-url-scheme": "https", "x-forwarded-scheme": "https"}), (UNLISTED, {"host": "localhost"}),
        (LISTED, {}), (LISTED, {"x-forwarded-proto": "http"}), (LISTED, {"x-forwarded-proto": ""}),
        (LISTED, {"x-forwarded-proto": "HTTPS"}), (LISTED, {"x-forwarded-proto": "https, http"}),
        (LISTED, {"x-forwarded-proto": "http, https"}), (LISTED, {"x-forwarded-proto": "https://"}),
        (LISTED, {"forwarded": "proto=https"}), (LISTED, {"x-forwarded-for": "192.0.2.1"}),
        (LISTED, {"x-forwarded-scheme": "https"}),
    ],
)  # fmt: skip
def test_plain_http_is_refused_before_anything_moves(
    from_address: Callable[[str], httpx2.Client], address: str, headers: Mapping[str, str]
) -> None:
    """R5, R49: on every path, with a good token, from a stranger who writes a proxy's headers and from a proxy that
    does not say HTTPS. Nobody is redirected (ASVS 4.1.2).
    """
    client = from_address(address)
    for method, path in [
        *((method, BASE_PATH + path) for method, path in ROUTES),
        *(("GET", path) for path in OUTSIDE),
    ]:
        assert_untouched(client.request(method, path, headers={**headers, **bearer()}))


def test_the_last_of_several_proto_headers_counts(from_address: Callable[[str], httpx2.Client]) -> None:
    """The proxy's own, where it adds rather than replaces."""
    client, path = from_address(LISTED), f"{BASE_PATH}/health"
    names = [("x-forwarded-proto", "https"), ("x-forwarded-proto", "http")]
    assert_untouched(client.get(path, headers=names))
    assert client.get(path, headers=names[::-1]).status_code == 200


def test_a_listed_proxy_that_says_https_is_believed(from_address: Callable[[str], httpx2.Client]) -> None:
    """R5: login, key and stream, with the cookie of HTTPS."""
    client = from_address(LISTED)
    headers = {**HTTPS, "x-forwarded-for": new_client()}
    answer = client.post(f"{BASE_PATH}/session", headers={**headers, **bearer()})
    assert answer.status_code == 204
    cookie = answer.headers["set-cookie"]
    assert cookie.startswith("__Host-jitterbug=")
    headers["cookie"] = cookie.partition(";")[0]
    key = client.post(f"{BASE_PATH}/keys", headers=headers)
    assert key.status_code == 200
    with client.stream("GET", f"{BASE_PATH}/stream?kid={key.json()['kid']}", headers=headers) as stream:
        assert stream.status_code == 200
        assert next(stream.iter_raw()).startswith(b"retry:")
    assert "contact:" in client.get("/.well-known/security.txt", headers=HTTPS).text.lower()


def test_the_hubs_own_origin_is_that_of_https(from_address: Callable[[str], httpx2.Client]) -> None:
    """REQUIREMENTS §2.19: by the scheme that the browser sees."""
    client = from_address(LISTED)
    for origin, status in (("https://hub.example", 204), ("http://hub.example", 403), ("https://other.example", 403)):
        headers = {**HTTPS, **bearer(), "host": "hub.example", "origin": origin, "x-forwarded-for": new_client()}
        answer = client.post(f"{BASE_PATH}/session", headers=headers)
        assert answer.status_code == status, origin
        assert_no_cors(answer.headers)


def test_caps_are_for_the_real_client(from_address: Callable[[str], httpx2.Client]) -> None:
    """ASVS 15.3.4: the rightmost hop that is not a proxy; what the client writes further left changes nothing."""
    client, real, other = from_address(LISTED), new_client(), new_client()

    def log_in(forwarded: str | list[str]) -> int:
        lines = [forwarded] if isinstance(forwarded, str) else forwarded
        headers = [*HTTPS.items(), *bearer().items(), *(("x-forwarded-for", line) for line in lines)]
        client.cookies.clear()
        return client.post(f"{BASE_PATH}/session", headers=headers).status_code

    assert log_in(real) == 204
    assert log_in(f"198.51.100.1, {real}") == 204
    assert log_in(f"nonsense, {real}, 10.1.2.3") == 204
    for forwarded in (real, f"{other}, {real}", f"{real}, {LISTED}, 10.0.0.1", f"[{real}]:443", ["198.51.100.9", real]):
        assert log_in(forwarded) == 429, forwarded
    assert log_in(other) == 204


def test_ten_failures_of_one_real_client_are_no_alert_and_the_eleventh_is(
    hub: ProductionHub, from_address: Callable[[str], httpx2.Client]
) -> None:
    """R79: however the client varies what it says of itself, and whoever else comes through the proxy."""
    client, real, others = from_address(LISTED), new_client(), [new_client() for _ in range(11)]

    def fail(forwarded: str) -> None:
        answer = client.post(f"{BASE_PATH}/keys", headers={**HTTPS, "x-forwarded-for": forwarded})
        assert_refused(answer, 401)

    def alerts() -> list[str]:
        return [line for line in hub.log().splitlines() if "ALERT auth_failures" in line]

    for number, other in enumerate(others[:10]):
        fail(f"198.51.100.{number}, {real}")
        fail(other)
    fail(others[10])
    time.sleep(0.2)
    assert alerts() == []
    fail(f"198.51.100.99, {real}, 10.0.0.1")
    hub.wait_for_log("ALERT auth_failures")
    assert len(alerts()) == 1
    assert f"{counted_as(real)}, 11" in alerts()[0]


def test_an_unlisted_peer_is_itself_whatever_it_says(
    hub: ProductionHub, from_address: Callable[[str], httpx2.Client]
) -> None:
    """ASVS 4.1.3: also in the log."""
    lie = new_client()
    answer = from_address(UNLISTED).post(f"{BASE_PATH}/keys", headers={**HTTPS, "x-forwarded-for": lie})
    assert_untouched(answer)
    hub.wait_for_log(answer.headers["x-request-id"])
    assert lie not in hub.log()


def test_what_is_no_http_is_refused_with_the_headers_that_all_have(hub: ProductionHub) -> None:
    """R49, PROTOCOL §3: HSTS on the parser's own refusal too."""
    with socket.create_connection(("127.0.0.1", hub.port), 20) as sock:
        sock.sendall(b"NONSENSE\r\n\r\n")
        received = b""
        while data := sock.recv(4_096):
            received += data
    head = received.lower()
    assert head.startswith(b"http/1.1 400 ")
    assert b"strict-transport-security: max-age=63072000; includesubdomains\r\n" in head
    assert b"x-content-type-options: nosniff\r\n" in head


# Mounted, being tried out over plain HTTP.


def who(request: Any) -> Session | None:
    return Session("an-id-of-a-session-000", "ada") if request.headers.get("cookie") == "login=1" else None


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "LOCALHOST", "[::1]"])
def test_a_mounted_hub_can_be_tried_out_on_its_own_machine(start: Start, host: str) -> None:
    server = start("fastapi", config=Config(drain_s=0), session=who)
    with Visitor(server, cookie="login=1") as visitor:
        assert visitor.http.post("/keys", headers={"host": f"{host}:{server.port}"}).status_code == 200


async def asked(scope_changes: Mapping[str, Any], headers: Mapping[str, str]) -> tuple[int, dict[str, str], bytes]:
    """What a mounted hub answers to a key request with this scope."""
    push = Jitterbug(config=Config(drain_s=0), session=who)
    sent: list[Message] = []
    scope: Scope = {
        "type": "http", "method": "POST", "path": "/keys", "query_string": b"", "scheme": "http",
        "client": ("127.0.0.1", 1), "server": ("127.0.0.1", 80), "root_path": "", "extensions": {},
        "headers": [(name.encode(), text.encode()) for name, text in {"cookie": "login=1", **headers}.items()],
        **scope_changes,
    }  # fmt: skip

    async def receive() -> Message:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Message) -> None:
        sent.append(message)

    try:
        await push.asgi(scope, receive, send)
    finally:
        await push.stop()
    found = {name.decode(): text.decode() for name, text in sent[0]["headers"]}
    return sent[0]["status"], found, b"".join(message.get("body", b"") for message in sent[1:])


@pytest.mark.parametrize(
    ("changes", "headers"),
    [
        ({"client": ("192.0.2.1", 1)}, {}), ({"client": None}, {}), ({"client": ("testclient", 1)}, {}),
        ({}, {"host": "hub.example"}), ({}, {"host": ""}), ({}, {"host": "localhost.example"}),
        ({}, {"host": "127.0.0.1.example"}), ({}, {"host": "localhost:80@a.example"}), ({}, {"host": "127.0.0.2"}),
        ({}, {"x-forwarded-for": "192.0.2.1"}), ({}, {"x-forwarded-proto": "https"}), ({}, {"forwarded": "for=x"}),
        ({}, {"via": "1.1 proxy"}), ({}, {"x-real-ip": "192.0.2.1"}), ({}, {"x-forwarded-host": "localhost"}),
    ],
)  # fmt: skip
@in_loop
async def test_a_mounted_hub_answers_nobody_else_over_plain_http(
    changes: Mapping[str, Any], headers: Mapping[str, str]
) -> None:
    """R5, R49: another machine, another name (DNS rebinding), or a proxy in between."""
    status, found, body = await asked(changes, {"host": "localhost", **headers})
    assert (status, json.loads(body)) == (403, {"error": "unauthorized"})
    assert "location" not in found
    assert "strict-transport-security" in found


@in_loop
async def test_a_mounted_hub_answers_anybody_over_https() -> None:
    """Positive control of the refusals above."""
    changes = {"scheme": "https", "client": ("192.0.2.1", 1)}
    status, _, body = await asked(changes, {"host": "hub.example", "x-forwarded-proto": "https"})
    assert status == 200
    assert json.loads(body)["algorithm"] == "sha256"
