"""Stopping: every stream is told when to come back, and nothing open keeps the process (PROTOCOL §5)."""

import json
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import httpx2
import pytest

from jitterbug.protocol.codes import Down
from tests.server.answers import assert_refused
from tests.server.conftest import Start
from tests.server.serving import Kind, Running, ask, until
from tests.server.visitor import JSON, Visitor
from tests.server.wire import OpenStream

Visit = Callable[..., Visitor]
DRAIN_S = 0.6
SCRIPT = """
from jitterbug import Config
from jitterbug.server.run import run
from jitterbug.settings import Settings

config = Config(development=True, drain_s=0.3)
settings = Settings(config=config, bind=("127.0.0.1", 0), admin_bind=("127.0.0.1", 0))
raise SystemExit(run(settings, lambda listening: print(listening.url, listening.admin_url, flush=True)))
"""


def fifty(server: Running, visit: Visit) -> list[OpenStream]:
    visitors = [visit(server) for _ in range(2)]
    streams = [visitor.post_stream(["a"]) for visitor in visitors for _ in range(25)]
    for stream in streams:
        stream.control(Down.SUBSCRIBED)
    return streams


def test_fifty_streams_are_let_go_one_after_the_other(kind: Kind, start: Start, visit: Visit) -> None:
    """``bye`` ``shutdown`` with a jittered ``retry``, spread over the drain time; then the server ends."""
    server = start(kind, drain_s=DRAIN_S)
    streams = fifty(server, visit)
    started_s = time.monotonic()

    server.ask_to_stop()
    for stream in streams:
        stream.wait_for_end()
    took_s = server.stop() + time.monotonic() - started_s

    byes = [stream.control(Down.BYE) for stream in streams]
    assert {bye["reason"] for bye in byes} == {"shutdown"}
    assert len({bye["retry"] for bye in byes}) > 25
    assert all(0 < bye["retry"] <= 5_000 for bye in byes)
    assert all(stream.is_over and not stream.faults() for stream in streams)
    sent_ms = sorted(json.loads(stream.blocks()[-1].partition(b"data: ")[2])["ts"] for stream in streams)
    assert DRAIN_S * 700 < sent_ms[-1] - sent_ms[0] < DRAIN_S * 1_500
    assert took_s < DRAIN_S + 2


def test_the_last_farewell_is_not_waited_for(start: Start, visit: Visit) -> None:
    """One open page does not make Ctrl-C last the whole drain time."""
    server = start(drain_s=60)
    stream = visit(server).post_stream()
    assert stream.conn

    assert server.stop() < 2
    assert stream.control(Down.BYE)["reason"] == "shutdown"


def test_a_draining_hub_opens_nothing_and_says_so(start: Start, visit: Visit) -> None:
    """PROTOCOL §5: ready turns false at once; live stays true; what is open goes on until its turn comes."""
    hub = start(drain_s=DRAIN_S)
    visitor = visit(hub)
    stream = visitor.post_stream(["a"])
    stream.control(Down.SUBSCRIBED)
    hub.do(lambda: setattr(hub.push.hub, "is_draining", True))

    ready, live = (ask("GET", f"{hub.admin_url}/health/{name}") for name in ("ready", "live"))
    assert (ready.status_code, live.status_code) == (503, 200)
    assert_refused(visitor.http.get("/health"), 503)
    later = visitor.get_stream("a")
    later.wait_for_end()
    assert later.head is not None
    assert (later.head.status, later.body.startswith(b"retry: ")) == (200, True)
    answer = visitor.http.post("/stream", json={"kid": visitor.kid})
    assert_refused(answer, 503)
    assert int(answer.headers["retry-after"]) >= 1
    hub.publish("a", "still")
    assert stream.take(1) == ["still"]
    assert hub.metric("draining") == 1


def test_readers_that_take_nothing_do_not_hold_it_up(start: Start, visit: Visit) -> None:
    """Open streams never block it: one whose wire is full is cut."""
    server = start(drain_s=0.1, profile="realtime", rate_capacity=10_000, max_frames_per_tick=1_000)
    visitor = visit(server)
    deaf = visitor.get_stream("flood", receive_buffer_bytes=2_048)
    until(lambda: server.connections() == 1)
    for _ in range(60):
        server.publish("flood", *["x" * 900] * 10)
        time.sleep(0.005)

    assert server.stop() < 0.1 + 2
    deaf.close()


def test_idle_connections_do_not_hold_it_up(kind: Kind, start: Start) -> None:
    """Neither one that said nothing yet, nor one kept for another request."""
    server = start(kind)
    with socket.create_connection(("127.0.0.1", server.port)), Visitor(server) as visitor:
        assert visitor.http.get("/health").status_code == 200
        assert server.stop() < 2


def test_stopping_twice_is_stopping_once(start: Start, visit: Visit) -> None:
    server = start()
    stream = visit(server).post_stream()
    assert stream.conn
    server.stop()

    assert server.stop() < 0.1


@contextmanager
def process() -> Iterator[tuple[subprocess.Popen[str], str, str]]:
    """A hub in a process of its own, as the command line starts it."""
    with subprocess.Popen([sys.executable, "-c", SCRIPT], stdout=subprocess.PIPE, text=True) as child:
        try:
            assert child.stdout is not None
            url, admin_url = child.stdout.readline().split()
            yield child, url, admin_url
        finally:
            child.kill()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_in_order(number: signal.Signals) -> None:
    """Exit status 0 with a stream open, which gets its farewell; both listeners are gone."""
    with process() as (child, url, admin_url):
        with httpx2.Client(base_url=f"{url}/api/jitterbug", trust_env=False, verify=False) as client:
            assert client.post("/session").status_code == 204
            kid = client.post("/keys").json()["kid"]
            with client.stream("POST", "/stream", json={"kid": kid, "channels": {"a": None}}, headers=JSON) as stream:
                lines = stream.iter_lines()
                while '"t":"subscribed"' not in next(lines):
                    pass

                child.send_signal(number)

                rest = "".join(lines)
        assert '"reason":"shutdown"' in rest
        assert child.wait(5) == 0
        for listener in (url, admin_url):
            with pytest.raises(httpx2.ConnectError):
                ask("GET", listener)
