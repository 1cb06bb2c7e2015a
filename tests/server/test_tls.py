"""TLS by the hub itself (R5, R49, PROTOCOL §3; ASVS 12.1.1, 12.1.2)."""

import asyncio
import contextlib
import socket
import ssl
import time

import pytest
import uvicorn

from jitterbug import Jitterbug
from jitterbug.server.uvicorn import PushServer, server
from tests.server.conftest import development
from tests.server.production import WITHIN_S, Authority, ProductionHub
from tests.server.serving import Running

VERSIONS = [ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1, ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3]
pytestmark = pytest.mark.filterwarnings("ignore:ssl.TLSVersion.TLSv1:DeprecationWarning")


def handshake(hub: ProductionHub, context: ssl.SSLContext) -> ssl.SSLSocket:
    sock = socket.create_connection(("127.0.0.1", hub.port), timeout=WITHIN_S)
    try:
        return context.wrap_socket(sock, server_hostname="127.0.0.1")
    except BaseException:
        sock.close()
        raise


def willing(authority: Authority) -> ssl.SSLContext:
    """A client that would take anything."""
    context = authority.client_context()
    context.set_ciphers("ALL:@SECLEVEL=0")
    context.minimum_version = ssl.TLSVersion.TLSv1
    return context


@pytest.mark.parametrize("version", VERSIONS)
def test_only_tls_1_2_and_1_3_are_spoken(
    production: ProductionHub, authority: Authority, version: ssl.TLSVersion
) -> None:
    """R5: the older ones are refused in the handshake, and the client of this test would have taken them."""
    context = willing(authority)
    context.minimum_version = context.maximum_version = version
    if version >= ssl.TLSVersion.TLSv1_2:
        with handshake(production, context) as tls:
            assert tls.version() == {ssl.TLSVersion.TLSv1_2: "TLSv1.2", ssl.TLSVersion.TLSv1_3: "TLSv1.3"}[version]
            assert tls.compression() is None
        return
    with pytest.raises((ssl.SSLError, ConnectionError)):
        handshake(production, context)


def test_this_clients_old_versions_work_where_a_server_takes_them(authority: Authority) -> None:
    """Positive control of the test above: the same client, a server that takes anything."""
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(authority.cert, authority.key)
    server.set_ciphers("ALL:@SECLEVEL=0")
    server.minimum_version = ssl.TLSVersion.TLSv1
    client = willing(authority)
    client.maximum_version = ssl.TLSVersion.TLSv1_1
    inward, outward = ssl.MemoryBIO(), ssl.MemoryBIO()
    ends = (
        server.wrap_bio(inward, outward, server_side=True),
        client.wrap_bio(outward, inward, server_hostname="127.0.0.1"),
    )
    done: set[int] = set()
    for _ in range(10):
        for index, end in enumerate(reversed(ends)):
            try:
                end.do_handshake()
                done.add(index)
            except ssl.SSLWantReadError:
                pass
    assert done == {0, 1}
    assert ends[0].version() == "TLSv1.1"


@pytest.mark.parametrize(
    "ciphers", ["kRSA", "AES128-SHA", "ECDHE+AES:!AESGCM", "aNULL", "ECDHE+CHACHA20", "ECDHE+AESGCM"]
)
def test_only_ciphers_with_forward_secrecy_and_authentication_are_taken(
    production: ProductionHub, authority: Authority, ciphers: str
) -> None:
    """ASVS 12.1.2."""
    context = authority.client_context()
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(f"{ciphers}:@SECLEVEL=0")
    if ciphers in {"ECDHE+CHACHA20", "ECDHE+AESGCM"}:
        handshake(production, context).close()
        return
    with pytest.raises((ssl.SSLError, ConnectionError)):
        handshake(production, context)


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"GET /api/jitterbug/health HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"POST /api/jitterbug/session HTTP/1.1\r\nHost: a\r\nX-Forwarded-Proto: https\r\nContent-Length: 0\r\n\r\n",
        b"GET / HTTP/1.0\r\n\r\n",
    ],
)
def test_plain_http_to_a_tls_listener_gets_no_http_at_all(production: ProductionHub, request_bytes: bytes) -> None:
    """R5, R49: neither answer nor redirect."""
    with socket.create_connection(("127.0.0.1", production.port), timeout=WITHIN_S) as sock:
        sock.sendall(request_bytes)
        received = b""
        try:
            while data := sock.recv(4_096):
                received += data
        except ConnectionError:
            pass
    assert b"HTTP" not in received


def test_a_client_that_does_not_know_the_authority_goes_no_further(production: ProductionHub) -> None:
    with pytest.raises(ssl.SSLCertVerificationError):
        handshake(production, ssl.create_default_context())


def test_a_handshake_that_is_never_finished_is_ended(authority: Authority, monkeypatch: pytest.MonkeyPatch) -> None:
    """REQUIREMENTS §2.26: 10 s, as for a head; nothing of it is in any count of connections yet."""
    assert server.TLS_HANDSHAKE_TIMEOUT_S == 10
    monkeypatch.setattr(server, "TLS_HANDSHAKE_TIMEOUT_S", 0.3)
    push = Jitterbug(config=development())
    config = uvicorn.Config(
        push.asgi, port=0, log_config=None, lifespan="off", ssl_certfile=authority.cert, ssl_keyfile=authority.key
    )
    tls = PushServer(config, on_stop=push.stop, takes_signals=False)
    running = Running(push, [tls], tls.serve, None)
    try:
        started_s = time.monotonic()
        with socket.create_connection(("127.0.0.1", running.port), timeout=WITHIN_S) as sock:
            sock.sendall(b"\x16\x03\x01")
            with contextlib.suppress(ConnectionResetError):
                while sock.recv(1_024):
                    pass
        assert 0.2 < time.monotonic() - started_s < 5
        assert running.do(lambda: "create_server" not in vars(asyncio.get_running_loop())), "only while it starts"
    finally:
        running.stop()
