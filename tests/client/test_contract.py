"""What clients of server-sent events are held to, by the cases LaunchDarkly's ``sse-contract-tests`` look at.

Its cases as ideas, none of its text. Each is read twice: by the decoder, whole and in pieces, and by the client's wire
from a real server, which sends the pieces one by one.
"""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import httpx2
import pytest

from jitterbug.client import NetworkError, UnreadableError
from jitterbug.client.stream_wire import open_stream
from jitterbug.client.transport import Transport
from jitterbug.protocol.sse import SseDecoder, SseEvent
from tests.client.scripted_hub import EPOCH, ScriptedHub
from tests.looped import in_loop

ROOMY = 2_000_000
BOM = b"\xef\xbb\xbf"
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n"
END_NAMES = {b"\n": "LF", b"\r": "CR", b"\r\n": "CRLF"}


@dataclass(frozen=True)
class Case:
    """Pieces as they are sent, and the events they are."""

    name: str
    pieces: tuple[bytes, ...]
    events: tuple[SseEvent, ...]


def said(text: str, event_id: str = "", kind: str = "message") -> SseEvent:
    return SseEvent(text.encode(), event_id.encode(), kind.encode())


def case(name: str, pieces: str | bytes | list[str | bytes], *events: SseEvent | str) -> Case:
    given = pieces if isinstance(pieces, list) else [pieces]
    return Case(
        name,
        tuple(piece.encode() if isinstance(piece, str) else piece for piece in given),
        tuple(said(event) if isinstance(event, str) else event for event in events),
    )


BASIC = [
    case("one line", "data: red\n\n", "red"),
    case("one line in two pieces", ["data: re", "d\n\n"], "red"),
    case("two events in one piece", "data: red\n\ndata: blue\n\n", "red", "blue"),
    case("two lines", "data: red\ndata:blue\n\n", "red\nblue"),
    case("empty data", "data:\n\n", ""),
    case("a type", "event: colour\ndata: red\n\n", said("red", kind="colour")),
    case("a type counts once", "event: colour\ndata: red\n\ndata: blue\n\n", said("red", kind="colour"), "blue"),
    case("an id", "id: 7\ndata: red\n\n", said("red", "7")),
    case("type and id", "event: colour\nid: 7\ndata: red\n\n", said("red", "7", "colour")),
    case("fields the other way round", "data: red\nid: 7\nevent: colour\n\n", said("red", "7", "colour")),
    case("an id with NUL is none", "id: 7\0\ndata: red\n\n", "red"),
    case("an id lasts", "id: 7\ndata: red\n\ndata: blue\n\n", said("red", "7"), said("blue", "7")),
    case("an empty id ends it", "id: 7\ndata: red\n\nid:\ndata: blue\n\n", said("red", "7"), "blue"),
    case("an unknown field", "size: 3\ndata: red\n\n", "red"),
    case("no space", "event:colour\ndata:red\n\n", said("red", kind="colour")),
    case("two spaces", "event:  colour\ndata:  red\n\n", said(" red", kind=" colour")),
    case("names without a colon", "data\n\ndata\ndata\n\n", "", "\n"),
    case("characters of several bytes", "data: żółw €豆腐\n\n", "żółw €豆腐"),
    case("comments between", ":one\ndata: red\n:two\ndata: blue\n: three\n\n", "red\nblue"),
    case("a comment alone fires nothing", ":\n\n:\n\ndata: red\n\n", "red"),
    case("a hundred at once", "".join(f"data: {n}\n\n" for n in range(100)), *[str(n) for n in range(100)]),
    case("CR at the end of a piece", ["data: a\r", "\ndata: b\r", "\n\r\ndata: c\r", "\n", "\r", "\n"], "a\nb", "c"),
    case("the last event has no end", "data: red\n\ndata: blue\n", "red"),
]
MARKED = [
    case("a mark at the start", BOM + b"data: red\n\n", "red"),
    case("a mark in pieces", [BOM[:1], BOM[1:2], BOM[2:], "data: red\n\n"], "red"),
    case("a mark before other fields", BOM + b"event: colour\nid: 7\ndata: red\n\n", said("red", "7", "colour")),
    case("a mark before a comment", BOM + b":x\ndata: red\n\n", "red"),
    case("a mark in data stays", BOM + b"data: " + BOM + b"red\n\n", "\ufeffred"),
    case("a mark later stays", ["data: red\n\n", b"data: " + BOM + b"blue\n\n"], "red", "\ufeffblue"),
]


def with_ends(end: bytes) -> list[Case]:
    lines = {
        "one line": (["data: a", ""], ["a"]),
        "one line, then two": (["data: a", "", "data: b", "data: c", ""], ["a", "b\nc"]),
        "an empty line of data first": (["data:", "data: b", "data: c", ""], ["\nb\nc"]),
        "an empty line of data between": (["data: a", "data:", "data: c", ""], ["a\n\nc"]),
        "one empty line too many": (["data: a", "", "", "data: b", ""], ["a", "b"]),
        "two empty lines too many": (["data: a", "", "", "", "data: b", ""], ["a", "b"]),
    }
    ends = END_NAMES[end]
    return [
        case(f"{ends}, {name}", b"".join(line.encode() + end for line in given), *events)
        for name, (given, events) in lines.items()
    ]


CASES = BASIC + MARKED + [each for end in END_NAMES for each in with_ends(end)]
every_case = pytest.mark.parametrize("each", CASES, ids=[each.name for each in CASES])


@every_case
@pytest.mark.parametrize("size", [None, 1, 2], ids=["as sent", "byte by byte", "two bytes"])
def test_the_decoder_reads_it(each: Case, size: int | None) -> None:
    whole = b"".join(each.pieces)
    pieces = each.pieces if size is None else [whole[at : at + size] for at in range(0, len(whole), size)]
    decoder = SseDecoder(max_event_bytes=ROOMY)
    assert [event for piece in pieces for event in decoder.feed(piece)] == list(each.events)


@asynccontextmanager
async def sending(*pieces: bytes, head: bytes = HEAD) -> AsyncIterator[Transport]:
    """A real server that answers every request with these, each as a packet of its own, and hangs up."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        for piece in (head, *pieces):
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(0)
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        async with Transport(f"http://127.0.0.1:{port}") as transport:
            yield transport


async def frames_of(transport: Transport) -> list[bytes]:
    async with open_stream(transport, "k" * 52, {}) as wire:
        return [frame async for frame in wire.frames()]


@every_case
@in_loop
async def test_the_client_reads_it_from_a_server(each: Case) -> None:
    async with sending(*each.pieces) as transport:
        assert await frames_of(transport) == [event.data for event in each.events]


@in_loop
async def test_sizes_around_the_usual_buffers_arrive_at_once() -> None:
    """None waits for what comes after it."""
    sizes = [1, 512, 1_023, 1_024, 1_025, 4_095, 4_096, 4_097, 8_191, 8_192, 8_193, 16_384, 65_536, 1_048_576]
    began_s = time.monotonic()
    async with sending(*(b"data: " + b"x" * size + b"\n\n" for size in sizes)) as transport:
        assert [len(frame) for frame in await frames_of(transport)] == sizes
    assert time.monotonic() - began_s < 5


@pytest.mark.parametrize("kind", [b"text/html", b"application/json", b"text/event-streams/x"])
@in_loop
async def test_another_type_is_no_stream(kind: bytes) -> None:
    async with sending(b"data: x\n\n", head=HEAD.replace(b"text/event-stream", kind)) as transport:
        with pytest.raises(UnreadableError):
            await frames_of(transport)


@in_loop
async def test_an_answer_cut_within_a_chunk_is_a_cut() -> None:
    head = HEAD.replace(b"Connection: close", b"Transfer-Encoding: chunked")
    async with sending(b"9\r\ndata: a\n\n\r\n", b"9\r\ndata", head=head) as transport:
        with pytest.raises(NetworkError) as caught:
            await frames_of(transport)
    assert caught.value.sent


@in_loop
async def test_the_request_says_what_it_wants_and_is_made_again_as_it_was() -> None:
    """POST with its body and headers, from the place reached: what ``Last-Event-ID`` is to a native client."""
    requests: list[httpx2.Request] = []
    hub = ScriptedHub()

    async def handle(request: httpx2.Request) -> httpx2.Response:
        requests.append(request)
        return await hub._handle(request)

    http = httpx2.AsyncClient(transport=httpx2.MockTransport(handle), headers={"x-tenant": "t"})
    async with hub.connect(channels=["a"], http=http) as stream:
        wire = await hub.wire()
        wire.msg("a", 1, 1)
        assert (await anext(stream)).data == 1
        wire.cut()
        again = await hub.wire()
    opened = [request for request in requests if request.url.path.endswith("/stream")]
    assert {request.method for request in opened} == {"POST"}
    assert {request.headers["accept"] for request in opened} == {"text/event-stream"}
    assert {request.headers["x-tenant"] for request in opened} == {"t"}
    assert wire.asked["channels"] == {"a": None}
    assert again.asked["channels"] == {"a": [EPOCH, 1]}


@in_loop
async def test_a_server_that_says_nothing_is_left_after_two_heartbeats() -> None:
    hub = ScriptedHub()
    async with hub.connect(channels=["a"], heartbeat_s=0.1) as stream:
        await hub.wire()
        await hub.wire()
        assert stream.stats.connections == 2
