"""The client against ``jitterbug serve``: TLS by an authority of one's own, rights by token, over either transport."""

import base64
from collections.abc import Iterator

import httpx2
import pytest

from jitterbug.client import NetworkError, Notice, Publisher, UnauthorizedError, Unsubscribed, connect
from jitterbug.client.wire import TransportName
from tests.looped import in_loop
from tests.server.production import GENEROUS, Authority, ProductionHub, good_settings, token

SETTINGS = good_settings()
RIGHTS = {"subscribe": ["orders/*"], "publish": ["orders/*"]}
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def hub(authority: Authority, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ProductionHub]:
    environ = {**SETTINGS, **authority.settings(), **GENEROUS}
    with ProductionHub(tmp_path_factory.mktemp("production"), environ) as running:
        yield running


@in_loop
async def test_what_may_be_read_is_read_and_the_rest_told(
    hub: ProductionHub, authority: Authority, transport: TransportName
) -> None:
    """R5: over TLS throughout. A channel without the right is answered like the rest, and opening waits for nothing."""
    told: list[Notice] = []
    tls, kid = authority.client_context(), SETTINGS["HMAC_KEY_ID"]
    async with (
        connect(
            hub.url, channels=["orders/1", "secret"], token=token(jitterbug=RIGHTS), tls=tls, transport=transport,
            on_notice=told.append, open_timeout_s=20,
        ) as stream,
        Publisher(hub.url, kid, base64.b64decode(SETTINGS["HMAC_SECRET"]), tls=tls) as back_end,
    ):  # fmt: skip
        assert stream.transport == transport
        assert list(stream.positions) == ["orders/1"]
        assert Unsubscribed("secret", "unauthorized") in told
        await back_end.publish("orders/1", "from the back end")
        await stream.publish("orders/1", "from here")
        assert [(await anext(stream)).data for _ in range(2)] == ["from the back end", "from here"]
        with pytest.raises(UnauthorizedError):
            await stream.subscribe("secret")
        with pytest.raises(UnauthorizedError):
            await stream.publish("secret", 1)


@in_loop
async def test_a_certificate_of_nobody_known_is_not_taken(hub: ProductionHub) -> None:
    """R5: not even a key is asked for."""
    with pytest.raises(NetworkError):
        async with connect(hub.url, token=token(), open_timeout_s=0):
            pass


@in_loop
async def test_nor_by_the_websocket_where_the_http_client_knows_it(hub: ProductionHub, authority: Authority) -> None:
    """R5: the key comes; the WebSocket, which does not go through that client, is not opened."""
    async with httpx2.AsyncClient(verify=authority.client_context(), trust_env=False) as http:
        with pytest.raises(NetworkError):
            async with connect(hub.url, token=token(), http=http, transport="websocket", open_timeout_s=0):
                pass
        assert http.cookies
