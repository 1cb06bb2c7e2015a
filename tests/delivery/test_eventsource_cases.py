"""The ``eventsource`` cases of web-platform-tests against our decoder, and our encoder against the standard.

The reader here is a third one, by the grammar of WHATWG HTML §9.2.5 and the processing of §9.2.6, letter by letter; it
shares nothing with the decoder nor with the oracle of ``tests/protocol/test_sse.py``.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import httpx2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jitterbug.protocol import sse
from jitterbug.protocol.sse import SseDecoder
from tests.client.hub_process import HubProcess
from tests.delivery.login import BASE, log_in

Event = tuple[str, str, str]
"""Type, data, last event id."""


@dataclass
class Browser:
    """An event source as the standard has it, from the bytes of one answer.

    Attributes:
        events: Those that fire.
        retry_ms: The reconnection time where one was set.
        last_event_id: What the next request would say.
    """

    events: list[Event] = field(default_factory=list)
    retry_ms: int | None = None
    last_event_id: str = ""
    _data: str = ""
    _type: str = ""
    _id: str = ""

    def read(self, answer: bytes) -> "Browser":
        text = answer.decode("utf-8", "replace")
        for line in _lines(text.removeprefix("\ufeff")):
            if line == "":
                self._dispatch()
            elif line[0] != ":":
                self._field(line)
        return self

    def _field(self, line: str) -> None:
        name, value, letters = "", "", iter(line)
        for letter in letters:
            if letter == ":":
                value = "".join(letters)
                break
            name += letter
        if value[:1] == " ":
            value = value[1:]
        if name == "event":
            self._type = value
        elif name == "data":
            self._data += value + "\n"
        elif name == "id":
            self._id = self._id if "\0" in value else value
        elif name == "retry" and value and all("0" <= digit <= "9" for digit in value):
            self.retry_ms = int(value)

    def _dispatch(self) -> None:
        self.last_event_id = self._id
        if self._data:
            self.events.append((self._type or "message", self._data[:-1], self._id))
        self._data = self._type = ""


def _lines(text: str) -> Iterator[str]:
    """Lines that have an end; what the answer breaks off in is none."""
    line, last = "", ""
    for letter in text:
        if letter == "\n" and last == "\r":
            pass  # the CR before it ended the line
        elif letter in "\r\n":
            yield line
            line = ""
        else:
            line += letter
        last = letter


def decoded(answer: bytes, size: int = 1 << 20) -> tuple[list[Event], int | None]:
    decoder = SseDecoder(max_event_bytes=1 << 20)
    found = [event for at in range(0, len(answer), size) for event in decoder.feed(answer[at : at + size])]
    return [
        (e.event.decode(), e.data.decode("utf-8", "replace"), e.last_event_id.decode("utf-8", "replace")) for e in found
    ], (decoder.retry_ms)


def messages(*data: str) -> list[Event]:
    return [("message", each, "") for each in data]


LONG = "x" * 2_048
CASES: dict[str, tuple[str, list[Event]]] = {
    "event-data": (
        "data:a\ndata: a\n\n:\nother:a\n\nother:a\nData:a\n\ndata\n\ndata:z\n\n",
        messages("a\na", "", "z"),
    ),
    "format-bom": ("\ufeffdata:1\n\n\ufeffdata:2\n\ndata:3\n\n", messages("1", "3")),
    "format-bom-2": ("\ufeff\ufeffdata:1\n\ndata:2\n\ndata:3\n\n", messages("2", "3")),
    "format-comments": (
        f"data:1\r:\0\n:\r\ndata:2\n:{LONG}\rdata:3\n:data:no\r:{LONG}\ndata:4\n\n",
        messages("1\n2\n3\n4"),
    ),
    "format-data-before-final-empty-line": ("retry:1000\ndata:1\n\nid:lost\ndata:2\n", messages("1")),
    "format-field-data": ("data:\n\ndata\ndata\n\ndata:a\n\n", messages("", "\n", "a")),
    "format-field-event": ("event:other\ndata:1\n\ndata:2\n\n", [("other", "1", ""), ("message", "2", "")]),
    "format-field-event-empty": ("event: \ndata:a\n\n", messages("a")),
    "format-field-id": ("id:\u2026\ndata:a\n\ndata:b\n\n", [("message", "a", "\u2026"), ("message", "b", "\u2026")]),
    "format-field-id-3 changes": (
        "id:1\ndata:a\n\nid:2\ndata:b\n\ndata:c\n\n",
        [("message", "a", "1"), ("message", "b", "2"), ("message", "c", "2")],
    ),
    "format-field-id-3 resets": (
        "id:1\ndata:a\n\nid:\ndata:b\n\ndata:c\n\n",
        [("message", "a", "1"), ("message", "b", ""), ("message", "c", "")],
    ),
    "format-field-id without data": ("id:1\n\ndata:a\n\n", [("message", "a", "1")]),
    "format-field-id-null": ("id:1\ndata:a\n\nid:\0\0\ndata:b\n\n", [("message", "a", "1"), ("message", "b", "1")]),
    "format-field-parsing": (
        "data:\0\ndata:  2\rData:1\ndata\0:2\ndata:1\r\0data:4\nda-ta:3\rdata_5\ndata:3\rdata:\r\n data:32\ndata:4\n\n",
        messages("\0\n 2\n1\n3\n\n4"),
    ),
    "format-field-retry": ("retry:3000\ndata:a\n\n", messages("a")),
    "format-field-retry-bogus": ("retry:2000\nretry:1000x\ndata:a\n\n", messages("a")),
    "format-field-retry-empty": ("retry\ndata:a\n\n", messages("a")),
    "format-field-unknown": ("data:a\n data\ndata\nfoo:x\nbare\n:note\ndata:b\n\n", messages("a\n\nb")),
    "format-leading-space": ("data:\ta\rdata: \ndata:b\n\n", messages("\ta\n\nb")),
    "format-newlines": ("data:a\r\ndata\ndata:b\r\n\r", messages("a\n\nb")),
    "format-null-character": ("data:\0\n\n\n\n", messages("\0")),
    "format-utf-8": ("data:ok\u2026\n\n", messages("ok\u2026")),
}
RETRIES = {"format-data-before-final-empty-line": 1_000, "format-field-retry": 3_000, "format-field-retry-bogus": 2_000}
LETTERS = "\r\n\0: \t\ufeffdateivnry1é\u2028\U0001f600"
texts = st.one_of(st.text(max_size=40), st.text(LETTERS, max_size=40))
ids = st.text(st.one_of(st.characters(codec="utf-8"), st.sampled_from(LETTERS)), max_size=12).map(
    lambda text: text.translate({13: None, 10: None, 0: None})
)
wild = st.one_of(st.binary(max_size=80), st.text(LETTERS, max_size=120).map(str.encode))


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("size", [1, 3, 1 << 20], ids=["byte by byte", "three bytes", "whole"])
def test_the_decoder_reads_the_case_as_the_standard_does(name: str, size: int) -> None:
    text, events = CASES[name]
    assert decoded(text.encode(), size) == (events, RETRIES.get(name))


@pytest.mark.parametrize("name", CASES)
def test_the_reader_that_judges_here_passes_the_cases_itself(name: str) -> None:
    text, events = CASES[name]
    browser = Browser().read(text.encode())
    assert (browser.events, browser.retry_ms) == (events, RETRIES.get(name))


@given(wild)
def test_whatever_comes_the_decoder_and_the_standard_agree(answer: bytes) -> None:
    """Bytes that are no UTF-8 too: to us they are the frame's business, in a browser they become U+FFFD."""
    browser, (events, retry_ms) = Browser().read(answer), decoded(answer)
    assert events == browser.events
    assert retry_ms == browser.retry_ms


@given(st.lists(st.tuples(texts, st.one_of(st.none(), ids)), max_size=8), st.integers(0, 999_999_999), st.booleans())
def test_what_the_encoder_writes_the_standard_reads_as_it_was_meant(
    sent: list[tuple[str, str | None]], retry_ms: int, noisy: bool
) -> None:
    """As many events, with their data and ids, and nothing else set: whatever the data holds."""
    answer = sse.retry(retry_ms) + b"".join(
        (sse.comment() if noisy else b"") + sse.event(text.encode(), None if event_id is None else event_id.encode())
        for text, event_id in sent
    )
    expected, current = [], ""
    for text, event_id in sent:
        current = current if event_id is None else event_id
        expected.append(("message", text.replace("\r\n", "\n").replace("\r", "\n"), current))
    browser = Browser().read(answer)
    assert (browser.events, browser.retry_ms, browser.last_event_id) == (expected, retry_ms, current)


def test_a_real_stream_holds_nothing_the_standard_would_read_otherwise(tmp_path: Path) -> None:
    """Every line of a hub's answer is one of four, and data that looks like fields stays data."""
    with HubProcess(tmp_path, profile="realtime") as hub:
        login = log_in(hub.url)
        nasty = ["\r\n\r\ndata: forged\r\rid: 9\n\n", "\0\ufeff\u2028", ":", "retry: 1"]
        answer = b""
        with httpx2.Client(base_url=hub.url + BASE, verify=False, trust_env=False, timeout=10) as http:
            http.headers["cookie"] = login.cookie
            with http.stream("GET", "/stream", params={"kid": login.kid, "channel": "nasty"}) as stream:
                chunks = stream.iter_raw()
                while b'"subscribed"' not in answer:
                    answer += next(chunks)
                conn = json.loads(Browser().read(answer).events[0][1])["payload"]["conn"]
                for number, data in enumerate(nasty):
                    payload = {"t": "pub", "id": f"n{number}", "conn": conn, "ch": "nasty", "data": data}
                    frame = login.signer.sign(payload, json.loads(Browser().read(answer).events[0][1])["ts"])
                    assert http.post("/frames", content=frame, headers={"content-type": "application/json"}).is_success
                while Browser().read(answer).events[-1][1].count('"retry: 1"') == 0:
                    answer += next(chunks)
    browser = Browser().read(answer)
    frames = [json.loads(data) for _, data, _ in browser.events]
    assert [frame["payload"]["data"] for frame in frames if frame["payload"]["t"] == "msg"] == nasty
    assert {kind for kind, _, _ in browser.events} == {"message"}
    assert browser.retry_ms is not None
    assert sse.is_cursor(browser.last_event_id)
    starts = (b"data: {", b"id: ", b"retry: ", b":")
    assert all(line.startswith(starts) for line in answer.split(b"\n") if line)
