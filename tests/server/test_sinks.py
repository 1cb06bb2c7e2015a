"""What the ends of wires put around a frame: the same events by every way, each a chunk or message of its own."""

import asyncio
from typing import cast

from hypothesis import given
from hypothesis import strategies as st

from jitterbug.protocol import sse
from jitterbug.server.sinks import AsgiSink, TransportSink
from jitterbug.server.socket_sinks import AsgiSocketSink, TransportSocketSink

FRAMES = st.binary(min_size=2, max_size=70_000).map(lambda data: data.replace(b"\n", b"-").replace(b"\r", b"-"))
CURSORS = st.none() | st.from_regex(rb"[A-Za-z0-9._~-]{1,128}", fullmatch=True)
_NOWHERE = cast(asyncio.Transport, None)


@given(FRAMES, CURSORS)
def test_an_event_straight_to_the_transport_is_one_chunk_and_the_protocols_event(
    frame: bytes, cursor: bytes | None
) -> None:
    """RFC 9112 §7.1: its length in hexadecimal, CR LF, as many bytes, CR LF."""
    sink = TransportSink(_NOWHERE)
    head, _, rest = (sink.before(len(frame), cursor) + frame + sink.after).partition(b"\r\n")

    assert (rest[: int(head, 16)], rest[int(head, 16) :]) == (sse.event(frame, cursor), b"\r\n")


@given(FRAMES, CURSORS)
def test_an_event_through_the_server_is_the_protocols_event(frame: bytes, cursor: bytes | None) -> None:
    sink = AsgiSink()
    assert sink.before(len(frame), cursor) + frame + sink.after == sse.event(frame, cursor)


@given(FRAMES, CURSORS)
def test_a_frame_over_websocket_is_one_unmasked_text_message(frame: bytes, cursor: bytes | None) -> None:
    """RFC 6455 §5.2; through another server it is a line, since a frame is one line of JSON."""
    direct, gathered = TransportSocketSink(_NOWHERE, lambda _code: None), AsgiSocketSink()
    message = direct.before(len(frame), cursor) + frame + direct.after
    length = message[1]
    at = {126: 4, 127: 10}.get(length, 2)

    assert message[0] == 0x81
    assert (int.from_bytes(message[2:at], "big") if at > 2 else length, message[at:]) == (len(frame), frame)
    assert gathered.before(len(frame), cursor) + frame + gathered.after == frame + b"\n"
