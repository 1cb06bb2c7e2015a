"""Chromium's own EventSource (WHATWG HTML §9.2): it reads what we write as our decoder does, and follows our hub."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from playwright.sync_api import Browser, Page
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from jitterbug.protocol import sse
from jitterbug.protocol.codes import ByeReason
from tests.browser.origin import BASE, Origin, origin
from tests.server.serving import until

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(90)]

CONNECTING, CLOSED = 0, 2
STREAM = "text/event-stream; charset=utf-8"
MANY = 200
"""Streams in one answer: opening an EventSource for each would take most of the time."""

READ = """(url) => new Promise((resolve) => {
  const source = new EventSource(url);
  const seen = [];
  for (const type of ["message", "other", ""]) {
    source.addEventListener(type, (event) => seen.push([event.type, event.data, event.lastEventId]));
  }
  source.onerror = () => { const { readyState } = source; source.close(); resolve([seen, readyState]); };
})"""
FOLLOW = """async ([base, channel]) => {
  const headers = { "Content-Type": "application/json" };
  const post = (path) => fetch(base + path, { method: "POST", body: "{}", headers });
  await post("/session");
  const { kid } = await (await post("/keys")).json();
  Object.assign(window, { got: [], types: [], ids: [], opened: [], failed: [] });
  window.source = new EventSource(`${base}/stream?kid=${kid}&channel=${channel}`);
  source.onopen = () => opened.push(performance.now());
  source.onerror = () => failed.push([source.readyState, performance.now()]);
  source.onmessage = ({ data, lastEventId }) => {
    const { payload } = JSON.parse(data);
    types.push(payload.t);
    ids.push(lastEventId);
    if (payload.t === "msg") got.push(payload.data);
  };
}"""


class Script:
    """Answers ``/script`` with what a test says, one answer after the other, the last one for good.

    Attributes:
        heads: Headers of the requests so far.
    """

    def __init__(self) -> None:
        self.heads: list[Mapping[str, str]] = []
        self._answers: list[Response] = []

    def say(self, *answers: Response | bytes) -> None:
        """Set the answers; bytes are a whole event stream."""
        self.heads.clear()
        self._answers = [Response(each, media_type=STREAM) if isinstance(each, bytes) else each for each in answers]

    def answer(self, request: Request) -> Response:
        """Answer the next request."""
        self.heads.append(request.headers)
        return self._answers[min(len(self.heads), len(self._answers)) - 1]


@pytest.fixture(scope="module")
def script() -> Script:
    return Script()


@pytest.fixture(scope="module")
def place(script: Script) -> Iterator[Origin]:
    with origin(Route("/script", script.answer)) as running:
        yield running


@pytest.fixture(scope="module")
def page(browser: Browser, place: Origin) -> Iterator[Page]:
    with browser.new_context() as context:
        page = context.new_page()
        page.goto(f"{place.url}/page")
        yield page


def read(page: Page, script: Script, body: bytes) -> list[list[str]]:
    """Type, data and last id of each event that Chromium finds in a stream."""
    script.say(body)
    seen, state = page.evaluate(READ, "/script")
    assert state == CONNECTING, "the end of a stream is no reason to give up"
    return list(seen)


def by_our_decoder(body: bytes) -> list[list[str]]:
    """The same, by the decoder of the Python client."""
    found = sse.SseDecoder(max_event_bytes=1_000_000).feed(body)
    return [[event.event.decode(), event.data.decode(), event.last_event_id.decode()] for event in found]


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        pytest.param(b"data: a\n\n", [["message", "a", ""]], id="one event"),
        pytest.param("\ufeffdata: a\n\n".encode(), [["message", "a", ""]], id="a BOM at the start"),
        pytest.param("data: a\n\n\ufeffdata: b\n\n".encode(), [["message", "a", ""]], id="a BOM elsewhere is text"),
        pytest.param("\ufeff\ufeffdata: a\n\n".encode(), [], id="only one BOM is dropped"),
        pytest.param(b"data: a\r\rdata: b\r\n\r\ndata: c\n\n", [["message", x, ""] for x in "abc"], id="line ends"),
        pytest.param(b"data: a\r\ndata: b\rdata: c\ndata\n\n", [["message", "a\nb\nc\n", ""]], id="lines of data"),
        pytest.param(b"data:a\ndata:  b\ndata:\tc\n\n", [["message", "a\n b\n\tc", ""]], id="one space is dropped"),
        pytest.param(b":\n: data: no\ndata: a\n:x\n\n", [["message", "a", ""]], id="comments"),
        pytest.param(b"data\n\n", [["message", "", ""]], id="empty data"),
        pytest.param(b"\n\n\nid: 1\n\ndata: a\n\n", [["message", "a", "1"]], id="no data, no event; the id stays"),
        pytest.param(b"id: 1\ndata: a\n\ndata: b\n\n", [["message", x, "1"] for x in "ab"], id="an id holds on"),
        pytest.param(b"id: 1\ndata: a\n\nid\ndata: b\n\n", [["message", "a", "1"], ["message", "b", ""]], id="no id"),
        pytest.param(b"id: 1\ndata: a\n\nid: 2\x003\ndata: b\n\n", [["message", x, "1"] for x in "ab"], id="NUL in id"),
        pytest.param(b"event: other\ndata: a\n\ndata: b\n\n", [["other", "a", ""], ["message", "b", ""]], id="type"),
        pytest.param(b"event:\ndata: a\n\n", [["message", "a", ""]], id="empty type"),
        pytest.param(
            b"Data: no\n data: no\ndata : no\nwhat: no\ndata: a\n\n", [["message", "a", ""]], id="field names"
        ),
        pytest.param(b"data: a\n\ndata: b\n", [["message", "a", ""]], id="an event that does not end"),
        pytest.param(b"retry: 1x\nretry: -1\nretry:\ndata: a\n\n", [["message", "a", ""]], id="no retry"),
        pytest.param(b"data: a\x00b\n\n", [["message", "a\x00b", ""]], id="NUL in data"),
        pytest.param("data: ä\u2028é😀\n\n".encode(), [["message", "ä\u2028é😀", ""]], id="other line ends are text"),
        pytest.param(b"data: " + b"x" * 200_000 + b"\n\n", [["message", "x" * 200_000, ""]], id="a long line"),
    ],
)
def test_chromium_and_our_decoder_find_the_same(
    page: Page, script: Script, body: bytes, expected: list[list[str]]
) -> None:
    """Each case of the grammar: what the standard says, what the browser does, what we do."""
    assert read(page, script, body) == expected
    assert by_our_decoder(body) == expected


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.tuples(st.text(), st.none() | st.from_regex(r"[A-Za-z0-9._~-]{1,40}", fullmatch=True)), max_size=MANY)
)
def test_whatever_is_encoded_chromium_reads_one_event_for_it(
    page: Page, script: Script, wanted: list[tuple[str, str | None]]
) -> None:
    """CWE-93: no data becomes a field, an id or a second event. Line ends arrive as LF, lone surrogates never leave."""
    data = [text.encode("utf-8", "replace") for text, _ in wanted]
    body = b"".join(
        sse.event(text, None if event_id is None else event_id.encode())
        for text, (_, event_id) in zip(data, wanted, strict=True)
    )
    seen = read(page, script, sse.retry(1) + sse.comment() + body)
    assert [found for _, found, _ in seen] == [text.decode().replace("\r\n", "\n").replace("\r", "\n") for text in data]
    last = ""
    for (_, event_id), (kind, _, found) in zip(wanted, seen, strict=True):
        last = event_id or last
        assert (kind, found) == ("message", last)


def test_the_last_id_comes_back_with_the_next_request_and_not_before(page: Page, script: Script) -> None:
    """As bytes of UTF-8, and as it was before an event that was cut."""
    script.say(
        sse.retry(10) + sse.event(b"a", b"abc.1~2-3_4") + b"id: cut\ndata: never",
        b"retry: 10\nid: \xc3\xa9\n\n",
        b"retry: 10\ndata: b\n\nid\n\n",
        b"retry: 10\n\n",
        Response(status_code=204),
    )
    page.evaluate(
        "() => { window.ended = false; const source = new EventSource('/script');"
        "source.onerror = () => { window.ended = source.readyState === 2; }; }"
    )
    page.wait_for_function("() => window.ended")
    sent = [head.get("last-event-id") for head in script.heads]
    assert sent == [None, "abc.1~2-3_4", "é".encode().decode("latin-1"), None, None]
    assert all(head["accept"] == "text/event-stream" for head in script.heads)
    page.wait_for_timeout(300)
    assert len(script.heads) == 5, "204 means: never come back"


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(Response(status_code=204), id="204"),
        pytest.param(Response(b"data: a\n\n", status_code=401, media_type=STREAM), id="401"),
        pytest.param(Response(b"data: a\n\n", status_code=503, media_type=STREAM), id="503"),
        pytest.param(Response(b"data: a\n\n", media_type="text/plain"), id="another type"),
        pytest.param(Response(b"data: a\n\n"), id="no type"),
    ],
)
def test_chromium_gives_up_for_good(page: Page, script: Script, answer: Response) -> None:
    """Which is why a GET that the hub cannot serve now is answered 200 (PROTOCOL §5)."""
    script.say(answer)
    assert page.evaluate(READ, "/script") == [[], CLOSED]


@pytest.mark.parametrize(
    "kind", [STREAM, "text/event-stream", "TEXT/EVENT-STREAM;charset=UTF-8", "text/event-stream;x=y"]
)
def test_these_types_are_a_stream(page: Page, script: Script, kind: str) -> None:
    """The type is compared without its parameters and without regard to case."""
    script.say(Response(b"data: a\n\n", headers={"content-type": kind}))
    assert page.evaluate(READ, "/script") == [[["message", "a", ""]], CONNECTING]


@pytest.mark.parametrize("asked_ms", [100, 1_000])
def test_the_time_we_ask_for_is_kept(page: Page, script: Script, asked_ms: int) -> None:
    """`retry` as our encoder writes it: not earlier, and not much later."""
    script.say(sse.retry(asked_ms), Response(status_code=204))
    took_ms = page.evaluate(
        """() => new Promise((resolve) => {
          const source = new EventSource("/script");
          let failedMs = 0;
          source.onerror = () => {
            if (source.readyState === 2) resolve(performance.now() - failedMs);
            else failedMs = performance.now();
          };
        })"""
    )
    assert asked_ms * 0.9 <= took_ms <= asked_ms + 1_000


# The hub itself.


@pytest.fixture
def follower(browser: Browser, place: Origin) -> Iterator[Page]:
    """A page whose native EventSource follows the channel of the test's own hub."""
    with browser.new_context() as context:
        page = context.new_page()
        page.goto(f"{place.url}/page")
        page.evaluate(FOLLOW, [BASE, "native"])
        page.wait_for_function("() => window.types.includes('subscribed')")
        yield page


def end_all(place: Origin) -> None:
    """The hub ends every stream, to be resumed."""
    hub = place.server.push.hub
    place.server.do(lambda: [hub.bye(each, ByeReason.LIFETIME, 1) for each in hub.connections()])


def test_a_native_eventsource_resumes_by_last_event_id(follower: Page, place: Origin) -> None:
    """Three cuts: it comes back by itself with the cursor, and gets what it missed once and in order."""
    numbers: list[int] = []
    for turn in range(3):
        numbers += range(10 * turn, 10 * turn + 5)
        place.publish("native", *range(10 * turn, 10 * turn + 5))
        follower.wait_for_function("count => window.got.length === count", arg=len(numbers))
        end_all(place)
        until(lambda: place.streams == 0)
        numbers += range(10 * turn + 5, 10 * turn + 10)
        place.publish("native", *range(10 * turn + 5, 10 * turn + 10))
        follower.wait_for_function("count => window.got.length >= count", arg=len(numbers), timeout=20_000)
    assert follower.evaluate("window.got") == numbers
    opened, failed = follower.evaluate("[window.opened, window.failed]")
    assert [state for state, _ in failed] == [CONNECTING] * 3
    assert len(opened) == 4
    assert all(sse.is_cursor(each) for each in follower.evaluate("window.ids.filter((id) => id !== '')"))
    assert "gap" not in follower.evaluate("window.types")


def test_a_native_eventsource_of_a_revoked_session_never_comes_back(follower: Page, place: Origin) -> None:
    """PROTOCOL §5: `bye` `revoked`, then 204."""
    place.revoke_all()
    follower.wait_for_function("() => window.failed.some(([state]) => state === 2)", timeout=20_000)
    assert follower.evaluate("window.types.at(-1)") == "bye"
    assert follower.evaluate("source.readyState") == CLOSED


def test_every_frame_is_one_event_of_canonical_json(follower: Page, place: Origin) -> None:
    """Whatever line ends the data has: they are escaped inside the frame, so a frame is one line."""
    wanted: list[Any] = ["a\r\nb\rc\nd", "\u2028\u2029\ufeff", "data: x\n\nid: 1\n\n", {"\n": ["\x00"]}]
    count = follower.evaluate("window.got.length")
    place.publish("native", *wanted)
    follower.wait_for_function("count => window.got.length >= count", arg=count + len(wanted))
    assert json.dumps(follower.evaluate("window.got")[count:]) == json.dumps(wanted)
