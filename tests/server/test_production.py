"""`jitterbug serve` as it runs: the same headers on every answer, a signed stream over TLS (R5, R49, R78, R89)."""

import asyncio
import re
import socket
import ssl
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx2
import psutil
import pytest

from jitterbug import Config, Jitterbug, SettingError, connect
from jitterbug.client.publisher import Publisher
from jitterbug.protocol import base64
from jitterbug.server.standalone import security_txt
from tests.looped import in_loop
from tests.server.answers import assert_base, assert_no_cors, assert_refused
from tests.server.production import (
    BASE_PATH,
    GENEROUS,
    Authority,
    Member,
    ProductionHub,
    good_settings,
    token,
)
from tests.server.serving import until

HSTS = re.compile(r"max-age=([0-9]+); includeSubDomains")
YEAR_S = 31_536_000
STREAMS = 50
STREAM_BYTES = 140_000
"""A bound for a TLS connection, its buffers and its task: half as much again as docs/memory.md says."""


def assert_headers(headers: httpx2.Headers) -> None:
    """Check what every answer has in production."""
    match = HSTS.fullmatch(headers.get("strict-transport-security", ""))
    assert match
    assert int(match[1]) >= YEAR_S
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["cross-origin-resource-policy"] == "same-origin"
    assert re.fullmatch(r"[0-9a-f]{16}", headers["x-request-id"])
    assert not {"server", "x-powered-by"} & {name.lower() for name in headers}


def test_every_answer_has_the_headers_of_production(production: ProductionHub) -> None:
    """R49, ASVS 3.4.1-3.4.5: refusals of every class included."""
    json_type = {"content-type": "application/json"}
    with Member(production) as member:
        http = member.http
        answers = [
            (200, http.post("/keys")),
            (200, http.get("/health")),
            (400, http.post("/frames", content=b"{", headers=json_type)),
            (400, http.get("/stream")),
            (401, http.post("/keys", headers={"cookie": ""})),
            (401, http.post("/session")),
            (403, http.post("/keys", headers={"origin": "https://evil.example"})),
            (403, http.post("/keys", headers={"sec-fetch-site": "cross-site"})),
            (404, http.get("/nothing")),
            (405, http.put("/keys")),
            (413, http.post("/frames", content=b"x" * 100_000, headers=json_type)),
            (415, http.post("/frames", content=b"{}")),
            (404, http.get(f"{production.url}/")),
            (404, http.get(f"{production.url}/metrics")),
            (405, http.post(f"{production.url}/.well-known/security.txt")),
            (200, http.get(f"{production.url}/.well-known/security.txt")),
            (200, member.open_stream().response),
            (204, http.delete("/session")),
        ]
    assert [answer.status_code for _, answer in answers] == [status for status, _ in answers]
    for _, answer in answers:
        assert_headers(answer.headers)
        assert_no_cors(answer.headers)


def test_rate_limits_have_them_too(authority: Authority, tmp_path: Path) -> None:
    """R41, R49; and no more logins from an address than its cap."""
    environ = {**good_settings(), **authority.settings()}
    limits = {"JITTERBUG_KEYS_PER_MINUTE": "1", "JITTERBUG_MAX_SESSIONS_PER_ADDRESS": "1"}
    with ProductionHub(tmp_path, {**environ, **limits}, authority.client_context()) as hub, Member(hub) as member:
        again = member.http.post("/keys")
        with hub.client() as other:
            capped = other.post("/session", headers={"authorization": f"Bearer {token()}"})
        assert int(again.headers["retry-after"]) >= 1
        for answer in (again, capped):
            assert_refused(answer, 429)
            assert_headers(answer.headers)
        assert "set-cookie" not in capped.headers
        assert hub.stop() == 0


def test_what_is_no_http_gets_them_over_tls_as_well(production: ProductionHub) -> None:
    """R49: the parser's own refusal."""
    context = production.context
    assert isinstance(context, ssl.SSLContext)
    with (
        socket.create_connection(("127.0.0.1", production.port), 20) as sock,
        context.wrap_socket(sock, server_hostname="127.0.0.1") as tls,
    ):
        tls.sendall(b"NONSENSE\r\n\r\n")
        received = b""
        while data := tls.recv(4_096):
            received += data
    lines = received.partition(b"\r\n\r\n")[0].decode().split("\r\n")
    assert lines[0] == "HTTP/1.1 400 Bad Request"
    assert_headers(httpx2.Headers([tuple(line.split(": ", 1)) for line in lines[1:]]))


def test_listed_origins_get_cors_for_themselves_alone(production: ProductionHub) -> None:
    """ASVS 3.4.2."""
    with Member(production) as member:
        answer = member.http.post("/keys", headers={"origin": "https://app.example"})
        assert answer.status_code == 200
        assert answer.headers["access-control-allow-origin"] == "https://app.example"
        assert_headers(answer.headers)
        for origin in ("https://app.example.evil.example", "http://app.example", "https://APP.example", "null", "*"):
            assert_refused(member.http.post("/keys", headers={"origin": origin}), 403)


def test_metrics_and_probes_are_on_the_operators_listener_alone(production: ProductionHub) -> None:
    """R78."""
    with production.client() as client:
        for path in ("/metrics", "/health/live", "/health/ready", f"{BASE_PATH}/metrics"):
            assert client.get(f"{production.url}{path}").status_code == 404
    answer = httpx2.get(f"{production.admin_url}/metrics", trust_env=False, verify=False)
    assert "jitterbug_connections" in answer.text


def test_security_txt_says_where_to_report(production: ProductionHub) -> None:
    """R89, RFC 9116: Contact, Expires within a year, Policy where the setting gives one."""
    with production.client() as client:
        answer = client.get(f"{production.url}/.well-known/security.txt")
        head = client.head(f"{production.url}/.well-known/security.txt")
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    assert (head.status_code, head.content) == (200, b"")
    fields = dict(line.split(": ", 1) for line in answer.text.splitlines() if not line.startswith("#"))
    assert fields["Contact"].startswith(("mailto:", "https:"))
    assert fields["Policy"] == "https://hub.example/security"
    expires = datetime.fromisoformat(fields["Expires"])
    assert timedelta(days=30) < expires - datetime.now(UTC) < timedelta(days=365)
    assert "Encryption" not in fields, "no placeholder for a key"


def test_security_txt_without_the_setting_has_no_policy_field() -> None:
    """R89: a comment, no made-up address."""
    text = security_txt(datetime(2026, 1, 1, tzinfo=UTC))
    assert "\nPolicy:" not in text
    assert "# Policy: coordinated disclosure within 90 days" in text
    assert "Expires: 2026-06-30T00:00:00Z\n" in text


def test_no_session_source_no_hub() -> None:
    """R13: a mounted hub is not started by mistake either."""
    with pytest.raises(SettingError) as caught:
        Jitterbug()
    assert caught.value.setting == "session"
    assert caught.value.remedy
    with pytest.raises(SettingError):
        Jitterbug(config=Config(drain_s=0))


# Streams.


@in_loop
async def test_a_signed_stream_over_tls_from_publisher_to_reader(authority: Authority, tmp_path: Path) -> None:
    """R2, R5: everything verified, with the library's own clients and no other trust than the authority's."""
    environ = {**good_settings(), **authority.settings(), **GENEROUS}
    hub = await asyncio.to_thread(ProductionHub, tmp_path, environ, authority.client_context())
    notices: list[object] = []
    try:
        context, root_secret = authority.client_context(), base64.decode(environ["HMAC_SECRET"])
        async with (
            httpx2.AsyncClient(verify=context, trust_env=False) as http,
            httpx2.AsyncClient(verify=context, trust_env=False) as back_end,
            asyncio.timeout(20),
            connect(hub.url, channels=["orders/1"], token=token(), http=http, on_notice=notices.append) as stream,
            Publisher(hub.url, environ["HMAC_KEY_ID"], root_secret, http=back_end) as publisher,
        ):
            for number in range(20):
                await publisher.publish("orders/1", {"number": number})
            found = [(await anext(stream)).data["number"] for _ in range(20)]
        assert found == list(range(20))
        assert not stream.stats.refused
        assert environ["HMAC_SECRET"] not in hub.log()
    finally:
        assert await asyncio.to_thread(hub.stop) == 0


def open_streams(hub: ProductionHub) -> int:
    text = httpx2.get(f"{hub.admin_url}/metrics", trust_env=False, verify=False).text
    match = re.search(r"^jitterbug_connections (\d+)", text, re.MULTILINE)
    assert match
    return int(match[1])


def test_fifty_streams_take_bounded_memory_and_all_hear(authority: Authority, tmp_path: Path) -> None:
    """R57: over TLS; each fifty that come after others have gone keep within the same bound, without waiting long."""
    environ = {**good_settings(), **authority.settings(), **GENEROUS, "JITTERBUG_HEARTBEAT_S": "15"}
    environ["JITTERBUG_MAX_CONNECTIONS_PER_SESSION"] = "100"
    with ProductionHub(tmp_path, environ, authority.client_context()) as hub, Member(hub) as member:
        process = psutil.Process(hub.process.pid)
        member.open_stream("a").close()
        until(lambda: open_streams(hub) == 0)
        files, before = process.num_fds(), process.memory_info().rss
        for number in range(4):
            streams = [member.open_stream("a") for _ in range(STREAMS)]
            for stream in streams:
                stream.wait_for("subscribed")
            assert open_streams(hub) == STREAMS
            assert process.memory_info().rss - before < STREAMS * STREAM_BYTES
            data = {"n": number}
            frame = member.sign({"t": "pub", "id": str(number), "conn": streams[0].conn, "ch": "a", "data": data})
            assert member.post_frame(frame).status_code == 200
            assert [stream.take(1) for stream in streams] == [[data]] * STREAMS
            for stream in streams:
                stream.close()
            until(lambda: process.num_fds() <= files + 2)  # what publishes keeps its own
        again = [member.open_stream("a") for _ in range(STREAMS)]
        started_s = time.monotonic()
        assert hub.stop() == 0, "open streams do not hold it up"
        assert time.monotonic() - started_s < 5
        for stream in again:
            assert stream.wait_for("bye")["reason"] == "shutdown"
    assert "Traceback" not in hub.log()


def test_a_refusal_says_the_same_in_production_as_anywhere(production: ProductionHub) -> None:
    """R60, R61."""
    with production.client() as client:
        assert_base(client.post("/keys").headers)
        assert_refused(client.post("/keys"), 401)
