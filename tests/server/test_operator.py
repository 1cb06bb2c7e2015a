"""The operator listener, and what strangers see of a hub's health (PROTOCOL §8, R78)."""

import asyncio
import re
from collections.abc import Callable, Iterator

import httpx2
import pytest

from jitterbug import Jitterbug
from jitterbug.server.operator import Operator
from tests.server.answers import assert_base, assert_refused
from tests.server.conftest import Start, development
from tests.server.serving import Kind, Running, ask, until
from tests.server.visitor import Visitor

Visit = Callable[..., Visitor]


@pytest.fixture
def operator(hub: Running) -> Iterator[httpx2.Client]:
    with httpx2.Client(base_url=hub.admin_url, trust_env=False, verify=False) as client:
        yield client


def refused(reason: str, seen_by: str = "hub") -> str:
    return f'hmac_verification_failures_total{{reason="{reason}",seen_by="{seen_by}"}}'


def test_metrics_and_probes_answer_here(operator: httpx2.Client) -> None:
    metrics = operator.get("/metrics")
    probes = [operator.get(path) for path in ("/health/live", "/health/ready")]

    assert metrics.headers["content-type"].startswith("text/plain; version=")
    assert [(probe.status_code, probe.text) for probe in probes] == [(200, "ok\n")] * 2
    for answer in (metrics, *probes):
        assert_base(answer.headers)


@pytest.mark.parametrize("host", ["evil.example", "evil.example:8441", "127.0.0.1.evil.example", "192.0.2.7", ""])
@pytest.mark.parametrize("path", ["/metrics", "/health/live", "/health/ready", "/nothing"])
def test_on_loopback_it_answers_to_names_of_this_machine_only(operator: httpx2.Client, path: str, host: str) -> None:
    """PROTOCOL §8: a page whose name resolves to loopback could read the metrics (DNS rebinding)."""
    assert_refused(operator.get(path, headers={"host": host}), 403)


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:8441", "127.0.0.1", "[::1]:8441"])
def test_by_those_names_it_answers(operator: httpx2.Client, host: str) -> None:
    assert operator.get("/health/live", headers={"host": host}).status_code == 200


def test_bound_elsewhere_by_its_operator_it_answers_to_any_name() -> None:
    push = Jitterbug(config=development())
    metrics = Operator(push, loopback_only=False)
    transport = httpx2.ASGITransport(metrics)

    async def ask_it() -> int:
        async with httpx2.AsyncClient(transport=transport, base_url="http://hub.internal:8441") as client:
            return (await client.get("/health/live")).status_code

    assert asyncio.run(ask_it()) == 200


@pytest.mark.parametrize("path", ["/", "/health", "/api/jitterbug/keys", "/metrics/", "//metrics", "/metrics%3fx"])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_there_is_nothing_else(operator: httpx2.Client, method: str, path: str) -> None:
    """R11."""
    assert_refused(operator.request(method, path), 404)


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "TRACE"])
def test_it_is_read_only(operator: httpx2.Client, method: str) -> None:
    answer = operator.request(method, "/metrics")

    assert_refused(answer, 405)
    assert answer.headers["allow"] == "GET"


@pytest.mark.parametrize("host", ["[::1", "evil.example", "a b", "", "x" * 1_000])
def test_an_odd_host_header_breaks_nothing(operator: httpx2.Client, host: str) -> None:
    """R60: refused in the same words; never a traceback's status."""
    answer = operator.get("/nothing", headers={"host": host})

    assert_refused(answer, 403)


@pytest.mark.parametrize("path", ["/metrics", "/api/jitterbug/metrics", "/health/live", "/health/ready"])
def test_the_public_listener_has_none_of_it(server: Running, path: str) -> None:
    """R78."""
    answer = ask("GET", f"{server.url}{path}")

    assert answer.status_code == 404
    assert "jitterbug_" not in answer.text


def test_health_says_ok_and_no_more(server: Running) -> None:
    """PROTOCOL §8: no detail for strangers."""
    answer = ask("GET", f"{server.url}/api/jitterbug/health")

    assert (answer.status_code, answer.text) == (200, '{"status":"ok"}')
    assert_base(answer.headers)


def test_each_refusal_counts_once(hub: Running, visit: Visit) -> None:
    """R78, REQUIREMENTS §2.24: one provoked of each, and its counter is up by one; a forged copy is no replay."""
    visitor, other = visit(hub), visit(hub)
    conn = visitor.post_stream().conn
    ping = {"t": "ping", "id": "1", "conn": conn}
    used = visitor.sign(ping)
    assert visitor.post("/frames", used).status_code == 200
    forged = used.replace(b'"id":"1"', b'"id":"2"')
    asks: dict[str, Callable[[], object]] = {
        "auth_failures_total": lambda: ask("POST", f"{hub.url}/api/jitterbug/keys"),
        'replays_detected_total{seen_by="hub"}': lambda: visitor.post("/frames", used),
        refused("signature"): lambda: visitor.post("/frames", forged),
        refused("key"): lambda: visitor.post("/frames", other.sign(ping)),
        refused("stale"): lambda: visitor.post("/frames", visitor.sign(ping, off_ms=-6_000)),
        refused("grammar"): lambda: other.post("/frames", b"{}"),
        refused("type"): lambda: visitor.send({**ping, "t": "dance"}),
        "frames_verified_total": lambda: visitor.send(ping),
        "keys_issued_total": visitor.fetch_key,
    }
    before = {name: hub.metric(name) for name in asks}
    for name, provoke in asks.items():
        provoke()
        counts = {other_name: hub.metric(other_name) for other_name in asks}
        changed = {other_name for other_name in asks if counts[other_name] != before[other_name]}
        assert changed == {name}
        assert counts[name] == before[name] + 1
        before = counts
    assert hub.metric(refused("replay")) >= 1


def test_limits_are_counted(start: Start, visit: Visit) -> None:
    """R78: ``rate_limit_hits``, for keys and for frames."""
    hub = start(keys_per_minute=1)
    visitor = visit(hub)
    assert hub.metric("rate_limit_hits_total") == 0
    for _ in range(3):
        visitor.http.post("/keys")
    assert hub.metric("rate_limit_hits_total") == 3
    for _ in range(12):
        visitor.send({"t": "ping", "id": "1", "conn": "none"})

    assert hub.metric("rate_limit_hits_total") == 5


def test_gauges_follow_what_is_open(start: Start, visit: Visit) -> None:
    hub = start()
    visitor = visit(hub)
    streams = [visitor.get_stream("a", "b"), visitor.post_stream(["b"])]
    for stream in streams:
        assert stream.conn
    names = ("connections", "sessions", "channels", "connections_opened_total", "draining")
    until(lambda: [hub.metric(name) for name in names] == [2, 1, 2, 2, 0])
    hub.publish("b", 1, 2)
    assert hub.metric("publications_total") == 2

    for stream in streams:
        stream.close()

    until(lambda: [hub.metric(name) for name in names] == [0, 0, 0, 2, 0])
    assert hub.metric('connections_closed_total{reason="gone"}') == 2


def test_no_peer_makes_a_new_series(hub: Running, visitor: Visitor, operator: httpx2.Client) -> None:
    """REQUIREMENTS §2.24: labels come from closed sets."""

    def series() -> set[str]:
        return set(re.findall(r"^(jitterbug_[^ ]+) ", operator.get("/metrics").text, re.MULTILINE))

    conn = visitor.post_stream().conn
    visitor.send({"t": "dance", "id": "1", "conn": conn})
    visitor.post("/frames", b"{}")
    before = series()
    for number in range(5):
        visitor.send({"t": f"dance-{number}", "id": "1", "conn": conn})
        visitor.send({"t": "report", "id": "1", "conn": conn, "kind": f"kind-{number}"})
        visitor.get_stream(f"new/{number}").close()

    assert {name.partition("{")[0] for name in series() - before} <= {
        "jitterbug_connections_closed_total",
        "jitterbug_connections_closed_created",
    }


@pytest.mark.parametrize("path", ["stream", "health", "nowhere"])
def test_a_websocket_is_spoken_at_its_own_path_only(kind: Kind, server: Running, path: str) -> None:
    """R11: a handshake where there is none gets an HTTP refusal."""
    headers = {
        "connection": "Upgrade",
        "upgrade": "websocket",
        "sec-websocket-version": "13",
        "sec-websocket-key": "AAAAAAAAAAAAAAAAAAAAAA==",
    }
    answer = ask("GET", f"{server.url}/api/jitterbug/{path}", headers=headers)

    assert_refused(answer, 404)
