"""WebSockets of a production hub: over TLS, by a page of its own, with the cookie of the login (ASVS 4.4)."""

import ssl
from collections.abc import Iterator
from typing import Any

import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import ClientConnection, connect

from tests.server.production import BASE_PATH, ProductionHub


@pytest.fixture(scope="module")
def login(production: ProductionHub) -> Iterator[tuple[str, str]]:
    """A cookie and a key id."""
    with production.client() as client:
        production.log_in(client)
        kid = client.post("/keys").json()["kid"]
        yield "; ".join(f"{item.name}={item.value}" for item in client.cookies.jar), kid


def open_socket(production: ProductionHub, kid: str, **headers: str) -> ClientConnection:
    url = f"{production.url.replace('https', 'wss')}{BASE_PATH}/ws?kid={kid}&channel=a"
    return connect(url, ssl=production.context, additional_headers=headers, open_timeout=20)


def refusal(production: ProductionHub, kid: str, **headers: str) -> Any:
    with pytest.raises(InvalidStatus) as refused, open_socket(production, kid, **headers):
        pass
    return refused.value.response


def test_r5_r1_it_is_spoken_over_tls_and_signed(production: ProductionHub, login: tuple[str, str]) -> None:
    cookie, kid = login
    with open_socket(production, kid, Cookie=cookie) as websocket:
        sock = websocket.socket
        assert isinstance(sock, ssl.SSLSocket)
        assert sock.version() in {"TLSv1.2", "TLSv1.3"}
        assert str(websocket.recv(20)).startswith(f'{{"kid":"{kid}","nonce":"')
        response = websocket.response
        assert response is not None
        assert "Sec-WebSocket-Extensions" not in response.headers
        assert response.headers["Strict-Transport-Security"].startswith("max-age=")


@pytest.mark.parametrize(
    ("origin", "status"),
    [("https://evil.example", 403), ("null", 403), ("https://app.example.evil.example", 403)],
)
def test_r40_a_foreign_page_opens_none(
    production: ProductionHub, login: tuple[str, str], origin: str, status: int
) -> None:
    """Cross-site WebSocket hijacking: the cookie is there, the page is not ours."""
    cookie, kid = login
    response = refusal(production, kid, Cookie=cookie, Origin=origin)
    assert response.status_code == status
    assert response.body == b'{"error":"unauthorized"}'
    assert "Server" not in response.headers


def test_r40_a_listed_page_and_the_hubs_own_open_one(production: ProductionHub, login: tuple[str, str]) -> None:
    cookie, kid = login
    for origin in ("https://app.example", production.url):
        with open_socket(production, kid, Cookie=cookie, Origin=origin) as websocket:
            assert '"t":"hello"' in str(websocket.recv(20))


def test_r37_r47_no_cookie_no_socket_and_no_token_in_its_place(
    production: ProductionHub, login: tuple[str, str]
) -> None:
    """A socket is opened by the login's cookie alone: a key id or a bearer token opens none."""
    _, kid = login
    assert refusal(production, kid).status_code == 401
    assert refusal(production, kid, Authorization="Bearer x").status_code == 401
    assert refusal(production, kid, Cookie="__Host-jitterbug=made-up").status_code == 401
