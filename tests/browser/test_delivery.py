"""Each number exactly once and in order, or an explicit gap, in real Chromium with the built client (PROTOCOL §5)."""

import asyncio
import threading
import time
from collections import Counter
from collections.abc import Callable, Coroutine, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import pytest
from playwright.sync_api import Browser, BrowserContext, Page

from jitterbug.client import Position
from tests.client.hub_process import HubProcess
from tests.delivery.conftest import IS_LONG, seed
from tests.delivery.fault_proxy import CALM, KINDS, FaultProxy, Rates
from tests.delivery.feed import ROOT, Feed
from tests.delivery.numbers import Ledger

__all__ = ["seed"]  # a fixture
T = TypeVar("T")
pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(900 if IS_LONG else 120)]

CLIENT = Path(__file__).resolve().parents[2] / "js" / "dist"
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
SOCKET_DOWN = Rates(
    cut=0.004 * SCALE, reset=0.004 * SCALE, delay=0.01, split=0.02,
    swallow=0.004 * SCALE, repeat=0.004 * SCALE, swap=0.004 * SCALE,
)  # fmt: skip
"""Drawn for what one read gave, which may hold several frames."""
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
CONNECT = """async ([source, name, base, channels, options]) => {
  const url = URL.createObjectURL(new Blob([source], { type: "text/javascript" }));
  const { [name]: connect } = await import(url);
  window.told = [];
  window.last = Object.fromEntries(Object.entries(channels).map(([name, position]) => [name, position[1]]));
  window.push = await connect(base, { channels, ...options });
  window.seen = { reconnects: 0, rotations: 0, refused: {} };
  window.push.on("status", ({ state }) => { window.seen.reconnects += state === "live"; });
  window.errors = [];
  window.push.on("error", ({ code, channel }) => window.errors.push([code, channel]));
  window.push.on("key", () => { window.seen.rotations += 1; });
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

SEEN = "window.push.stats ?? window.seen"
"""Tabs that share have no counters of their own."""
DONE = f"last => Object.values(window.last).every((number) => number >= last) && ({SEEN}).reconnects > 0"

STATE = f"() => [window.last, {SEEN}, window.push.status, window.push.leads, window.errors, window.told.slice(-5)]"


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


@dataclass(frozen=True, slots=True)
class Way:
    """How pages read.

    Attributes:
        function: Name of the client's function that connects.
        script: The file it stands in.
        options: Of the application.
        pages: Pages behind one network. Where they are several, the first one is closed under way, and another opened.
        down: Faults on the way to them.
        share: Of the publications in the ordinary run.
    """

    function: str = "connect"
    script: str = "index.js"
    options: Mapping[str, str] = field(default_factory=dict)
    pages: int = 1
    down: Rates = DOWN
    share: float = 1.0

    def some(self, count: int) -> int:
        """How many of so many publications."""
        return count if IS_LONG else int(count * self.share)


HERE: dict[str, Any] = {"permissions": ["local-network-access"]}
"""A page that no server sent is one from elsewhere to Chromium, and would wait to be asked before it may talk to us."""
WAYS = {
    "stream": Way(),
    "websocket": Way(options={"transport": "websocket"}, down=SOCKET_DOWN, share=0.5),
    "shared by tabs": Way("connectShared", "tabs.js", pages=3, share=0.5),
}


@pytest.fixture(params=WAYS)
def way(request: pytest.FixtureRequest) -> Way:
    return WAYS[request.param]


class Readers:
    """The pages of one browser behind one network, on the hub's own origin, on which the built client reads.

    Attributes:
        pages: Those open, by name.
        closed: What those were given that are closed.
    """

    def __init__(self, name: str, context: BrowserContext, url: str, way: Way, starts: Mapping[str, Position]) -> None:
        self.name, self._context, self._url, self._way, self._starts = name, context, url, way, starts
        self.pages: dict[str, Page] = {}
        self.closed: list[Ledger] = []
        for _ in range(way.pages):
            self.open()

    def open(self) -> None:
        """Open one that reads from the start."""
        page = self._context.new_page()
        page.add_init_script(SHORT_WAITS)
        empty = f"{self._url}/empty"  # not by the network, which is as bad for a page
        page.route(empty, lambda route: route.fulfill(content_type="text/html", body="<!doctype html>"))
        page.goto(empty)
        page.unroute(empty)
        channels = {channel: place.to_json() for channel, place in self._starts.items()}
        options = {"skewMs": SKEW_MS, "replayWindowMs": WINDOW_MS, **self._way.options}
        source = (CLIENT / self._way.script).read_text()
        page.evaluate(CONNECT, [source, self._way.function, BASE, channels, options])
        self.pages[f"{self.name} {len(self.pages) + len(self.closed)}"] = page

    def close_leader(self) -> None:
        """Close the one that holds the stream for all."""
        name = next(name for name, page in self.pages.items() if page.evaluate("window.push.leads"))
        page = self.pages.pop(name)
        self.closed.append(judge(page, name, self._starts))
        page.close()

    def judge_open(self) -> dict[str, Ledger]:
        """What the open ones were given."""
        return {name: judge(page, name, self._starts) for name, page in self.pages.items()}


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


def wait_until_done(clock: Page, pages: list[Page], last: int) -> None:
    """Wait until each has the last number of each channel, and has come back once at least."""
    deadline_s = time.monotonic() + (300 if IS_LONG else 60)
    while not all(page.evaluate(DONE, last) for page in pages):
        if time.monotonic() > deadline_s:
            pytest.fail(f"not in time: {[page.evaluate(STATE) for page in pages]}")
        clock.wait_for_timeout(50)


def tell(figures: dict[str, object], record: Callable[[str, object], None]) -> None:
    """Hand on what was measured, for the record and for whoever reads the output."""
    for name, value in figures.items():
        record(name, value)
    print(figures)  # noqa: T201


def run(
    browser: Browser,
    background: Background,
    folder: Path,
    seed: int,
    record: Callable[[str, object], None],
    *,
    way: Way,
    count: int,
    restarts: int,
    **settings: Any,
) -> dict[str, Ledger]:
    """Publish through two bad networks to pages behind each, of which one sleeps past the replay window.

    Returns what was given to the pages that were there at the end, by their names.
    """
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
        readers = {
            name: Readers(name, stack.enter_context(browser.new_context(**HERE)), proxies[name].url, way, starts)
            for name in ("awake", "asleep")
        }
        for proxy in proxies.values():
            proxy.down, proxy.up = (FEED, FEED) if proxy is proxies["feed"] else (way.down, UP)

        clock = stack.enter_context(browser.new_page())  # while it waits, the others go on
        last = count // len(CHANNELS)
        feeding = [background.start(feed.run(channel, 2, last)) for channel in CHANNELS]
        marks = [last * (turn + 1) // (restarts + 2) for turn in range(restarts + 1)]
        wait(clock, feed, marks[0])
        proxies["asleep"].block()
        until_s = time.monotonic() + SLEEP_S
        if way.pages > 1:
            for group in readers.values():
                group.close_leader()
            readers["awake"].open()
        clock.wait_for_timeout(max(0, until_s - time.monotonic()) * 1_000)
        proxies["asleep"].unblock()
        do(proxies["awake"].cut())
        for turn, mark in enumerate(marks[1:]):
            wait(clock, feed, mark)
            (hubs[-1].kill if turn % 2 else hubs[-1].stop)()
            hubs.append(HubProcess(folder, environ=ROOT, **(UNLIMITED | settings)))
            for proxy in proxies.values():
                proxy.target = int(hubs[-1].url.rsplit(":", 1)[1])
        for each in feeding:
            each.result(300)  # type: ignore[call-arg]
        pages = [page for group in readers.values() for page in group.pages.values()]
        wait_until_done(clock, pages, last)
        clock.wait_for_timeout(200)  # what came twice would come now
        closed = [ledger for group in readers.values() for ledger in group.closed]
        ledgers = {name: ledger for group in readers.values() for name, ledger in group.judge_open().items()}
        stats = [page.evaluate(SEEN) for page in pages]
        injected = sum((proxy.injected for proxy in proxies.values()), Counter[str]())
        figures = {
            "publications": sum(feed.sent.values()),
            "faults": dict(injected),
            "reconnects": [each["reconnects"] for each in stats],
            "rotations": [each["rotations"] for each in stats],
            "refused": [{name: count for name, count in each["refused"].items() if count} for each in stats],
            "ledgers": list(map(repr, (*closed, *ledgers.values()))),
            "seconds": round(time.monotonic() - started_s, 1),
        }
        tell(figures, record)
        for proxy in proxies.values():
            proxy.down = proxy.up = CALM
        assert feed.faults == []
        assert all(each["reconnects"] > 0 for each in stats), "nobody had to come back"
        if count >= ENOUGH:
            assert set(injected) == set(KINDS), "a kind of fault was never drawn"
        assert sum(each["rotations"] for each in stats) > 0
    for ledger in (*closed, *ledgers.values()):
        assert ledger.faults == []
    return ledgers


def test_every_number_arrives_once_and_in_order_in_chromium(
    browser: Browser,
    background: Background,
    tmp_path: Path,
    seed: int,
    way: Way,
    record_property: Callable[[str, object], None],
) -> None:
    """A history that holds everything, and two restarts, one a kill: nothing is missing, nothing comes twice."""
    count = way.some(COUNT)
    whole = {"history_size": count, "buffer_frames": count, "engine": f"sqlite:///{tmp_path}/history.db"}
    ledgers = run(browser, background, tmp_path, seed, record_property, way=way, count=count, restarts=2, **whole)
    for ledger in ledgers.values():
        assert (ledger.delivered, ledger.missed) == (count - len(CHANNELS), 0), ledger


def test_what_the_history_no_longer_holds_is_told_in_chromium(
    browser: Browser,
    background: Background,
    tmp_path: Path,
    seed: int,
    way: Way,
    record_property: Callable[[str, object], None],
) -> None:
    """A history of 20: the page that slept was told of gaps, and they cover all that it did not get."""
    ledgers = run(
        browser, background, tmp_path, seed, record_property, way=way, count=FEWER, restarts=0, history_size=20
    )
    for ledger in ledgers.values():
        assert ledger.delivered + ledger.missed == FEWER - len(CHANNELS), ledger
    assert all(ledger.missed > 0 for name, ledger in ledgers.items() if name.startswith("asleep")), ledgers
