"""What a served hub records, and whom it tells: the audit trail, the alerts, and what happens without them."""

import resource
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from jitterbug import Jitterbug, Session
from jitterbug.clock import SystemClock
from jitterbug.config import Secret
from jitterbug.errors import UnfitError
from jitterbug.protocol.codes import Down
from jitterbug.server.webhook import Webhook
from jitterbug.telemetry.alerts import Alert
from jitterbug.telemetry.audit.record import kid_hash
from jitterbug.telemetry.audit.trail import AuditTrail
from jitterbug.telemetry.audit.verify import verify
from jitterbug.telemetry.events import Fact, FactCode, session_hash
from tests.server import serving
from tests.server.answers import assert_refused
from tests.server.conftest import Start, development
from tests.server.receiver import SECRET, SECRET_TEXT, Receiver
from tests.server.serving import Running, ask, until
from tests.server.visitor import Visitor
from tests.telemetry.trails import records

Visit = Callable[..., Visitor]
ADDRESS = "127.0.0.1"
DATA = "what-was-published-is-nobody-elses-business"


class Recorded:
    """A hub with a trail."""

    def __init__(self, path: Path, **options: Any) -> None:
        own = {name: options.pop(name) for name in list(options) if name in {"session", "authorize"}}
        self.path = path
        self.trail = AuditTrail(path, clock=SystemClock(), node="node-7")
        self.push = Jitterbug(config=development(**options), **own)
        self.trail.start()
        self.push.record(self.trail)
        self.hub = serving.start("transport", self.push)

    def stop(self) -> None:
        self.hub.stop()
        self.trail.stop()

    def told(self, event: str) -> list[dict[str, Any]]:
        """Records of a kind that are on disk by now."""
        return [record for record in records(self.path) if record["event"] == event]

    def all(self, event: str, **members: Any) -> list[dict[str, Any]]:
        """The records of a kind with these members, once one is on disk."""

        def found() -> list[dict[str, Any]]:
            return [record for record in self.told(event) if members.items() <= record.items()]

        until(found)
        return found()

    def one(self, event: str, **members: Any) -> dict[str, Any]:
        """The only such record; checks what every record has."""
        (record,) = self.all(event, **members)
        assert record["at"].endswith("Z")
        assert record["node"] == "node-7"
        assert record["outcome"] in {"done", "refused"}
        return record


@pytest.fixture
def recorded(tmp_path: Path) -> Iterator[Callable[..., Recorded]]:
    hubs: list[Recorded] = []

    def start(**options: Any) -> Recorded:
        hubs.append(Recorded(tmp_path / "audit.jsonl", **options))
        return hubs[-1]

    yield start
    for hub in hubs:
        hub.stop()


def login(visitor: Visitor) -> str:
    """The id of its session, which nobody else should see."""
    return visitor.cookie.partition("=")[2]


def test_r83_to_r87_each_kind_is_recorded_once_and_nothing_secret_in_it(
    recorded: Callable[..., Recorded], visit: Visit
) -> None:
    """R83-R87: pass and fail, key given, limit, security error, figures; with who, when, where, why."""
    subject = recorded(keys_per_minute=1)
    hub = subject.hub
    visitor = visit(hub)
    conn = visitor.post_stream(["a"]).conn
    who = {"address": ADDRESS, "session": session_hash(login(visitor)), "kid": kid_hash(visitor.kid)}

    def under(answer: Any) -> dict[str, Any]:
        return {**who, "request": answer.headers["x-request-id"]}

    ping = visitor.sign({"t": "ping", "id": "1", "conn": conn})
    publication = {"t": "pub", "id": "2", "conn": conn, "ch": "a", "data": DATA}
    good = visitor.post("/frames", ping)
    again = visitor.post("/frames", ping)
    forged = visitor.post("/frames", visitor.sign(publication).replace(DATA.encode(), DATA.upper().encode()))
    sent = visitor.send(publication)
    limited = visitor.http.post("/keys")
    stranger = ask("POST", f"{hub.url}/api/jitterbug/keys")
    foreign = ask("POST", f"{hub.url}/api/jitterbug/keys", headers={"origin": "https://evil.example"})
    unknown = visitor.post("/stream", b'{"kid":"%b"}' % (b"A" * 40))

    # Verification, passed and failed (R83).
    subject.one("frame_verified", reason="ping", outcome="done", conn=conn, count=1, **under(good))
    subject.one("frame_verified", reason="pub", outcome="done", **under(sent))
    subject.one("frame_refused", reason="replay", outcome="refused", **under(again))
    subject.one("frame_refused", reason="signature", outcome="refused", **under(forged))
    # A key (R84).
    issued = subject.one("key_issued", outcome="done", **who)
    assert issued["request"] in {answer.headers["x-request-id"] for answer in visitor.answers}
    # A limit (R85).
    no_kid = {name: value for name, value in under(limited).items() if name != "kid"}
    subject.one("rate_limited", reason="keys", outcome="refused", **no_kid)
    # Security errors (R86).
    nobody = {"address": ADDRESS, "request": stranger.headers["x-request-id"]}
    assert "session" not in subject.one("auth_failed", reason="session", outcome="refused", **nobody)
    nobody["request"] = foreign.headers["x-request-id"]
    subject.one("connection_refused", reason="foreign origin", outcome="refused", **nobody)
    stray = {**under(unknown), "kid": kid_hash("A" * 40)}
    subject.one("connection_refused", reason="key", outcome="refused", **stray)
    # Figures (R87).
    figures = subject.one("performance", outcome="done")["figures"]
    assert figures.keys() == {"connections", "dropped_frames", "sent_frames", "tick_delay_ms"}

    subject.stop()
    text = subject.path.read_text("ascii")
    assert verify(subject.path).fault is None
    keys = [
        record.json()["secret"] for record in visitor.answers if record.url.path.endswith("/keys") and record.is_success
    ]
    assert len(keys) == 1
    for secret in (login(visitor), visitor.kid, DATA, DATA.upper(), "A" * 40, "evil.example", ping.decode(), *keys):
        assert secret not in text


def test_r84_a_key_that_ends_is_recorded(recorded: Callable[..., Recorded], visit: Visit) -> None:
    """Once, for the connection that had it."""
    subject = recorded(key_ttl_s=1)
    visitor = visit(subject.hub)
    stream = visitor.post_stream(["a"])
    stream.control(Down.BYE)
    who = {"session": session_hash(login(visitor)), "kid": kid_hash(visitor.kid), "address": ADDRESS}

    assert subject.one("key_expired", conn=stream.conn, outcome="done", **who)


def test_r86_what_breaks_inside_is_recorded_with_the_address(recorded: Callable[..., Recorded]) -> None:
    def fail(_request: Any) -> Session:
        raise LookupError("no row for user 4711")

    subject = recorded(session=fail)
    answer = ask("POST", f"{subject.hub.url}/api/jitterbug/keys")

    assert_refused(answer, 500)
    request_id = answer.headers["x-request-id"]
    subject.one("internal_error", reason="LookupError", address=ADDRESS, request=request_id, outcome="refused")
    assert "4711" not in subject.path.read_text()


def test_r87_figures_are_what_was_done(start: Start, visit: Visit) -> None:
    """Frames sent go on counting when a stream is gone; the delay is the worst since the last record."""
    hub = start()
    facts: list[Fact] = []
    hub.do(hub.push.hub.facts.listen, facts.append)

    def figures() -> dict[str, int]:
        hub.do(hub.push.hub.tell_performance)
        told = [fact.figures for fact in facts if fact.code is FactCode.PERFORMANCE]
        assert told[-1] is not None
        return dict(told[-1])

    before = figures()
    stream = visit(hub).post_stream(["a"])
    assert stream.control(Down.SUBSCRIBED)
    hub.publish("a", 1, 2, 3)
    stream.take(3)
    during = figures()
    stream.close()
    until(lambda: hub.connections() == 0)
    after = figures()

    assert (before["connections"], during["connections"], after["connections"]) == (0, 1, 0)
    assert during["sent_frames"] == before["sent_frames"] + 5, "hello, subscribed, three publications"
    assert after["sent_frames"] == during["sent_frames"]
    hub.do(time.sleep, 0.3)

    def worst_ms() -> int:
        figures()
        # The hub's own first record comes with its first tick, and may be the one that says it.
        return max(fact.figures["tick_delay_ms"] for fact in facts if fact.figures is not None)

    until(lambda: worst_ms() >= 100)


def test_r87_they_come_once_a_minute_and_are_not_published(hub: Running, visitor: Visitor) -> None:
    emitters = {emitter.id: emitter for emitter in hub.push.hub.emitters}
    assert emitters["performance"].every_ns == 60 * 10**9
    with visitor.post_stream(["$sys/performance"]) as stream:
        stream.control(Down.SUBSCRIBED)
        hub.do(hub.push.hub.tell_performance)
        stream.watch(0.2)
        assert stream.publications() == []


def full_disk(limit_bytes: int) -> Callable[[], None]:
    """Let files of this process grow no further, as a full disk would; the return value makes room again."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit_bytes, before[1]))

    def clear() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)

    return clear


def test_r12_while_nothing_can_be_recorded_keys_and_frames_are_refused(
    recorded: Callable[..., Recorded], visit: Visit
) -> None:
    """503, readiness gone, and all is served again as soon as there is room, without anybody's doing."""
    subject = recorded(keys_per_minute=1_000)
    visitor = visit(subject.hub)
    conn = visitor.post_stream(["a"]).conn
    socket = visitor.socket("a")
    socket.control(Down.SUBSCRIBED)
    asks: list[Callable[[], Any]] = [
        lambda: visitor.http.post("/keys"),
        lambda: visitor.send({"t": "ping", "id": "1", "conn": conn}),
        lambda: visitor.post("/publish", b"{}"),
        lambda: visitor.http.post("/session"),
        lambda: ask("POST", f"{subject.hub.url}/api/jitterbug/keys"),
    ]
    until(lambda: len(subject.told("connection_opened")) == 2)
    clear = full_disk(10)
    try:
        # Mostly this one meets the full disk; where the trail's own next record did so before, it is refused as well.
        refusals = 1 + (visitor.http.post("/keys").status_code == 503)
        until(lambda: not subject.trail.is_healthy)
        for deed in asks:
            assert_refused(deed(), 503)
        socket.send(visitor.sign({"t": "ping", "id": "2", "conn": socket.conn}))
        assert socket.answer() == {"t": "err", "id": "2", "code": "internal error"}
        with pytest.raises(UnfitError):
            subject.hub.publish("a", 1)
        assert ask("GET", f"{subject.hub.admin_url}/health/ready").status_code == 503
        assert ask("GET", f"{subject.hub.admin_url}/health/live").status_code == 200
        assert_refused(ask("GET", f"{subject.hub.url}/api/jitterbug/health"), 503)
        assert subject.hub.metric("fit") == 0
        subject.trail.lost += 7
        assert subject.hub.metric("audit_records_lost_total") == 7
        subject.push.webhook_failures = lambda: 3
        assert subject.hub.metric("alert_webhook_failures_total") == 3
    finally:
        clear()
    until(lambda: subject.trail.is_healthy)
    assert subject.hub.metric("fit") == 1

    assert [deed().status_code for deed in asks[:2]] == [200, 200]
    assert ask("GET", f"{subject.hub.admin_url}/health/ready").status_code == 200
    refused = subject.all("key_refused", reason="unfit", session=session_hash(login(visitor)), address=ADDRESS)
    assert [record["outcome"] for record in refused] == ["refused"] * refusals
    subject.stop()
    assert verify(subject.path).fault is None


def test_r12_a_trail_that_was_never_started_lets_nothing_through(start: Start, tmp_path: Path) -> None:
    hub = start()
    hub.do(hub.push.record, AuditTrail(tmp_path / "audit.jsonl", clock=SystemClock(), node="n"))
    assert_refused(ask("POST", f"{hub.url}/api/jitterbug/session"), 503)


# Alerts.


def test_r81_an_alert_reaches_log_trail_stream_metric_listener_and_webhook(
    recorded: Callable[..., Recorded], visit: Visit, log: pytest.LogCaptureFixture
) -> None:
    """R79-R82: a replay, seen as verified frame on ``$sys/alerts`` and as a signed delivery; a forged copy is none."""
    subject = recorded()
    hub, heard = subject.hub, []

    def broken(_alert: Alert) -> None:
        raise RuntimeError("pager is out of order")

    with Receiver() as receiver:
        webhook = Webhook(receiver.url, Secret(SECRET_TEXT.encode()), SystemClock())
        for listener in (broken, heard.append, webhook):
            hub.do(hub.push.on_alert, listener)
        visitor, watcher = visit(hub), visit(hub)
        alerts = watcher.post_stream(["$sys/alerts"])
        alerts.control(Down.SUBSCRIBED)
        ping = visitor.sign({"t": "ping", "id": "1", "conn": visitor.post_stream().conn})
        visitor.post("/frames", ping)
        for number in range(3):
            assert_refused(visitor.post("/frames", ping.replace(b'"id":"1"', b'"id":"%d"' % (number + 2))), 401)
        assert heard == []
        assert_refused(visitor.post("/frames", ping), 401)

        (published,) = alerts.take(1)
        until(lambda: receiver.deliveries)
        (delivery,) = receiver.deliveries
        hub.wait_for(webhook.stop())
    who = session_hash(login(visitor))
    assert [(alert.rule, alert.subject) for alert in heard] == [("replay", who)]
    assert published == heard[0].to_json()
    assert not alerts.faults()
    assert delivery.is_signed_by(SECRET)
    assert delivery.json() == {"type": "jitterbug.alert.replay", "data": published}
    assert subject.one("alert", reason="replay", session=who)
    assert f"ALERT replay: {heard[0].text} ({who}, 1)" in log.text
    assert "pager is out of order" in log.text
    assert hub.metric('alerts_total{rule="replay"}') == 1


def test_r79_the_eleventh_stranger_from_one_address(recorded: Callable[..., Recorded]) -> None:
    subject = recorded()
    heard: list[Alert] = []
    subject.hub.do(subject.push.on_alert, heard.append)
    for _ in range(10):
        ask("POST", f"{subject.hub.url}/api/jitterbug/keys")
    assert heard == []
    for _ in range(10):
        ask("POST", f"{subject.hub.url}/api/jitterbug/keys")

    assert [(alert.rule, alert.subject, alert.count) for alert in heard] == [("auth_failures", ADDRESS, 11)]
    assert subject.one("alert", reason="auth_failures", address=ADDRESS)["count"] == 11


def test_r80_six_of_ten_connections_that_meet_a_limit(start: Start, visit: Visit) -> None:
    hub = start(rate_refill_per_s=0.001)
    heard: list[Alert] = []
    hub.do(hub.push.on_alert, heard.append)
    visitor = visit(hub)
    conns = [visitor.post_stream().conn for _ in range(10)]

    def overrun(conn: str) -> None:
        assert [visitor.send({"t": "ping", "id": "1", "conn": conn}).status_code for _ in range(11)][-1] == 429

    for conn in conns[:5]:
        overrun(conn)
    hub.do(lambda: [source.source() for source in hub.push.hub.emitters if source.id == "alerts"])
    assert heard == []
    overrun(conns[5])
    hub.do(lambda: [source.source() for source in hub.push.hub.emitters if source.id == "alerts"])
    assert [(alert.rule, alert.count) for alert in heard] == [("rate_limits", 6)]


def test_r82_two_of_twenty_one_key_requests(start: Start, visit: Visit) -> None:
    hub = start(keys_per_minute=19)
    heard: list[Alert] = []
    hub.do(hub.push.on_alert, heard.append)
    visitor = visit(hub)
    assert [visitor.http.post("/keys").status_code for _ in range(19)] == [200] * 18 + [429]
    for _ in range(5):
        ask("POST", f"{hub.url}/api/jitterbug/keys")
    assert heard == []
    assert visitor.http.post("/keys").status_code == 429
    assert [(alert.rule, alert.count) for alert in heard] == [("key_failures", 2)]
