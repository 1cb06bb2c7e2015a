"""A hub under attack holds no more than the formula says, and lets go of it all afterwards (docs/memory.md).

R57, REQUIREMENTS §2.4, §2.22, §2.26, §2.27, §4.7. Each test has a hub in a process of its own, attacks it over loopback
and asks it what is alive. ``JITTERBUG_ATTACK=20`` makes the floods twenty times as long.
"""

import contextlib
import json
import os
import time
from collections.abc import Iterator
from typing import Any, cast

import pytest

from jitterbug.protocol.codes import Down
from jitterbug.protocol.signing import FrameSigner
from jitterbug.server.memory import OWN_FRAMES, largest_bytes
from tests.security.memory_attackers import BASE, HOST, Line, push, unread
from tests.security.memory_hub import MeasuredHub
from tests.server.serving import Running
from tests.server.visitor import Visitor

pytestmark = pytest.mark.slow
LONGER = int(os.environ.get("JITTERBUG_ATTACK", "1"))
OPEN_RATES: dict[str, Any] = {
    "rate_capacity": 1_000_000,
    "rate_refill_per_s": 1_000_000.0,
    "max_connections_per_session": 1_000,
    "keys_per_minute": 1_000,
}
"""So that what lies behind the rate limit is attacked, too."""
SLACK_BYTES = 1_500_000
"""Caches that fill once, and what the allocator has not given back: not a share of any attack."""

VISITOR = range(2)
"""The sockets of one who asks now and then: its connection is kept a few seconds between two requests, then closed."""


@contextlib.contextmanager
def attacked(settings: dict[str, Any] | None = None, head_timeout_s: float = 10) -> Iterator[MeasuredHub]:
    """A hub that has served each kind of request once, so that nothing is measured that only the first one costs."""
    with MeasuredHub(settings, head_timeout_s=head_timeout_s) as hub:
        with visiting(hub) as visitor:
            stream = visitor.get_stream("warm")
            stream.control(Down.SUBSCRIBED)
            visitor.send({"t": "ping", "conn": stream.receiver.conn})
            visitor.http.delete("/session")
        hub.until(streams=0, sockets=0)
        hub.let_pass(60)
        hub.before = hub.until(deadlines=0)
        yield hub


def visiting(hub: MeasuredHub) -> Visitor:
    """Somebody with a login and a key."""
    visitor = Visitor(cast("Running", hub)).log_in()
    visitor.fetch_key()
    return visitor


def check(hub: MeasuredHub, held: dict[str, int], what: str, **counts: int) -> None:
    """What it holds is no more than the formula says for so many of each."""
    named = [(name.replace("_", " "), count) for name, count in counts.items()]
    most = largest_bytes(hub.config, 0, named)
    grown = held["bytes"] - hub.before["bytes"]
    # For the record: `pytest -s`.
    print(f"{what}: {grown:,} bytes held, {most:,} by the formula")  # noqa: T201
    assert grown <= most + SLACK_BYTES


def check_release(hub: MeasuredHub, **kept: int) -> None:
    """Afterwards its registries are where they were, but for those named, and so is its memory."""
    hub.let_pass(60)
    held = hub.until(streams=0, deadlines=0, **kept)
    names = ("tasks", "subscriptions", "joining", "by_address", "unsent", "own", "waiting")
    assert {name: held[name] for name in names} == dict.fromkeys(names, 0)


def test_slowloris_holds_a_bounded_socket_and_not_for_long() -> None:
    """§2.26: four hundred heads that never end, a byte now and then; and twenty as large as they may be."""
    with attacked(head_timeout_s=4) as hub:
        slow = [unread(hub, b"GET / HTTP/1.1\r\n" + HOST) for _ in range(400)]
        check(hub, hub.until(sockets=400), "slowloris, 400 sockets", socket=400)
        _ = [unread(hub, b"GET / HTTP/1.1\r\n" + HOST + (b"a:" + b"x" * 500 + b"\r\n") * 120) for _ in range(20)]
        held = hub.held()
        assert sum(push(sock, b"X") for sock in slow) >= 0
        check(hub, held, "slowloris, 20 fat heads", socket=420, head=20)
        hub.until(sockets=0)
        check_release(hub, sockets=0)
        check(hub, hub.held(), "slowloris, afterwards")


def test_readers_that_never_read_hold_a_bounded_buffer_and_are_cut() -> None:
    """R57, PROTOCOL §5: a hundred of them, three thousand publications; cut as ``slow`` within 30 s and a look."""
    settings = {**OPEN_RATES, "max_frames_per_tick": 50}
    streams = 100
    with attacked(settings) as hub, visiting(hub) as visitor:
        path = b"%b/stream?kid=%b&channel=flood" % (BASE, visitor.kid.encode())
        ask = b"GET %b HTTP/1.1\r\n%bCookie: %b\r\n\r\n" % (path, HOST, visitor.cookie.encode())
        _ = [unread(hub, ask) for _ in range(streams)]
        hub.until(streams=streams, subscriptions=streams)
        for _ in range(20):
            hub.ask("publish", "flood", 150, "x" * 500)
        held = hub.held()
        assert held["unsent"] > 65_536, "they are not deaf enough"
        assert held["waiting"] == hub.config.buffer_frames
        check(
            hub, held, f"{streams} deaf streams", stream=streams, unsent=streams, waiting=streams, subscription=streams,
            publication=held["history"] + hub.config.buffer_frames, channel=2,
        )  # fmt: skip
        for _ in range(4):
            hub.let_pass(16)
            time.sleep(0.2)  # a few ticks, which is when it looks
        after = hub.until(streams=0, sockets=VISITOR)
        check_release(hub)
        check(hub, hub.held(), "deaf streams, afterwards", publication=after["history"], channel=2, socket=1)


def test_forged_frames_and_unknown_keys_leave_nothing_behind() -> None:
    """§2.1, §2.18: a stranger's signature, kids that nobody made, on every route that takes one."""
    with attacked(OPEN_RATES) as hub, visiting(hub) as visitor, Line(hub, visitor.cookie) as line:
        stream = visitor.get_stream("a")
        stream.control(Down.SUBSCRIBED)
        payload = {"t": "ping", "conn": stream.receiver.conn}
        assert visitor.send(payload).status_code == 200
        before = hub.held()
        for number in range(3_000 * LONGER):
            kid = visitor.kid if number % 2 else f"{number:052}"
            frame = FrameSigner(kid, b"x" * 32).sign(payload, hub.push.clock.now_ms())
            assert line.ask(b"POST", b"/frames", frame) == 401
        for number in range(500 * LONGER):
            assert line.ask(b"GET", b"/stream?kid=%052d&channel=c%d" % (number, number)) == 401
            assert line.ask(b"POST", b"/publish", FrameSigner(f"{number:052}", b"x" * 32).sign({}, 0)) == 401
        held = hub.held()
        for name in ("nonces", "channels", "windows", "strays", "logins", "streams", "revoked"):
            assert held[name] == before[name], name
        check(hub, held, "forged frames", stream=1, subscription=1, channel=2, socket=2)


def test_frames_rightly_signed_fill_no_queue() -> None:
    """§2.26: each of their kinds, as fast as they go, to a reader that never reads."""
    with attacked(OPEN_RATES) as hub, visiting(hub) as visitor, Line(hub, visitor.cookie) as line:
        ear = visitor.get_stream("a", receive_buffer_bytes=2_048)
        ear.control(Down.SUBSCRIBED)
        conn, most_own, sent = ear.receiver.conn, 0, 0
        names = [f"{'c' * 100}{number:028}" for number in range(90)]
        for number in range(3_000 * LONGER):
            kind = ("sub", "unsub", "ping", "report", "confirm")[number % 5] if number > 500 else "sub"
            ask: dict[str, Any] = {"t": kind, "id": str(number), "conn": conn}
            if kind in {"sub", "unsub"}:
                ask["ch"] = names[number // 5 % 90]
            if kind == "report":
                ask |= {"kind": "gap", "count": 1}
            if line.ask(b"POST", b"/frames", visitor.sign(ask)) != 200:
                break
            sent += 1
            if number % 250 == 0:
                most_own = max(most_own, hub.held()["own"])
        held = hub.held()
        assert sent > 1_000
        assert most_own <= OWN_FRAMES
        assert held["nonces"] <= sent + 2
        check(
            hub, held, f"{sent} signed frames", stream=1, unsent=1, own=1, subscription=100, channel=held["channels"],
            nonce=held["nonces"], stray=2, socket=2,
        )  # fmt: skip
        ear.close()
        hub.until(streams=0)
        check_release(hub)


def test_logins_and_channels_in_crowds_cost_what_they_are_said_to() -> None:
    """§2.27: logins opened and ended, each with a key; channels published to once and never again."""
    with attacked(OPEN_RATES) as hub:
        kept = 300 * LONGER
        with Line(hub) as line:
            for _ in range(kept):
                assert line.ask(b"POST", b"/session") == 204
        for _ in range(50):
            with visiting(hub) as visitor:
                visitor.http.delete("/session")
        channels = 1_000 * LONGER
        for number in range(channels):
            hub.ask("publish", f"{'c' * 100}{number}", 1, "x" * 500)
        held = hub.held()
        assert held["channels"] >= channels
        check(
            hub, held, f"{kept} logins, {channels} channels", login=held["logins"], channel=held["channels"],
            publication=held["history"], revocation=held["revoked"], window=held["windows"], hit=100,
            stray=held["strays"], socket=4,
        )  # fmt: skip
        hub.let_pass(700)
        with visiting(hub) as visitor:
            visitor.http.delete("/session")
        check_release(hub, revoked=1)


def test_a_flood_of_small_things_is_not_kept() -> None:
    """§2.26: requests without end, headers without end, trailers without end; nobody reads the answers."""
    chunked = b"POST /nope HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\n0\r\n"
    with attacked() as hub:
        pieces = [(b"", b"GET / HTTP/1.1\r\n\r\n"), (b"GET / HTTP/1.1\r\n", b"a:\r\n"), (chunked, b"a:b\r\n")]
        for first, piece in pieces * 5:
            sock = unread(hub, first)
            time.sleep(0.05)
            sock.settimeout(0.2)
            with contextlib.suppress(ConnectionError, TimeoutError):
                for _ in range(20 * LONGER):
                    sock.sendall(piece * 5_000)
        check(hub, hub.held(), "15 floods of small things", socket=15, head=15, request=15 * 17)


def test_garbage_is_not_kept() -> None:
    """§2.26: no HTTP at all, heads too long, bodies that are announced, chunked or nested without end."""
    with attacked(OPEN_RATES) as hub, visiting(hub) as visitor:
        cookie = b"Cookie: %b\r\n" % visitor.cookie.encode()
        chunked = b"POST %b/frames HTTP/1.1\r\n%b%bTransfer-Encoding: chunked\r\n" % (BASE, HOST, cookie)
        chunked += b"Content-Type: application/json\r\n\r\n"
        deep = b"[" * 32_000
        kinds = [
            b"\x16\x03\x01" + os.urandom(5_000),
            b"GET / HTTP/1.1\r\n" + HOST + b"X: " + b"y" * 500_000,
            b"GET /" + b"y" * 500_000,
            chunked + b"10000\r\n" + b"z" * 65_536 + b"\r\n" + b"10000\r\n" + b"z" * 65_536,
            chunked + b"ffffffffffffffff\r\n" + b"z" * 500_000,
            b"POST %b/stream HTTP/1.1\r\n%b%bContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b"
            % (BASE, HOST, cookie, len(deep), deep),
            json.dumps({"kid": "x"}).encode() * 1_000,
        ]
        peak = 0
        for _ in range(5 * LONGER):
            crowd = [unread(hub, b"") for _ in kinds]
            for sock, data in zip(crowd, kinds, strict=True):
                with contextlib.suppress(ConnectionError):
                    sock.sendall(data)
            peak = max(peak, hub.held()["peak"])
            for sock in crowd:
                sock.close()
        held = hub.until(sockets=VISITOR, tasks=0)
        check(hub, {**held, "bytes": peak}, "garbage, at its peak", socket=len(kinds) + 1, head=len(kinds))
        check(hub, held, "garbage, afterwards", socket=1)
