"""Each number exactly once and in order, or an explicit gap, in real Chromium with the built client (PROTOCOL §5)."""

import asyncio
import threading
import time
from collections import Counter
from collections.abc import Callable, Coroutine, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any, TypeVar

import pytest
from playwright.sync_api import Browser, Page

from jitterbug.client import Position
from tests.client.hub_process import HubProcess
from tests.delivery.conftest import IS_LONG, seed
from tests.delivery.fault_proxy import CALM, KINDS, FaultProxy, Rates
from tests.delivery.feed import ROOT, Feed
from tests.delivery.numbers import Ledger

__all__ = ["seed"]  # a fixture
T = TypeVar("T")
pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(900 if IS_LONG else 120)]

CLIENT = Path(__file__).resolve().parents[2] / "js" / "dist" / "index.js"
BASE = "/api/jitterbug"
CHANNELS = ("numbers/a", "numbers/b")
COUNT = 10_000 if IS_LONG else 600
ENOUGH = 10_000
"""Publications in which each kind of fault is drawn some ten times at least."""
FEWER = 2_000 if IS_LONG else 300
SKEW_MS, WINDOW_MS, SLEEP_S = (5_000, 10_000, 12.0) if IS_LONG else (1_000, 2_000, 3.0)
SCALE = 0.3 if IS_LONG else 1.0
DOWN = Rates(
    cut=0.002 * SCALE, reset=0.002 * SCALE, delay=0.01, split=0.01,
    swallow=0.002 * SCALE, repeat=0.003 * SCALE, swap=0.003 * SCALE,
)  # fmt: skip
UP = Rates(cut=0.02, reset=0.02, delay=0.05, split=0.1)
FEED = Rates(cut=0.01, reset=0.01, split=0.02)
UNLIMITED = {
    "profile": "realtime",
    "rate_capacity": 100_000,
    "rate_refill_per_s": 100_000,
    "max_frames_per_tick": 1_000,
    "keys_per_minute": 10_000,
    "heartbeat_s": 1,
    "key_ttl_s": 20 if IS_LONG else 4,
    "hmac_clock_skew_ms": SKEW_MS,
    "hmac_replay_window_ms": WINDOW_MS,
}
SHORT_WAITS = "Math.random = () => 0.02"
"""The client's jitter: a test is not to spend its time waiting. Nonces come from elsewhere."""
CONNECT = """async ([source, base, channels, options]) => {
  const url = URL.createObjectURL(new Blob([source], { type: "text/javascript" }));
  const { connect } = await import(url);
  window.told = [];
  window.last = Object.fromEntries(Object.entries(channels).map(([name, position]) => [name, position[1]]));
  window.push = await connect(base, { channels, ...options });
  window.push.on("gap", ({ channel, position, reason }) => {
    window.told.push(["gap", channel, position, reason]);
    window.last[channel] = position[1];
  });
  for (const channel of Object.keys(channels)) {
    window.push.subscribe(channel, (data, { position, recovered }) => {
      window.told.push(["publication", channel, data, position, recovered]);
      window.last[channel] = position[1];
    });
  }
}"""


class Background:
    """A loop in a thread: in this one, Playwright's own is running."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()

    def do(self, work: Coroutine[Any, Any, T], limit_s: float = 60) -> T:
        """Run it there and wait for what it returns."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(limit_s)

    def start(self, work: Coroutine[Any, Any, T]) -> "asyncio.Future[T]":
        """Run it there."""
        return asyncio.run_coroutine_threadsafe(work, self._loop)  # type: ignore[return-value]

    def stop(self) -> None:
        """End the loop."""
        self.do(asyncio.sleep(0.05))  # what was closed gets its last word
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


@pytest.fixture
def background() -> Iterator[Background]:
    running = Background()
    yield running
    running.stop()


def open_reader(stack: ExitStack, browser: Browser, url: str, starts: Mapping[str, Position]) -> Page:
    """A page of the hub's own origin on which the built client reads."""
    context = browser.new_context(bypass_csp=True)  # the client is put into the page by the test, not by the hub
    stack.callback(context.close)
    page = context.new_page()
    page.add_init_script(SHORT_WAITS)
    page.goto(f"{url}{BASE}/health")
    channels = {channel: place.to_json() for channel, place in starts.items()}
    options = {"skewMs": SKEW_MS, "replayWindowMs": WINDOW_MS}
    page.evaluate(CONNECT, [CLIENT.read_text(), BASE, channels, options])
    return page


def judge(page: Page, name: str, starts: Mapping[str, Position]) -> Ledger:
    """What a page was given, through the same judge as everybody else."""
    ledger = Ledger(name, starts)
    for item in page.evaluate("window.told"):
        match item:
            case ["publication", channel, data, [epoch, offset], recovered]:
                ledger.take(channel, data, Position(epoch, offset), recovered=recovered)
            case ["gap", channel, [epoch, offset], reason]:
                ledger.gap(channel, Position(epoch, offset), reason)
    return ledger


def wait(page: Page, feed: Feed, number: int) -> None:
    """Wait until a number of each channel is published. Meanwhile the pages go on."""
    deadline_s = time.monotonic() + 300
    while min(feed.sent.values()) < number:
        assert time.monotonic() < deadline_s, f"not in time: {feed.sent}"
        page.wait_for_timeout(20)


def run(
    browser: Browser,
    background: Background,
    folder: Path,
    seed: int,
    record: Callable[[str, object], None],
    *,
    count: int,
    restarts: int,
    **settings: Any,
) -> dict[str, Ledger]:
    """Publish through two bad networks to two pages, of which one sleeps past the replay window."""
    started_s, do = time.monotonic(), background.do
    with ExitStack() as stack:
        hubs = [HubProcess(folder, environ=ROOT, **(UNLIMITED | settings))]
        stack.callback(lambda: hubs[-1].__exit__())  # noqa: PLW0108 - the one that is last then
        port = int(hubs[0].url.rsplit(":", 1)[1])
        proxies = {name: FaultProxy(port, seed + turn) for turn, name in enumerate(("awake", "asleep", "feed"))}
        for proxy in proxies.values():
            do(proxy.start())
            stack.callback(lambda proxy=proxy: do(proxy.stop()))
        feed = Feed(lambda: proxies["feed"].url, pause_s=0.004 if IS_LONG else 0.006)
        stack.callback(lambda: do(feed.aclose()))
        starts = {channel: do(feed.publish(channel, 1)) for channel in CHANNELS}
        pages = {name: open_reader(stack, browser, proxies[name].url, starts) for name in ("awake", "asleep")}
        for proxy in proxies.values():
            proxy.down, proxy.up = (FEED, FEED) if proxy is proxies["feed"] else (DOWN, UP)

        last = count // len(CHANNELS)
        feeding = [background.start(feed.run(channel, 2, last)) for channel in CHANNELS]
        marks = [last * (turn + 1) // (restarts + 2) for turn in range(restarts + 1)]
        wait(pages["awake"], feed, marks[0])
        proxies["asleep"].block()
        pages["awake"].wait_for_timeout(SLEEP_S * 1_000)
        proxies["asleep"].unblock()
        for turn, mark in enumerate(marks[1:]):
            wait(pages["awake"], feed, mark)
            (hubs[-1].kill if turn % 2 else hubs[-1].stop)()
            hubs.append(HubProcess(folder, environ=ROOT, **(UNLIMITED | settings)))
            for proxy in proxies.values():
                proxy.target = int(hubs[-1].url.rsplit(":", 1)[1])
        for each in feeding:
            each.result(300)  # type: ignore[call-arg]
        for page in pages.values():
            page.wait_for_function(
                "last => Object.values(window.last).every((number) => number >= last)",
                arg=last,
                timeout=300_000 if IS_LONG else 60_000,
            )
        pages["awake"].wait_for_timeout(200)  # what came twice would come now
        ledgers = {name: judge(page, name, starts) for name, page in pages.items()}
        stats = [page.evaluate("window.push.stats") for page in pages.values()]
        for proxy in proxies.values():
            proxy.down = proxy.up = CALM
        injected = sum((proxy.injected for proxy in proxies.values()), Counter[str]())
        figures = {
            "publications": sum(feed.sent.values()),
            "faults": dict(injected),
            "reconnects": [each["reconnects"] for each in stats],
            "rotations": [each["rotations"] for each in stats],
            "refused": [{name: count for name, count in each["refused"].items() if count} for each in stats],
            "ledgers": list(map(repr, ledgers.values())),
            "seconds": round(time.monotonic() - started_s, 1),
        }
        for name, value in figures.items():
            record(name, value)
        print(figures)  # noqa: T201
        assert feed.faults == []
        assert all(each["reconnects"] > 0 for each in stats), "no cut was ever drawn"
        if count >= ENOUGH:
            assert set(injected) == set(KINDS), "a kind of fault was never drawn"
        assert sum(each["rotations"] for each in stats) > 0
    for ledger in ledgers.values():
        assert ledger.faults == []
    return ledgers


def test_every_number_arrives_once_and_in_order_in_chromium(
    browser: Browser,
    background: Background,
    tmp_path: Path,
    seed: int,
    record_property: Callable[[str, object], None],
) -> None:
    """A history that holds everything, and two restarts, one a kill: nothing is missing, nothing comes twice."""
    whole = {"history_size": COUNT, "buffer_frames": COUNT, "engine": f"sqlite:///{tmp_path}/history.db"}
    ledgers = run(browser, background, tmp_path, seed, record_property, count=COUNT, restarts=2, **whole)
    for ledger in ledgers.values():
        assert (ledger.delivered, ledger.missed) == (COUNT - len(CHANNELS), 0), ledger


def test_what_the_history_no_longer_holds_is_told_in_chromium(
    browser: Browser,
    background: Background,
    tmp_path: Path,
    seed: int,
    record_property: Callable[[str, object], None],
) -> None:
    """A history of 20: the page that slept was told of gaps, and they cover all that it did not get."""
    ledgers = run(browser, background, tmp_path, seed, record_property, count=FEWER, restarts=0, history_size=20)
    for ledger in ledgers.values():
        assert ledger.delivered + ledger.missed == FEWER - len(CHANNELS), ledger
    assert ledgers["asleep"].missed > 0
