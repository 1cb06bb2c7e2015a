"""Server-sent events: one in, one out, whatever the data holds and wherever the bytes are cut (PROTOCOL §5)."""

import itertools
import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from jitterbug.errors import CanonicalError
from jitterbug.protocol import sse
from jitterbug.protocol.sse import SseDecoder, SseEvent

ROOMY = 1_000_000
LINES = [
    "data",
    "data:",
    "data: x",
    "data:  y",
    "id: 1",
    "id",
    "id: a\0b",
    "event: e",
    "event",
    "retry: 5",
    ":c",
    "z: 1",
]
ENDS = ["\n", "\r", "\r\n"]

texts = st.one_of(st.text(max_size=30), st.text("\r\n:\0 daty\ufeff\u2028\x85\x0b\x0c", max_size=30))
ids = st.text(st.characters(codec="utf-8", exclude_characters="\r\n\0"), max_size=20)
streams = st.lists(
    st.tuples(st.sampled_from([*LINES, "", "", "data: \ufeff\u00e9\U0001f600"]), st.sampled_from(ENDS)), max_size=25
).map(lambda lines: "".join(itertools.chain.from_iterable(lines)).encode())


def decoded(*chunks: bytes, limit: int = ROOMY) -> list[SseEvent]:
    decoder = SseDecoder(max_event_bytes=limit)
    return [event for chunk in chunks for event in decoder.feed(chunk)]


def cut(data: bytes, places: list[int]) -> list[bytes]:
    """The data in pieces, some of them empty."""
    bounds = [0, *sorted(place % (len(data) + 1) for place in places), len(data)]
    return [data[start:end] for start, end in itertools.pairwise(bounds)]


def normalised(text: str) -> bytes:
    """Text as a reader of server-sent events gets it: every line end is LF."""
    return re.sub("\r\n|\r", "\n", text).encode()


def by_the_standard(data: bytes) -> list[SseEvent]:
    """WHATWG HTML §9.2.6 word for word, on the whole stream at once: the oracle."""
    text = data.decode().removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")
    events, buffer, event_type, last_id = [], "", "", ""
    for line in text.split("\n")[:-1]:
        field, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if line == "":
            if buffer:
                body = buffer.removesuffix("\n").encode()
                events.append(SseEvent(body, last_id.encode(), (event_type or "message").encode()))
            buffer, event_type = "", ""
        elif field == "data":
            buffer += value + "\n"
        elif field == "event":
            event_type = value
        elif field == "id" and "\0" not in value:
            last_id = value
    return events


# Encoding


@given(texts)
def test_any_text_is_one_event_with_that_data_up_to_line_ends(text: str) -> None:
    encoded = sse.event(text.encode())

    assert decoded(encoded) == [SseEvent(normalised(text), b"", b"message")]
    assert by_the_standard(encoded) == [SseEvent(normalised(text), b"", b"message")]


@given(st.lists(st.tuples(texts, st.one_of(st.none(), ids)), max_size=6))
def test_as_many_events_arrive_as_were_sent_with_their_ids(sent: list[tuple[str, str | None]]) -> None:
    stream = b"".join(sse.event(text.encode(), None if id_ is None else id_.encode()) for text, id_ in sent)
    current, expected = b"", []
    for text, id_ in sent:
        current = current if id_ is None else id_.encode()
        expected.append(SseEvent(normalised(text), current, b"message"))

    assert decoded(stream) == expected


@pytest.mark.parametrize("bad", ["\n", "\r", "\0", "1\ndata: evil", "1\r", "\r\n\r\ndata: x", "a\0"])
def test_an_id_that_would_end_its_line_is_refused_not_cleaned(bad: str) -> None:
    """REQUIREMENTS §2.32, CWE-93."""
    with pytest.raises(ValueError, match="no CR, LF or NUL"):
        sse.event(b"x", bad.encode())
    with pytest.raises(ValueError, match="no CR, LF or NUL"):
        sse.id_line(bad.encode())


def test_without_retry_the_server_asked_for_no_delay() -> None:
    assert SseDecoder(max_event_bytes=ROOMY).retry_ms is None


@given(st.integers(min_value=0, max_value=999_999_999))
def test_retry_and_comments_fire_no_event(delay_ms: int) -> None:
    decoder = SseDecoder(max_event_bytes=ROOMY)

    assert decoder.feed(sse.comment() + sse.retry(delay_ms) + sse.comment()) == []
    assert decoder.retry_ms == delay_ms
    assert decoder.feed(sse.event(b"x")) == [SseEvent(b"x", b"", b"message")]


@given(st.one_of(st.text(), st.text("Az09._~-", max_size=130), st.binary(), st.none()))
def test_a_cursor_is_1_to_128_of_its_letters(value: object) -> None:
    letters = isinstance(value, str) and re.fullmatch(r"[A-Za-z0-9._~\-]{1,128}", value, re.ASCII) is not None

    assert sse.is_cursor(value) == letters


@pytest.mark.parametrize(("text", "right"), [("a" * 128, True), ("a" * 129, False), ("", False), ("a\n", False)])
def test_the_lengths_of_cursors_are_exact(text: str, *, right: bool) -> None:
    assert sse.is_cursor(text) == right


# Decoding


@given(streams)
@example(b"\xef\xbb\xbfdata: x\n\n")
@example(b"\xef\xbb\xbf\xef\xbb\xbfdata: x\n\n")
@example(b"data: x\r\r")
@example(b"data: x\r\n\r\n")
@example(b"data: x\n\rdata: y\n\r")
@example(b"data: x")
@example(b"id: 1\nevent: e\ndata: x\n\ndata: y\n\nevent: e\n\ndata: z\n\n")
def test_a_stream_is_read_as_the_standard_has_it(data: bytes) -> None:
    assert decoded(data) == by_the_standard(data)


@given(st.one_of(streams, st.binary(max_size=60)), st.lists(st.integers(min_value=0), max_size=20))
@example(b"\xef\xbb\xbfdata: x\r\n\r\ndata: y\r\r", list(range(1, 30)))
@example(b"\xef\xbbdata: x\n\n", [1, 2])
@example(b"data\r\n", [5, 5])
def test_wherever_the_bytes_are_cut_the_events_are_the_same(data: bytes, places: list[int]) -> None:
    whole = SseDecoder(max_event_bytes=ROOMY)
    pieces = SseDecoder(max_event_bytes=ROOMY)
    expected = whole.feed(data)

    assert [event for chunk in cut(data, places) for event in pieces.feed(chunk)] == expected
    assert pieces.retry_ms == whole.retry_ms


@given(streams)
def test_byte_by_byte_the_events_are_the_same(data: bytes) -> None:
    assert decoded(*(data[at : at + 1] for at in range(len(data)))) == decoded(data)


@given(streams, st.lists(st.integers(min_value=0), max_size=10), st.integers(min_value=0, max_value=30))
def test_what_is_too_large_is_so_however_it_is_cut(data: bytes, places: list[int], limit: int) -> None:
    def outcome(*chunks: bytes) -> list[SseEvent] | None:
        try:
            return decoded(*chunks, limit=limit)
        except CanonicalError:
            return None

    assert outcome(*cut(data, places)) == outcome(data)


@given(st.text(max_size=40), st.integers(min_value=0, max_value=60))
def test_an_event_larger_than_its_bound_ends_the_stream_and_a_smaller_one_passes(text: str, limit: int) -> None:
    """A line counts with its field name, the data of an event with a line end for each of its lines."""
    stream = sse.event(text.encode())
    lines = stream.removesuffix(b"\n\n").replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n")
    fits = max(map(len, lines)) <= limit and sum(len(line) - 5 for line in lines) <= limit
    if fits:
        assert len(decoded(stream, limit=limit)) == 1
    else:
        with pytest.raises(CanonicalError, match="outgrew"):
            decoded(stream, limit=limit)


@pytest.mark.parametrize("stream", [b"x" * 21, b": " + b"x" * 30 + b"\n", b"data: 1234\n" * 5, b"data\n" * 30])
def test_nothing_piles_up_beyond_the_bound(stream: bytes) -> None:
    for chunks in ([stream], [stream[at : at + 1] for at in range(len(stream))]):
        with pytest.raises(CanonicalError):
            decoded(*chunks, limit=20)


def test_endless_small_events_do_not_count_together() -> None:
    assert len(decoded(b"data: 1234\n\n" * 1_000, limit=20)) == 1_000
    assert len(decoded(b": 1234\n" * 1_000 + b"data: x\n\n", limit=20)) == 1


@pytest.mark.parametrize(
    ("value", "expected"),
    [("0", 0), ("1000", 1_000), ("999999999", 999_999_999), ("1000000000", None), ("", None), ("-1", None),
     ("1.5", None), ("1x", None), (" 1", None), ("+1", None), ("1_0", None), ("\u0661", None)],
)  # fmt: skip
def test_retry_takes_up_to_nine_ascii_digits(value: str, expected: int | None) -> None:
    decoder = SseDecoder(max_event_bytes=ROOMY)
    decoder.feed(f"retry: {value}\n".encode())

    assert decoder.retry_ms == expected


@pytest.mark.parametrize("name", ["a", "r", "retr", "retry0", "s", "retries", "RETRY", "z"])
def test_no_other_field_sets_the_delay(name: str) -> None:
    decoder = SseDecoder(max_event_bytes=ROOMY)

    assert decoder.feed(f"{name}: 5\n\n".encode()) == []
    assert decoder.retry_ms is None


@pytest.mark.parametrize("digits", [10, 11, 12, 30])
def test_a_delay_of_ten_or_more_digits_is_left_aside(digits: int) -> None:
    decoder = SseDecoder(max_event_bytes=ROOMY)
    decoder.feed(b"retry: 7\nretry: " + b"1" * digits + b"\n")

    assert decoder.retry_ms == 7


@pytest.mark.parametrize("before", [0, 1, 3])
@pytest.mark.parametrize(
    ("sizes", "fits"),
    [((9, 9), True), ((8, 10), True), ((4, 4, 4, 4), True), ((9, 10), False), ((10, 9), False), ((4, 4, 4, 5), False)],
)
def test_the_data_of_each_event_may_have_its_bound_and_no_byte_more(
    sizes: tuple[int, ...], before: int, *, fits: bool
) -> None:
    """A line end counts for each line; what came in events before does not count."""
    stream = b"data:12345678\ndata:1234567890\n\n" * before + b"".join(b"data:%b\n" % (b"x" * n) for n in sizes) + b"\n"
    if fits:
        assert len(decoded(stream, limit=20)) == before + 1
    else:
        with pytest.raises(CanonicalError, match="outgrew"):
            decoded(stream, limit=20)


@pytest.mark.parametrize("end", [b"", b"\n"])
@pytest.mark.parametrize("limit", [1, 2, 3, 20])
def test_a_line_may_have_its_bound_and_no_byte_more_from_the_first_on(limit: int, end: bytes) -> None:
    assert decoded(b":" * limit + end, limit=limit) == []
    with pytest.raises(CanonicalError, match="outgrew"):
        decoded(b":" * (limit + 1) + end, limit=limit)


def test_a_byte_order_mark_is_dropped_at_the_start_of_the_stream_only() -> None:
    """Later it belongs to a field's name, even where a chunk begins with it."""
    bom = b"\xef\xbb\xbf"
    events = decoded(bom + b"data: 1\n\n", bom + b"data: 2\n\n", b"data: 3\n\n")

    assert [event.data for event in events] == [b"1", b"3"]
