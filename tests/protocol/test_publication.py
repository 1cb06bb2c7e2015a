"""A publication made ready once: its spliced payload is the canonical one, and its size is known before (R58)."""

import itertools
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from jitterbug.protocol import FrameSigner, base64, canonical, sse
from jitterbug.protocol.keys import RootKey
from jitterbug.protocol.position import CURSOR_MAX_CHARS, Position, decode_cursor
from jitterbug.protocol.publication import (
    CONN_CHARS,
    EPOCH_CHARS,
    TAIL,
    Place,
    PreparedPublication,
    join_cursor,
    largest_frame_bytes,
)
from tests.protocol.outside import NOW_MS
from tests.strategies import KID_LETTERS, channels, json_values

epochs = st.text(KID_LETTERS, min_size=EPOCH_CHARS, max_size=EPOCH_CHARS)
conns = st.text(KID_LETTERS, min_size=CONN_CHARS, max_size=CONN_CHARS)
counters = st.integers(min_value=1, max_value=10**10 - 1)
KEY = RootKey("root", bytes(32)).issue("session", NOW_MS + 1, bytes(16))
SIGNER = FrameSigner(KEY.kid, KEY.secret)


@given(channels, epochs, counters, json_values, conns, counters)
def test_spliced_bytes_are_the_canonical_payload(
    channel: str, epoch: str, offset: int, data: Any, conn: str, seq: int
) -> None:
    publication = PreparedPublication(channel, Position(epoch, offset), canonical.encode(data))
    payload = {"ch": channel, "conn": conn, "data": data, "pos": [epoch, offset], "seq": seq, "t": "msg"}

    def spliced(tail: bytes) -> bytes:
        return b"".join((publication.head, conn.encode(), tail, b"%d" % seq, TAIL))

    assert spliced(publication.tail) == canonical.encode(payload)
    assert spliced(publication.recovered_tail()) == canonical.encode({**payload, "re": True})


@given(channels, epochs, counters, json_values, conns, counters)
def test_no_frame_of_a_publication_outgrows_the_size_it_was_admitted_by_r58(
    channel: str, epoch: str, offset: int, data: Any, conn: str, seq: int
) -> None:
    text = canonical.encode(data)
    publication = PreparedPublication(channel, Position(epoch, offset), text)
    payload = b"".join((publication.head, conn.encode(), publication.recovered_tail(), b"%d" % seq, TAIL))
    frame = SIGNER.seal(payload, b"%d" % NOW_MS)
    digits = len(str(offset)) + len(str(seq))

    assert len(frame) == largest_frame_bytes(channel, text) - (20 - digits)


@pytest.mark.parametrize(("channel", "data"), [("a", b"1"), ("orders/42", b'{"a":[1,2]}'), ("c" * 64, b"1" * 900)])
def test_room_is_left_for_a_conn_of_16_an_epoch_of_8_and_counters_of_10_letters_r58(channel: str, data: bytes) -> None:
    publication = PreparedPublication(channel, Position("e" * 8, 10**10 - 1), data)
    payload = b"".join((publication.head, b"c" * 16, publication.recovered_tail(), b"9999999999", TAIL))

    assert len(SIGNER.seal(payload, b"%d" % NOW_MS)) == largest_frame_bytes(channel, data)


@pytest.mark.parametrize(("epoch_chars", "fits"), [(22, True), (23, False)])
def test_a_cursor_of_128_bytes_is_sent_and_one_of_129_is_not(epoch_chars: int, *, fits: bool) -> None:
    offsets = [10**8] * 5 + [1]
    cursor = join_cursor([Place(f"c{n}", Position("e" * epoch_chars, offset)) for n, offset in enumerate(offsets)])

    assert (cursor is not None) == fits
    assert cursor is None or len(cursor) == 128


@given(st.dictionaries(channels, st.builds(Position, epochs, counters), max_size=6))
def test_a_cursor_is_read_again_and_fits_a_header_or_is_left_out(places: dict[str, Position]) -> None:
    cursor = join_cursor([Place(channel, position) for channel, position in places.items()])
    by_epoch = itertools.groupby(places.values(), key=lambda position: position.epoch)
    size = sum(len(epoch) + 1 + sum(10 + len(str(p.offset)) for p in group) for epoch, group in by_epoch) - 1

    assert (cursor is None) == (not places or size > CURSOR_MAX_CHARS)
    if cursor is None:
        return
    assert len(cursor) == size
    assert sse.is_cursor(cursor.decode())
    assert decode_cursor(cursor.decode(), places) == places


@given(st.lists(channels, min_size=1, max_size=5, unique=True), epochs)
def test_an_epoch_is_named_once_for_channels_that_share_it(names: list[str], epoch: str) -> None:
    cursor = join_cursor([Place(name, Position(epoch, 1)) for name in names])

    assert cursor is not None
    assert cursor.split(b"~").count(epoch.encode()) == 1


@given(channels, epochs, counters)
def test_the_cursor_of_one_channel_alone_is_ready(channel: str, epoch: str, offset: int) -> None:
    publication = PreparedPublication(channel, Position(epoch, offset), b"1")

    assert publication.cursor == join_cursor([publication])


@pytest.mark.parametrize("spare", [0, 1])
def test_a_cursor_has_128_bytes_at_most(spare: int) -> None:
    def cursor(last_digits: int) -> bytes | None:
        places = [Place(f"c{n}", Position("e" * 8, 10**9)) for n in range(5)]
        return join_cursor([*places, Place("last", Position("e" * 8, 10 ** (last_digits - 1)))])

    longest = next(digits for digits in range(1, 20) if cursor(digits + 1) is None)

    assert len(cursor(longest) or b"") == CURSOR_MAX_CHARS
    assert (cursor(longest + spare) is None) == bool(spare)


@given(channels, channels)
def test_other_channels_have_other_parts(one: str, other: str) -> None:
    assume(one != other)
    position = Position("e" * 8, 1)

    assert Place(one, position).cursor_part != Place(other, position).cursor_part


def test_a_publication_shows_where_it_stands_and_not_what_it_says() -> None:
    publication = PreparedPublication("orders/42", Position("epoch", 7), b'"private"')

    assert repr(publication) == "PreparedPublication('orders/42', 7)"
    assert base64.encode(b"private") not in repr(publication).encode()
