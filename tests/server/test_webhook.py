"""Alerts to an address of the operator's: signed, in order, retried, and never in the hub's way (R79-R82)."""

import asyncio
import base64
import itertools
import logging
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jitterbug.clock import SystemClock
from jitterbug.config import Secret
from jitterbug.errors import SettingError
from jitterbug.server import webhook
from jitterbug.server.webhook import RETRY_AFTER_S, Webhook, sign, webhook_key
from jitterbug.telemetry.alerts import Alert
from tests.looped import in_loop
from tests.server.receiver import SECRET, SECRET_TEXT, Delivery, Receiver

AT_ONCE = (0.0,) * 5


def alert(number: int = 0) -> Alert:
    return Alert("auth_failures", f"Number {number}.", 1_784_636_400_000, "192.0.2.1", 11)


def hook(url: str, retry_after_s: Sequence[float] = AT_ONCE) -> Webhook:
    return Webhook(url, Secret(SECRET_TEXT.encode()), SystemClock(), retry_after_s=retry_after_s)


async def until(condition: Callable[[], object], limit_s: float = 15) -> None:
    async with asyncio.timeout(limit_s):
        while not condition():  # noqa: ASYNC110 - another thread makes it true
            await asyncio.sleep(0.005)


def done(subject: Webhook) -> Callable[[], bool]:
    return lambda: subject._task is not None and subject._task.done()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as receiver:
        yield receiver


@given(st.integers(24, 64).map(os.urandom), st.text("abcxyz_0", min_size=1), st.integers(0, 2**40), st.binary())
@settings(max_examples=50)
def test_a_signature_is_what_standard_webhooks_say(secret: bytes, webhook_id: str, at_s: int, body: bytes) -> None:
    key = webhook_key(Secret(b"whsec_" + base64.b64encode(secret)))
    headers = sign(key, webhook_id, at_s, body)

    assert Delivery("/", headers, body).is_signed_by(secret)
    assert not Delivery("/", headers, body + b" ").is_signed_by(secret)
    assert not Delivery("/", {**headers, "webhook-timestamp": str(at_s + 1)}, body).is_signed_by(secret)
    assert not Delivery("/", {**headers, "webhook-id": webhook_id + "1"}, body).is_signed_by(secret)


@pytest.mark.parametrize(
    "text", [b"", b"whsec_", b"whsec_!", b"\xff\xfe", "whsec_é".encode(), b"whsec_" + base64.b64encode(bytes(23)),
             b"whsec_" + base64.b64encode(bytes(32))[:-1], b"whsec_" + base64.b64encode(bytes(24)),
             b"whsec_" + base64.b64encode(b"this is the documentation sample"), SECRET_TEXT.encode() + b"\n"],
)  # fmt: skip
def test_a_secret_that_will_not_do_is_refused_and_not_quoted(text: bytes) -> None:
    """R73."""
    with pytest.raises(SettingError) as caught:
        webhook_key(Secret(text))
    assert caught.value.setting == "JITTERBUG_ALERT_WEBHOOK_SECRET"
    assert caught.value.__cause__ is None
    assert len(text) < 8 or text.decode("latin-1") not in str(caught.value)


def test_an_alert_is_delivered_signed(receiver: Receiver) -> None:
    """R79-R82."""

    @in_loop
    async def run() -> None:
        subject = hook(receiver.url)
        subject(alert())
        await until(done(subject))
        assert subject.failed == 0

    run()
    (delivery,) = receiver.deliveries
    assert delivery.is_signed_by(SECRET)
    assert abs(int(delivery.headers["webhook-timestamp"]) - time.time()) < 60
    assert delivery.headers["content-type"] == "application/json"
    assert delivery.json() == {"type": "jitterbug.alert.auth_failures", "data": alert().to_json()}
    assert delivery.path == "/hooks/jitterbug"
    assert "cookie" not in delivery.headers


@pytest.mark.parametrize("status", [500, 503, 404, 301, 307])
def test_a_refused_one_is_tried_again_under_the_same_id(receiver: Receiver, status: int) -> None:
    """And no redirect is followed: whoever answers does not choose where alerts go."""
    receiver.statuses = [status, status]

    @in_loop
    async def run() -> None:
        subject = hook(receiver.url)
        subject(alert(1))
        subject(alert(2))
        await until(done(subject))
        assert subject.failed == 0

    run()
    assert [delivery.json()["data"]["text"] for delivery in receiver.deliveries] == ["Number 1."] * 3 + ["Number 2."]
    assert len({delivery.id for delivery in receiver.deliveries[:3]}) == 1
    assert receiver.deliveries[3].id != receiver.deliveries[0].id
    assert all(delivery.is_signed_by(SECRET) for delivery in receiver.deliveries)
    assert {delivery.path for delivery in receiver.deliveries} == {"/hooks/jitterbug"}


def test_it_waits_longer_each_time(receiver: Receiver) -> None:
    receiver.statuses = [500] * 3

    @in_loop
    async def run() -> None:
        subject = hook(receiver.url, (0.05, 0.1, 0.2))
        subject(alert())
        await until(done(subject))

    run()
    times = [delivery.at_s for delivery in receiver.deliveries]
    pauses = [after - before for before, after in itertools.pairwise(times)]
    assert all(pause >= least for pause, least in zip(pauses, (0.04, 0.08, 0.16), strict=True))
    assert list(RETRY_AFTER_S) == sorted(RETRY_AFTER_S)


def test_after_every_retry_it_is_given_up_and_the_next_one_comes(
    receiver: Receiver, caplog: pytest.LogCaptureFixture
) -> None:
    receiver.statuses = [500] * 3

    @in_loop
    async def run() -> None:
        subject = hook(receiver.url, (0.0, 0.0))
        subject(alert(1))
        subject(alert(2))
        await until(done(subject))
        assert subject.failed == 1

    run()
    assert [delivery.json()["data"]["text"] for delivery in receiver.deliveries] == ["Number 1."] * 3 + ["Number 2."]
    assert caplog.text.count("given up") == 1


def test_a_refused_connection_is_tried_again_too() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]

    @in_loop
    async def run() -> None:
        subject = hook(f"http://127.0.0.1:{port}/", (0.0, 0.0))
        subject(alert())
        await until(done(subject))
        assert subject.failed == 1

    run()


def test_the_order_is_kept_and_later_alerts_start_it_again(receiver: Receiver) -> None:
    receiver.statuses = [204, 500, 204, 500]

    @in_loop
    async def run() -> None:
        subject = hook(receiver.url)
        for number in range(5):
            subject(alert(number))
        await until(done(subject))
        for number in range(5, 8):
            subject(alert(number))
        await until(done(subject))

    run()
    seen = list(dict.fromkeys(delivery.json()["data"]["text"] for delivery in receiver.deliveries))
    assert seen == [f"Number {number}." for number in range(8)]
    assert len({delivery.id for delivery in receiver.deliveries}) == 8


def test_the_queue_is_bounded_and_what_does_not_fit_is_counted(
    receiver: Receiver, caplog: pytest.LogCaptureFixture
) -> None:
    """The receiver does not answer: a hundred wait, none is forgotten silently, and the end does not wait for it."""
    receiver.hold.clear()

    @in_loop
    async def run() -> None:
        subject = hook(receiver.url)
        for number in range(250):
            subject(alert(number))
        assert (len(subject._waiting), subject.failed) == (100, 150)
        await until(lambda: receiver.deliveries)
        started_s = time.monotonic()
        await subject.stop()
        assert time.monotonic() - started_s < 1
        assert subject.failed == 250

    run()
    assert "100 alerts were not delivered" in caplog.text


def test_the_loop_goes_on_while_the_receiver_does_not_answer(receiver: Receiver) -> None:
    receiver.hold.clear()

    @in_loop
    async def run() -> None:
        subject, passes = hook(receiver.url), 0
        subject(alert())
        while not receiver.deliveries or passes < 1_000:
            await asyncio.sleep(0)
            passes += 1
        assert not done(subject)()
        receiver.hold.set()
        await until(done(subject))
        assert subject.failed == 0

    run()
    assert len(receiver.deliveries) == 1


def test_the_library_is_read_off_the_loop(receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    made_by: list[threading.Thread] = []
    make = webhook._client

    def noted() -> object:
        made_by.append(threading.current_thread())
        return make()

    monkeypatch.setattr(webhook, "_client", noted)

    @in_loop
    async def run() -> None:
        subject = hook(receiver.url)
        subject(alert())
        await until(done(subject))

    run()
    assert len(made_by) == 1
    assert made_by[0] is not threading.main_thread()


def test_a_receiver_that_drips_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    """The limit is on the whole exchange, not on each byte of it."""
    monkeypatch.setattr(webhook, "_TIMEOUT_S", 0.3)

    @in_loop
    async def run() -> None:
        is_over, gone = asyncio.Event(), asyncio.Event()

        async def drip(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(b"HTTP/1.1 200 OK\r\nx: ")
            while not is_over.is_set():
                writer.write(b"y")
                await asyncio.sleep(0.02)
            writer.close()
            gone.set()

        server = await asyncio.start_server(drip, "127.0.0.1", 0)
        subject = hook(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/", ())
        subject(alert())
        await until(done(subject), limit_s=5)
        assert subject.failed == 1
        is_over.set()
        await gone.wait()
        server.close()

    run()


def test_no_secret_gets_into_a_log_line(receiver: Receiver, caplog: pytest.LogCaptureFixture) -> None:
    """R4, R48: neither the key nor what is in the address, from our side or from the library's."""
    caplog.set_level(logging.DEBUG)
    receiver.statuses = [500]

    @in_loop
    async def run() -> None:
        subject = hook(receiver.url)
        subject(alert())
        await until(done(subject))
        assert SECRET_TEXT not in repr(vars(subject))

    run()
    told = "\n".join(f"{record.getMessage()} {record.exc_text} {record.args}" for record in caplog.records)
    for text in (SECRET_TEXT, SECRET_TEXT.removeprefix("whsec_"), SECRET.hex(), repr(SECRET)):
        assert text not in told
    ours = [record.getMessage() for record in caplog.records if record.name.startswith("jitterbug")]
    assert ours == ["Alert webhook: status 500"]


def test_as_the_hub_logs_the_address_shows_nowhere(receiver: Receiver) -> None:
    """The address of a chat's webhook is a secret itself; the HTTP client would tell it at INFO."""
    from jitterbug.cli import logs

    root, names = logging.getLogger(), ("httpx2", "uvicorn.error")
    before = root.handlers[:], root.level, [logging.getLogger(name).level for name in names]
    try:
        logs.set_up(as_json=True)
        assert not logging.getLogger("httpx2").isEnabledFor(logging.INFO)
    finally:
        root.handlers[:], level, levels = before[0], before[1], before[2]
        root.setLevel(level)
        for name, old in zip(names, levels, strict=True):
            logging.getLogger(name).setLevel(old)
