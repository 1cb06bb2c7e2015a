"""The browser client over WebSocket, in real Chromium, and how it gets there when a proxy keeps its stream back."""

import re
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page

from jitterbug.client import Position
from jitterbug.client.blocking import BlockingStream, connect
from tests.browser.buffering_proxy import BufferingProxy, Holds
from tests.browser.conftest import open_live
from tests.client.hub_process import HubProcess

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(90)]

CLIENT = Path(__file__).resolve().parents[2] / "js" / "dist" / "index.js"
BASE = "/api/jitterbug"
CHANNEL = "demo"
ROOM = {"profile": "realtime", "rate_capacity": 10_000, "rate_refill_per_s": 10_000, "max_frames_per_tick": 500}
FALL_BACK_WITHIN_MS = 5_000
CONNECT = """async ([source, base, channel, position, options]) => {
  const url = URL.createObjectURL(new Blob([source], { type: "text/javascript" }));
  const { connect } = await import(url);
  window.got = [];
  window.gaps = [];
  window.refused = [];
  window.used = [];
  const startedMs = performance.now();
  const push = (window.push = await connect(base, { channels: { [channel]: position }, ...options }));
  window.tookMs = performance.now() - startedMs;
  window.used.push(push.transport);
  push.on("gap", (gap) => window.gaps.push(gap.reason));
  push.on("frame", ({ verdict, reason }) => verdict === "refused" && window.refused.push(reason));
  push.on("status", ({ state }) => state === "live" && window.used.push(push.transport));
  push.subscribe(channel, (data) => window.got.push(data));
}"""


class Place:
    """A hub behind a proxy, a back end that publishes straight to the hub, and a page that reads through the proxy."""

    def __init__(self, stack: ExitStack, browser: Browser, folder: Path) -> None:
        self._stack, self._browser, self._folder = stack, browser, folder
        self._settings: dict[str, Any] = {}
        self.sent: list[Any] = []

    def open(self, *, holds: Holds = "nothing", **settings: Any) -> None:
        """Start the hub and the proxy, and publish one: the page will read on from there."""
        self._settings = ROOM | {"engine": f"sqlite:///{self._folder}/history.db"} | settings
        self._start_hub()
        self.proxy = self._stack.enter_context(BufferingProxy(_port(self.hub), holds))
        self.start: Position = self.back_end.publish(CHANNEL, "first")

    def _start_hub(self) -> None:
        self.hub = self._stack.enter_context(HubProcess(self._folder, **self._settings))
        self.back_end: BlockingStream = self._stack.enter_context(connect(self.hub.url))

    def restart_hub(self, *, kill: bool) -> None:
        """End the hub, in order or not, and start another on the same history."""
        self.back_end.close()
        (self.hub.kill if kill else self.hub.stop)()
        self._start_hub()
        self.proxy.target = _port(self.hub)

    def page(self) -> Page:
        """An empty page of the hub's own origin, as the proxy shows it."""
        context = self._browser.new_context(bypass_csp=True)  # the client is put into it by the test, not by the hub
        self._stack.callback(context.close)
        page = context.new_page()
        page.goto(f"{self.proxy.url}{BASE}/health")
        return page

    def connect(self, **options: Any) -> Page:
        """Open a page and connect it; returns when the client is live."""
        page = self.page()
        page.evaluate(CONNECT, [CLIENT.read_text(), BASE, CHANNEL, self.start.to_json(), options])
        return page

    def publish(self, *data: Any, pause_s: float = 0) -> None:
        for item in data:
            self.back_end.publish(CHANNEL, item)
            self.sent.append(item)
            time.sleep(pause_s)

    def expect_all(self, page: Page) -> None:
        """Everything published is there once, in order, with no gap told."""
        page.wait_for_function("count => window.got.length >= count", arg=len(self.sent), timeout=30_000)
        page.wait_for_timeout(200)  # what came twice would come now
        assert page.evaluate("window.got") == self.sent
        assert page.evaluate("window.gaps") == []

    def reported(self, kind: str) -> float:
        """Refusals of a kind that clients have reported to the hub."""
        with urllib.request.urlopen(f"{self.hub.admin_url}/metrics", timeout=10) as answer:  # loopback
            lines = answer.read().decode().splitlines()
        wanted = [
            line
            for line in lines
            if re.match(rf'jitterbug_hmac_verification_failures_total{{reason="{kind}",.*"client"}}', line)
        ]
        return sum(float(line.rsplit(" ", 1)[1]) for line in wanted)


def _port(hub: HubProcess) -> int:
    return int(hub.url.rsplit(":", 1)[1])


@pytest.fixture
def place(browser: Browser, tmp_path: Path) -> Iterator[Place]:
    """Not opened yet."""
    with ExitStack() as stack:
        yield Place(stack, browser, tmp_path)


def until(page: Page, condition: Callable[[], bool], what: str) -> None:
    """Wait, with the page going on."""
    deadline_s = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline_s, f"not in time: {what}"
        page.wait_for_timeout(50)


@pytest.mark.parametrize("holds", ["body", "all"])
def test_a_stream_held_back_is_left_for_the_websocket_within_five_seconds(
    place: Place, holds: Holds, record_property: Callable[[str, object], None]
) -> None:
    """Every publication arrives, verified and in order; what the page sends goes up the same way."""
    place.open(holds=holds)
    page = place.connect()
    took_ms = page.evaluate("window.tookMs")
    record_property("live after ms", round(took_ms))
    assert took_ms < FALL_BACK_WITHIN_MS
    assert page.evaluate("window.push.transport") == "websocket"
    place.publish(*range(100))
    place.expect_all(page)
    assert page.evaluate(f"window.push.publish('{CHANNEL}', 'from the page')") == [
        place.start.epoch,
        place.start.offset + 101,
    ]
    place.sent.append("from the page")
    place.expect_all(page)
    assert page.evaluate("window.refused") == []
    assert (place.proxy.streams, place.proxy.sockets) == (1, 1)


def test_a_stream_that_gets_through_stays(place: Place) -> None:
    """The stream is what is preferred: no WebSocket is opened beside it."""
    place.open()
    page = place.connect()
    assert page.evaluate("window.tookMs") < FALL_BACK_WITHIN_MS
    page.wait_for_timeout(4_000)
    place.publish(*range(10))
    place.expect_all(page)
    assert page.evaluate("window.push.transport") == "sse"
    assert (place.proxy.streams, place.proxy.sockets) == (1, 0)


def test_positions_are_carried_from_the_stream_to_the_websocket(place: Place) -> None:
    """A proxy that starts to hold streams back: what is published meanwhile is recovered, nothing is lost or twice."""
    place.open()
    page = place.connect()
    place.publish(*range(20))
    place.expect_all(page)
    place.proxy.holds = "body"
    place.proxy.cut()
    place.publish(*range(20, 60))
    until(page, lambda: page.evaluate("window.used") == ["sse", "websocket"], "the WebSocket is live")
    place.publish(*range(60, 80))
    place.expect_all(page)


def test_a_byte_changed_on_the_way_is_refused_and_reported(place: Place) -> None:
    """R14 over WebSocket: the frame counts for nothing, the hub learns of it, the publication is recovered."""
    place.open()
    page = place.connect(transport="websocket")
    place.publish("before")
    place.expect_all(page)
    changed: list[int] = []

    def flip_once(data: bytes) -> bytes:
        at = data.find(b"untouched")
        if at < 0 or changed:
            return data
        changed.append(at)
        return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]

    place.proxy.change = flip_once
    place.publish("untouched", "after", "the end")
    place.expect_all(page)
    assert len(changed) == 1
    assert page.evaluate("window.refused") == ["signature"]
    until(page, lambda: place.reported("signature") >= 1, "the refusal is reported")
    assert place.reported("gap") >= 1
    assert set(page.evaluate("window.used")) == {"websocket"}
    assert place.proxy.streams == 0


def test_the_key_is_renewed_on_an_open_websocket(place: Place) -> None:
    """PROTOCOL §2: several keys, one connection, nothing lost or refused."""
    place.open(key_ttl_s=6, hmac_clock_skew_ms=1_000, hmac_replay_window_ms=2_000)
    page = place.connect(transport="websocket", skewMs=1_000, replayWindowMs=2_000)
    place.publish(*range(110), pause_s=0.1)
    place.expect_all(page)
    stats = page.evaluate("window.push.stats")
    assert stats["rotations"] >= 2
    assert stats["reconnects"] == 0
    assert page.evaluate("window.refused") == []
    assert place.proxy.sockets == 1


@pytest.mark.parametrize("kill", [False, True], ids=["in order", "killed"])
def test_a_restarted_hub_is_found_again_and_resumed_by_position(place: Place, *, kill: bool) -> None:
    """The new hub knows neither key nor session; a browser tells no status, and the client finds out all the same."""
    place.open()
    page = place.connect(transport="websocket")
    place.publish(*range(20))
    place.expect_all(page)
    place.restart_hub(kill=kill)
    place.publish(*range(20, 60))
    until(page, lambda: len(page.evaluate("window.used")) == 2, "the WebSocket is live again")
    place.publish(*range(60, 70))
    place.expect_all(page)
    assert set(page.evaluate("window.used")) == {"websocket"}
    assert place.proxy.streams == 0


def test_the_live_page_itself_goes_live_behind_such_a_proxy(place: Place, browser: Browser) -> None:
    """With the page's own Content-Security-Policy in force: it allows the WebSocket of its own origin."""
    place.open(holds="body")
    with browser.new_context() as context:
        page = context.new_page()
        open_live(page, place.proxy.url)
        assert place.proxy.sockets == 1
