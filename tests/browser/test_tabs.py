"""One stream for all tabs of an origin, in real Chromium: each gets each number once and in order, whoever leads."""

import asyncio
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, CDPSession, Error, Page
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tests.browser.conftest import ARGUMENTS, chromium_path
from tests.browser.kept_page import go_back
from tests.browser.origin import BASE, Origin, origin, wait_for_count
from tests.browser.raw_tab import RawTab
from tests.server.serving import until

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(120)]

CHANNEL = "numbers"
MODES = {"locks": {}, "worker": {"worker": "/client/worker.js"}}
CONNECT = """async ([base, channels, options]) => {
  Object.assign(window, { got: [], other: [], gaps: [], states: [], errors: [] });
  const { connectShared } = await import("/client/tabs.js");
  const push = (window.push = await connectShared(base, { channels, ...options }));
  push.on("gap", ({ channel, reason, position }) => window.gaps.push([channel, reason, position[1]]));
  push.on("status", ({ state }) => window.states.push(state));
  push.on("error", ({ code }) => window.errors.push(code));
  const [first, second] = Object.keys(channels);
  if (first) push.subscribe(first, (number) => window.got.push(number));
  if (second) push.subscribe(second, (number) => window.other.push(number));
}"""

WAIT_SYNCHRONOUSLY = """() => {
  const request = new XMLHttpRequest();
  request.open("GET", "/hang", false);
  request.send();
}"""
"""Nothing else of the page runs until the answer comes."""


class Tabs:
    """The tabs of one browser, on one origin."""

    def __init__(self, place: Origin, context: BrowserContext, options: dict[str, Any]) -> None:
        self.place, self._context, self._options = place, context, options
        self.pages: list[Page] = []
        self.faults: list[str] = []

    def open(self, channels: dict[str, Any] | None = None, **options: Any) -> Page:
        """Open a tab that reads; returns when it is live and the hub has said where "now" is."""
        page = self._context.new_page()
        page.on("pageerror", lambda error: self.faults.append(str(error)))
        page.goto(f"{self.place.url}/tab")
        page.evaluate(CONNECT, [BASE, {CHANNEL: None} if channels is None else channels, self._options | options])
        self.pages.append(page)
        return page

    @property
    def leaders(self) -> list[Page]:
        """Tabs that say that they lead."""
        return [page for page in self.pages if page.evaluate("window.push.leads")]

    def close(self, page: Page) -> None:
        self.pages.remove(page)
        page.close()

    def expect_all(self, pages: list[Page] | None = None, start: int = 0) -> None:
        """Each of these tabs has each number from ``start`` on once, in order, and no gap."""
        wanted = self.place.sent[CHANNEL][start:]
        for page in self.pages if pages is None else pages:
            wait_for_count(page, len(wanted))
            assert page.evaluate("window.got") == wanted
            assert page.evaluate("[window.gaps, window.errors]") == [[], []]

    @contextmanager
    def flowing(self, count: int = 300, *, five_in_s: float = 0.02) -> Iterator[None]:
        """Numbers are published on and on meanwhile, and to the last before the end."""

        def publish() -> None:
            for number in range(count):
                self.place.publish(CHANNEL, len(self.place.sent.get(CHANNEL, ())))
                if number % 5 == 0:
                    pause.wait(five_in_s)

        pause = threading.Event()
        publishing = threading.Thread(target=publish)
        publishing.start()
        yield
        publishing.join()


@pytest.fixture
def place() -> Iterator[Origin]:
    with origin() as running:
        yield running


@pytest.fixture(params=MODES)
def mode(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def tabs(browser: Browser, place: Origin, mode: str) -> Iterator[Tabs]:
    """None open yet."""
    with browser.new_context() as context:
        made = Tabs(place, context, MODES[mode])
        yield made
        assert made.faults == [], "errors that nobody caught"


def wait_until(tabs: Tabs, condition: Callable[[], Any]) -> None:
    """Wait, with the tabs going on."""
    for _ in range(300):
        if condition():
            return
        tabs.pages[0].wait_for_timeout(100)
    raise AssertionError("not in time")


def test_what_is_published_from_connect_on_reaches_the_tab(tabs: Tabs, place: Origin) -> None:
    """No "now" of a later moment: connectShared resolves only when each of its channels stands somewhere."""
    for number in range(8):
        tabs.open({f"{CHANNEL}/{number}": None, f"other/{number}": None})
        place.publish(f"{CHANNEL}/{number}", number)
        place.publish(f"other/{number}", number)
    for number, page in enumerate(tabs.pages):
        page.wait_for_function("() => window.got.length === 1 && window.other.length === 1")
        assert page.evaluate("[window.got, window.other, window.gaps]") == [[number], [number], []]
    assert place.streams == 1


def test_a_leader_that_goes_while_another_tab_connects_costs_it_nothing(tabs: Tabs, place: Origin, mode: str) -> None:
    """The next leader says where "now" is, to whoever the first one had not told yet."""
    first = tabs.open()
    second = tabs._context.new_page()
    second.goto(f"{place.url}/tab")
    begin = f"(given) => {{ window.connected = ({CONNECT})(given); }}"
    second.evaluate(begin, [BASE, {"b": None, "c": None}, MODES[mode]])
    tabs.close(first)
    tabs.pages.append(second)
    second.evaluate("window.connected")
    place.publish("b", 1)
    place.publish("c", 2)
    second.wait_for_function("() => window.got.length === 1 && window.other.length === 1")
    assert second.evaluate("[window.got, window.other, window.gaps]") == [[1], [2], []]


def test_a_refused_channel_holds_nobody_up(browser: Browser, mode: str) -> None:
    """connectShared resolves; the refusal is told to who listens then, and that of the handler's own wish as well."""
    with (
        origin(authorize=lambda _session, _action, channel: channel != "secret") as place,
        browser.new_context() as context,
    ):
        tabs = Tabs(place, context, MODES[mode])
        for _ in range(2):
            page = tabs.open({"a": None, "secret": None})
            place.publish("a", 1)
            page.wait_for_function("() => window.got.length === 1")
            assert page.evaluate("[window.got, window.other, window.gaps]") == [[1], [], []]
            page.wait_for_function("() => window.errors.length > 1")
            assert page.evaluate("[window.errors, window.push.status.state]") == [["JB_CHANNEL_ENDED"] * 2, "live"]
        assert place.channels == {"a"}


def test_five_tabs_share_one_stream(tabs: Tabs, place: Origin, mode: str) -> None:
    """One connection and one key at the hub; everything published reaches every tab, once and in order."""
    for _ in range(5):
        tabs.open()
    assert place.streams == 1
    assert len(tabs.leaders) == (1 if mode == "locks" else 0)
    place.publish(CHANNEL, *range(500))
    tabs.expect_all()
    assert place.streams == 1
    assert place.opened == 1
    assert len({page.evaluate("window.push.key.kid") for page in tabs.pages}) == 1


def test_any_tab_can_publish(tabs: Tabs, place: Origin) -> None:
    """It goes up by the leader, and the position comes back to the tab that asked."""
    for _ in range(3):
        tabs.open()
    offsets = [page.evaluate(f"window.push.publish('{CHANNEL}', {n})")[1] for n, page in enumerate(tabs.pages)]
    assert offsets == [1, 2, 3]
    place.sent[CHANNEL] = [0, 1, 2]
    tabs.expect_all()
    code = "(call) => call.then(() => 'no error', (error) => error.code)"
    for page in tabs.pages:
        assert page.evaluate(f"({code})(window.push.publish('{CHANNEL}', () => 1))") == "JB_NOT_JSON"
        assert page.evaluate(f"({code})(window.push.publish('{CHANNEL}', 'x'.repeat(20000)))") == "JB_TOO_LARGE"
        assert page.evaluate(f"({code})(window.push.publish('no way', 1))") == "JB_CHANNEL_NAME"


def test_a_tab_closed_while_it_publishes_leaves_no_loose_end(tabs: Tabs, place: Origin) -> None:
    """Nobody knows whether it was published, and the one who asked is told so; the others go on.

    What was under way may be published after what another tab says later: each is a request of its own.
    """
    first, second = tabs.open(), tabs.open()
    ended = "(calls) => Promise.all(calls.map((call) => call.catch((error) => error.code)))"
    calls = f"[1, 2, 3].map((number) => window.push.publish('{CHANNEL}', number))"
    told = first.evaluate(f"() => {{ const all = ({ended})({calls}); setTimeout(() => push.close(), 3); return all; }}")
    assert all(answer == "JB_NETWORK" or answer[1] in {1, 2, 3} for answer in told)
    again = f"window.push.publish('{CHANNEL}', 'after').then(([, offset]) => offset, () => 0)"
    wait_until(tabs, lambda: 1 <= second.evaluate(again) <= 5)  # until the next leader's stream is open
    second.wait_for_function("() => window.got.includes('after')")
    last = second.evaluate(f"window.push.publish('{CHANNEL}', 'last')")[1]
    second.wait_for_function("last => window.got.length >= last", arg=last)
    got, gaps, errors = second.evaluate("[window.got, window.gaps, window.errors]")
    assert (gaps, errors) == ([], [])
    assert all(got.count(number) <= 1 for number in (1, 2, 3))
    assert "after" in got


@pytest.mark.parametrize("how", ["closed", "crashed", "navigated"])
def test_another_tab_takes_over_in_the_middle_of_the_flow(tabs: Tabs, place: Origin, mode: str, how: str) -> None:
    """Whoever leads goes, twice over: the tabs left miss nothing and get nothing twice."""
    for _ in range(4):
        tabs.open()
    with tabs.flowing():
        for _ in range(2):
            tabs.pages[-1].wait_for_timeout(300)
            leader = tabs.leaders[0] if mode == "locks" else tabs.pages[0]
            if how == "crashed":
                tabs.pages.remove(leader)
                crash(leader)
            elif how == "navigated":
                tabs.pages.remove(leader)
                leader.goto(f"{place.url}/elsewhere")
            else:
                tabs.close(leader)
    tabs.expect_all()
    wait_until(tabs, lambda: place.streams == 1)
    if mode == "locks":
        assert place.opened == 3
        assert len(tabs.leaders) == 1
    elif how != "crashed":  # the worker may live in the process that crashed
        assert place.opened == 1


def crash(page: Page) -> None:
    """End the page's process without a word to the page."""
    with suppress(Error):
        page.goto("chrome://crash")


def test_a_tab_comes_back_from_the_back_forward_cache(browser: Browser, place: Origin, mode: str) -> None:
    """No lock, channel or worker keeps it out of the cache; it goes on from where it was, and so do the others."""
    keeping = browser.browser_type.launch(
        executable_path=chromium_path(), args=ARGUMENTS, ignore_default_args=["--disable-back-forward-cache"]
    )
    with keeping, keeping.new_context() as context:
        tabs = Tabs(place, context, MODES[mode])
        for _ in range(3):
            tabs.open()
        away = tabs.pages[0]
        away.evaluate("addEventListener('pageshow', ({ persisted }) => { window.restored = persisted; })")
        for turn in range(2):
            place.publish(CHANNEL, *range(20 * turn, 20 * turn + 10))
            tabs.expect_all()
            away.goto(f"{place.url}/elsewhere?{turn}", wait_until="commit")
            place.publish(CHANNEL, *range(20 * turn + 10, 20 * turn + 20))
            tabs.expect_all(tabs.pages[1:])
            go_back(away)
            tabs.expect_all()
            assert away.evaluate("window.restored") is True
        assert place.streams == 1


def test_a_frozen_leader_gives_the_lead_away(browser: Browser, place: Origin) -> None:
    """The browser tells it before it freezes; active again it is one of the others, and has missed nothing."""
    with closing(RawTab(browser, f"{place.url}/tab")) as leader:
        others = [RawTab(browser, f"{place.url}/tab", leader) for _ in range(2)]
        for tab in (leader, *others):
            tab.evaluate(f"({CONNECT})({json.dumps([BASE, {CHANNEL: None}, {}])})")
        assert leader.evaluate("window.push.leads")
        leader.hide()
        leader.send("Page.setWebLifecycleState", state="frozen")
        others[0].until("window.push.status.state === 'live'")
        until(lambda: place.opened == 2)
        place.publish(CHANNEL, *range(100))
        for tab in others:
            tab.until("window.got.length >= 100")
        leader.send("Page.setWebLifecycleState", state="active")
        leader.until("window.got.length >= 100")
        place.publish(CHANNEL, *range(100, 150))
        for tab in (leader, *others):
            tab.until("window.got.length >= 150")
            assert tab.evaluate("window.got") == place.sent[CHANNEL]
            assert tab.evaluate("window.gaps") == []
        assert [tab.evaluate("window.push.leads") for tab in (leader, *others)].count(True) == 1
        until(lambda: place.streams == 1)


def test_a_tab_that_joins_late_gets_what_it_asks_for_and_disturbs_nobody(tabs: Tabs, place: Origin) -> None:
    """From now on, from a position the others have long passed, and from one at which they stand."""
    early = tabs.open()
    place.publish(CHANNEL, *range(100))
    tabs.expect_all()
    epoch, offset = early.evaluate(f"window.push.publish('{CHANNEL}', 100)")
    place.sent[CHANNEL].append(100)
    from_now, from_ten, from_here = (
        tabs.open({CHANNEL: position}) for position in (None, [epoch, 10], [epoch, offset])
    )
    with tabs.flowing(200):
        from_sixty = tabs.open({CHANNEL: [epoch, 60]})
    tabs.expect_all([early])
    tabs.expect_all([from_now, from_here], 101)
    tabs.expect_all([from_ten], 10)
    tabs.expect_all([from_sixty], 60)
    assert (place.streams, place.opened) == (1, 1)


def test_a_position_out_of_the_history_is_told_as_a_gap_to_the_tab_that_asked_alone(
    browser: Browser, mode: str
) -> None:
    """Never a silent hole; and no loss to those who have read on: what they ask for again is still in the history."""
    with origin(history_size=20) as place, browser.new_context() as context:
        tabs = Tabs(place, context, MODES[mode])
        early = tabs.open()
        place.publish(CHANNEL, *range(99))
        epoch, _ = early.evaluate(f"window.push.publish('{CHANNEL}', 99)")
        place.sent[CHANNEL].append(99)
        late = tabs.open({CHANNEL: [epoch, 10]})
        late.wait_for_function("() => window.gaps.length === 1")
        old = tabs.open({CHANNEL: ["another-epoch", 10]})
        old.wait_for_function("() => window.gaps.length === 1")
        with tabs.flowing(50, five_in_s=0.5):
            later = tabs.open({CHANNEL: [epoch, 5]})
            later.wait_for_function("() => window.gaps.length === 1")
        place.publish(CHANNEL, 150)  # all the others may have gone before that tab was open
        tabs.expect_all([early])
        for page, reason in ((late, "expired"), (old, "epoch"), (later, "expired")):
            page.wait_for_function("() => window.got.includes(150)")
            gaps, got = page.evaluate("[window.gaps, window.got]")
            assert [told for _, told, _ in gaps] == [reason]
            assert got == list(range(gaps[0][2], 151)), "all that follows the gap, once"
        assert place.streams == 1


def test_the_union_of_the_channels_is_subscribed(tabs: Tabs, place: Origin) -> None:
    """A channel goes with the last tab that wants it; a tab gets its own channels and no others."""
    tabs.open({"a": None, "b": None})
    second = tabs.open({"b": None, "c": None})
    assert place.channels == {"a", "b", "c"}
    place.publish("a", 1)
    place.publish("b", 2)
    place.publish("c", 3)
    wait_until(tabs, lambda: second.evaluate("window.other.length") == 1)
    assert [page.evaluate("[window.got, window.other]") for page in tabs.pages] == [[[1], [2]], [[2], [3]]]
    second.evaluate("() => { window.off = window.push.subscribe('d', () => undefined); }")
    wait_until(tabs, lambda: place.channels == {"a", "b", "c", "d"})
    second.evaluate("window.off()")
    wait_until(tabs, lambda: place.channels == {"a", "b", "c"})
    tabs.close(second)
    wait_until(tabs, lambda: place.channels == {"a", "b"})
    assert place.opened <= 2
    tabs.pages[0].evaluate("window.push.close()")
    wait_until(tabs, lambda: place.streams == 0)


def test_a_revoked_session_is_told_to_every_tab_and_a_new_one_can_be_had(tabs: Tabs, place: Origin) -> None:
    """R17 reaches each tab; a tab opened after that begins anew."""
    for _ in range(3):
        tabs.open()
    place.revoke_all()
    wait_until(tabs, lambda: all(page.evaluate("window.push.status.state") == "refused" for page in tabs.pages))
    assert [page.evaluate("window.push.status.code") for page in tabs.pages] == ["JB_REVOKED"] * 3
    assert place.streams == 0


def test_a_leader_that_hangs_is_left(browser: Browser) -> None:
    """Its lock is still held, but it answers nobody: another tab takes the lead, and it comes back as one of them."""
    let_go = asyncio.Event()

    async def hang(_request: Request) -> Response:
        await let_go.wait()
        return Response()

    with origin(Route("/hang", hang)) as place, browser.new_context() as context:
        tabs = Tabs(place, context, MODES["locks"])
        for _ in range(3):
            tabs.open()
        hung = tabs.leaders[0]
        hung.evaluate(f"() => {{ setTimeout(({WAIT_SYNCHRONOUSLY}), 10); }}")
        others = [page for page in tabs.pages if page is not hung]
        others[0].wait_for_timeout(500)
        place.publish(CHANNEL, *range(50))
        tabs.expect_all(others)
        assert [page.evaluate("window.push.leads") for page in others].count(True) == 1
        place.server.do(let_go.set)
        wait_until(tabs, lambda: place.streams == 1)
        place.publish(CHANNEL, *range(50, 80))
        tabs.expect_all()
        assert len(tabs.leaders) == 1


def test_a_worker_that_ends_is_started_again_and_at_last_done_without(browser: Browser, place: Origin) -> None:
    """In the middle of the flow, three times over; then a tab leads."""
    with browser.new_context() as context:
        tabs = Tabs(place, context, MODES["worker"])
        for _ in range(3):
            tabs.open()
        for ended in range(1, 4):
            with tabs.flowing(100):
                tabs.pages[0].wait_for_timeout(100)
                end_workers(browser)
                wait_until(tabs, lambda: place.opened == ended + 1)  # noqa: B023 - called at once
            tabs.expect_all()
            assert place.streams == 1
            assert len(tabs.leaders) == (ended == 3)


def end_workers(browser: Browser) -> None:
    """Let each shared worker end itself; returns when the browser knows none of them any more."""
    root = browser.new_browser_cdp_session()
    ending = shared_workers(root)
    assert ending, "there is a worker to end"
    for worker in ending:
        attached = root.send("Target.attachToTarget", {"targetId": worker, "flatten": False})
        text = json.dumps({"id": 1, "method": "Runtime.evaluate", "params": {"expression": "close()"}})
        root.send("Target.sendMessageToTarget", {"sessionId": attached["sessionId"], "message": text})
    # A message under way is lost when the session that sent it is detached.
    until(lambda: not ending & shared_workers(root), 10)
    root.detach()


def shared_workers(root: CDPSession) -> set[str]:
    """Ids of the shared workers that run."""
    found = root.send("Target.getTargets", {"filter": [{"type": "shared_worker"}]})
    return {target["targetId"] for target in found["targetInfos"]}


def test_a_worker_that_cannot_be_loaded_is_done_without(browser: Browser, place: Origin) -> None:
    """The tabs lead themselves then."""
    with browser.new_context() as context:
        tabs = Tabs(place, context, {"worker": "/client/nothing.js"})
        for _ in range(3):
            tabs.open()
        assert len(tabs.leaders) == 1
        place.publish(CHANNEL, *range(50))
        tabs.expect_all()
        assert place.streams == 1


def test_without_web_locks_each_tab_has_its_own_stream(browser: Browser, place: Origin) -> None:
    """An old browser gets what `connect` gives."""
    with browser.new_context() as context:
        context.add_init_script("delete Navigator.prototype.locks")
        tabs = Tabs(place, context, MODES["worker"])
        for _ in range(2):
            tabs.open()
        assert tabs.pages[0].evaluate("window.push.leads") is None
        place.publish(CHANNEL, *range(50))
        tabs.expect_all()
        assert place.streams == 2
