"""The gate of every publication: size in bytes of the signed frame, depth, names, JSON (R58, O26, O27)."""

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jitterbug.config import Config
from jitterbug.errors import CanonicalError, FrameTooLargeError, PublishError
from jitterbug.hub.publish import prepare
from jitterbug.protocol import canonical
from jitterbug.protocol.position import Position
from jitterbug.protocol.publication import PreparedPublication
from tests.hub.house import Client, House
from tests.looped import in_loop
from tests.strategies import channels, json_values

FAR = 9_999_999_999
"""The largest counter there is room for."""
NOT_COUNTED_BYTES = len('"re":true,') + 2 * (len(str(FAR)) - 1)
"""What the judgement reckons with and the first live frame does not need: the mark of history, and long counters."""
LARGEST = 1_048_576


def bound(channel: str, data: Any) -> int:
    """The size by which the gate judges."""
    with pytest.raises(FrameTooLargeError) as refused:
        prepare(channel, data, 0)
    assert refused.value.limit_bytes == 0
    return refused.value.frame_bytes


def frame_of(client: Client, channel: str, data: bytes, offset: int, *, recovered: bool) -> bytes:
    """The signed frame as a connection sends it."""
    publication = PreparedPublication(channel, Position("epoch-08", offset), data)
    if recovered:
        client.connection.recover([publication])
    else:
        client.connection.offer(publication)
    client.connection.flush(client.house.hub._tick.moment())
    return client.take()[-1].text


@given(channel=channels, data=json_values)
@in_loop
async def test_r58_the_bound_is_what_a_frame_with_the_longest_counters_takes_in_bytes(channel: str, data: Any) -> None:
    client = House().connect()
    frame_of(client, "first", b"0", 1, recovered=False)
    size = bound(channel, data)
    encoded = prepare(channel, data, size)
    client.connection._seq = FAR - 1

    frame = frame_of(client, channel, encoded, FAR, recovered=True)

    assert len(frame) == size, "never less than it can take, and not a byte more"
    with pytest.raises(FrameTooLargeError):
        prepare(channel, data, size - 1)


@given(channel=channels, data=json_values)
@in_loop
async def test_r58_the_bound_is_pessimistic_by_the_documented_digits_alone(channel: str, data: Any) -> None:
    client = House().connect()
    client.connection._control.clear()  # so that the frame is the first one and seq has one digit
    size = bound(channel, data)

    frame = frame_of(client, channel, prepare(channel, data, size), 1, recovered=False)

    assert len(frame) == size - NOT_COUNTED_BYTES


@in_loop
async def test_r58_a_frame_of_exactly_the_limit_passes_and_one_byte_more_is_refused() -> None:
    limit = Config().max_frame_bytes
    room = limit - bound("a", "")
    assert prepare("a", "x" * room, limit) == b'"%b"' % (b"x" * room)

    with pytest.raises(FrameTooLargeError) as refused:
        prepare("a", "x" * (room + 1), limit)
    assert (refused.value.frame_bytes, refused.value.limit_bytes) == (1_025, 1_024)
    assert refused.value.code == "JB_FRAME_TOO_LARGE"
    assert "MAX_FRAME_BYTES" in refused.value.remedy


@pytest.mark.parametrize(("letter", "width"), [("a", 1), ("ä", 2), ("€", 3), ("\U0001f600", 4), ("\n", 2), ("\x01", 6)])
def test_o26_bytes_are_counted_not_characters(letter: str, width: int) -> None:
    """The earlier implementation let 2,270 bytes pass as 870 UTF-16 units."""
    assert bound("a", letter * 100) - bound("a", "") == 100 * width


def test_o26_members_named_like_parts_of_javascript_are_kept() -> None:
    data = {"__proto__": {"admin": True}, "constructor": 1, "hasOwnProperty": None}

    assert canonical.decode(prepare("a", data, 1_024)) == data


@given(channel=channels, data=json_values)
def test_data_is_canonicalised_once_and_loses_nothing(channel: str, data: Any) -> None:
    encoded = prepare(channel, data, LARGEST)

    assert encoded == canonical.encode(data)


def nested(depth: int) -> Any:
    """Lists in lists, so many deep."""
    data: Any = []
    for _ in range(depth - 1):
        data = [data]
    return data


@given(depth=st.integers(min_value=1, max_value=60))
@in_loop
async def test_depth_is_judged_with_what_stands_around_the_data(depth: int) -> None:
    """A frame nests 32 deep at most; it and its payload are two of them. What passes, a client accepts."""
    if depth > 30:
        with pytest.raises(PublishError):
            prepare("a", nested(depth), LARGEST)
        return
    house = House()
    client = house.connect()
    await house.hub.subscribe(client.connection, "a")
    await house.hub.publish("a", nested(depth))
    await house.settle()

    client.check_wire()
    assert client.data() == [nested(depth)]


def cyclic() -> list[Any]:
    """A list that holds itself."""
    data: list[Any] = []
    data.append(data)
    return data


@pytest.mark.parametrize("data", [
    math.nan, math.inf, -math.inf, 2**53, -(2**53), "\ud800", {"\udfff": 1}, {1: "a"}, {None: 1}, b"bytes", object(),
    {"a"}, 1j, cyclic(), [1, [2, [math.nan]]], print,
], ids=lambda data: type(data).__name__)  # fmt: skip
def test_what_has_no_canonical_form_is_refused_and_the_cause_kept(data: Any) -> None:
    with pytest.raises(PublishError) as refused:
        prepare("a", data, LARGEST)

    assert not isinstance(refused.value, FrameTooLargeError)
    assert isinstance(refused.value.__cause__, CanonicalError)


@pytest.mark.parametrize("channel", ["", "a b", "a\n", "ä", "a" * 129, None, 7, b"a"])
def test_what_is_no_channel_is_refused(channel: Any) -> None:
    with pytest.raises(PublishError, match="1 to 128"):
        prepare(channel, 1, LARGEST)
