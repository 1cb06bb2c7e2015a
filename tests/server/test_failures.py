"""When something breaks: fixed words for the peer, the cause in the log, nothing passed unchecked (R12, R64)."""

from collections.abc import Callable
from typing import Any

import pytest

from jitterbug import Session, StoreError
from jitterbug.clock import SystemClock
from jitterbug.protocol.codes import Down
from jitterbug.stores.memory import MemoryStore
from tests.server.answers import assert_refused, causes
from tests.server.conftest import Start
from tests.server.serving import Kind, until
from tests.server.visitor import Visitor

Visit = Callable[..., Visitor]
Log = pytest.LogCaptureFixture


class FailingStore(MemoryStore):
    """A store that can be unplugged: everything it is asked then fails, as a broken connection does."""

    def __init__(self) -> None:
        super().__init__(SystemClock())
        self.is_away = False

    def _ask(self) -> None:
        if self.is_away:
            raise StoreError("connection to 10.1.2.3:6379 lost")

    async def append(self, *args: Any, **options: Any) -> Any:
        self._ask()
        return await super().append(*args, **options)

    async def read(self, *args: Any) -> Any:
        self._ask()
        return await super().read(*args)

    async def claim(self, *args: Any) -> bool:
        self._ask()
        return await super().claim(*args)

    async def admit(self, *args: Any) -> float:
        self._ask()
        return await super().admit(*args)


def test_without_its_store_a_hub_refuses(start: Start, visit: Visit, log: Log) -> None:
    """R12, R64, R60: keys and frames are refused with 503, then served again; the cause stands in the log alone."""
    store = FailingStore()
    hub = start(store=store)
    visitor = visit(hub)
    stream = visitor.post_stream(["a"])
    conn = stream.conn
    asks = {
        "keys": lambda: visitor.http.post("/keys"),
        "ping": lambda: visitor.send({"t": "ping", "id": "1", "conn": conn}),
        "pub": lambda: visitor.send({"t": "pub", "id": "2", "conn": conn, "ch": "a", "data": 1}),
        "sub": lambda: visitor.send({"t": "sub", "id": "3", "conn": conn, "ch": "b"}),
    }
    store.is_away = True
    for ask in asks.values():
        request_id = assert_refused(ask(), 503)
        assert request_id in log.text
        assert "10.1.2.3" in "\n".join(record.exc_text or "" for record in log.records if request_id in record.message)
    store.is_away = False

    assert [ask().status_code for ask in asks.values()] == [200] * 4
    assert stream.take(1) == [1]


def test_a_failed_key_request_of_a_login_is_counted(start: Start, visit: Visit) -> None:
    """R78: ``key_fetch_failures`` counts what a valid session was not given; a stranger's request is none."""
    store = FailingStore()
    hub = start(store=store)
    visitor = visit(hub)
    before = hub.metric("key_fetch_failures_total")

    store.is_away = True
    for _ in range(3):
        assert_refused(visitor.http.post("/keys"), 503)
    store.is_away = False
    with Visitor(hub) as stranger:
        assert_refused(stranger.http.post("/keys"), 401)
    visitor.fetch_key()

    assert hub.metric("key_fetch_failures_total") == before + 3


def test_a_stream_that_cannot_read_its_channel_ends(kind: Kind, start: Start, visit: Visit, log: Log) -> None:
    """R12, R64: it is open already, so all there is left is to end it; nothing stays behind."""
    store = FailingStore()
    server = start(kind, store=store)
    visitor = visit(server)
    store.is_away = True

    for stream in (visitor.get_stream("a"), visitor.post_stream(["a"])):
        stream.wait_for_end()
        assert not stream.controls(Down.SUBSCRIBED)
        assert stream.head is not None
        assert stream.head.headers["x-request-id"] in log.text
    until(lambda: server.connections() == 0, limit_s=1)
    store.is_away = False
    with visitor.post_stream(["a"]) as stream:
        stream.control(Down.SUBSCRIBED)


@pytest.mark.parametrize("is_async", [False, True])
def test_a_resolver_that_fails_lets_nobody_in(start: Start, log: Log, *, is_async: bool) -> None:
    """R12, R64: 500, in the one generic body."""

    def fail(_request: Any) -> Session:
        raise LookupError("no row for user 4711 in table users")

    async def fail_later(_request: Any) -> Session:
        raise LookupError("no row for user 4711 in table users")

    with Visitor(start(session=fail_later if is_async else fail)) as visitor:
        for method, path in (("POST", "/keys"), ("GET", "/stream"), ("POST", "/stream"), ("POST", "/frames")):
            request_id = assert_refused(visitor.http.request(method, path), 500)
            assert request_id in causes(log, request_id)
    assert "4711" in log.text


@pytest.mark.parametrize("is_async", [False, True])
def test_a_rule_that_fails_refuses(start: Start, visit: Visit, log: Log, *, is_async: bool) -> None:
    """R12, R64: as if it had said no, for that channel alone, and the cause is in the log."""

    def rule(_session: Session, _action: str, channel: str) -> bool:
        if channel == "broken":
            raise KeyError("column tenant_4711")
        return True

    async def rule_later(session: Session, action: str, channel: str) -> bool:
        return rule(session, action, channel)

    hub = start(authorize=rule_later if is_async else rule)
    visitor = visit(hub)
    stream = visitor.get_stream("broken", "a")

    assert stream.control(Down.SUBSCRIBED)["ch"] == "a"
    refused = stream.control(Down.UNSUBSCRIBED)
    assert (refused["ch"], refused["reason"]) == ("broken", "unauthorized")
    for payload in ({"t": "sub", "ch": "broken"}, {"t": "pub", "ch": "broken", "data": 1}):
        assert_refused(visitor.send({"id": "1", "conn": stream.conn, **payload}), 401)
    assert "tenant_4711" in log.text
    assert not stream.faults()


@pytest.mark.parametrize("verdict", [None, 1, "yes", [True], {"allow": True}])
def test_only_true_allows(start: Start, visit: Visit, verdict: Any) -> None:
    """REQUIREMENTS §2.30: default deny, a rule's slip included."""

    def rule(_session: Session, _action: str, _channel: str) -> bool:
        return verdict

    stream = visit(start(authorize=rule)).get_stream("a")

    assert stream.control(Down.UNSUBSCRIBED)["ch"] == "a"
    assert not stream.controls(Down.SUBSCRIBED)


def test_an_unseen_channel_and_one_that_does_not_exist_answer_alike(start: Start, visit: Visit) -> None:
    """PROTOCOL §7: to the byte, but for names and numbers; by stream, by ``sub`` and by ``pub``."""

    def rule(session: Session, _action: str, channel: str) -> bool:
        return channel == "open"

    hub = start(authorize=rule)
    hub.publish("secret", *range(20))
    visitor = visit(hub)
    stream = visitor.post_stream(["open", "secret", "absent"])
    stream.wait_for(lambda: len(stream.controls(Down.UNSUBSCRIBED)) == 2)

    told = [{**payload, "seq": 0, "ch": ""} for payload in stream.controls(Down.UNSUBSCRIBED)]
    assert told[0] == told[1]
    for kind in ({"t": "sub"}, {"t": "sub", "since": ["epoch", 3]}, {"t": "pub", "data": 1}):
        answers = [visitor.send({"id": "1", "conn": stream.conn, "ch": name, **kind}) for name in ("secret", "absent")]
        assert [assert_refused(answer, 401) != "" for answer in answers] == [True, True]
        hidden = {"x-request-id", "date"}
        heads = [{name: value for name, value in answer.headers.items() if name not in hidden} for answer in answers]
        assert heads[0] == heads[1]


def test_a_failing_listener_disturbs_nobody(start: Start, visit: Visit, log: Log) -> None:
    """A fact is told to metrics and audit; one that breaks does not break the request."""
    hub = start()

    def listener(_fact: Any) -> None:
        raise RuntimeError("audit disk is full")

    hub.do(hub.push.hub.facts.listen, listener)

    assert visit(hub).kid
    assert "audit disk is full" in log.text
