"""RFC 6455 as the Autobahn test suite asks about it: sections 1 to 7 and 10, with the suite's case numbers as ids.

Ported, not run: ``autobahntestsuite`` 25.10.1 installs under Python 3 but does not start there (its modules are
Python 2: ``import autobahntestsuite`` ends with ``ModuleNotFoundError: No module named '_version'``), and its client
expects an echo. Numbers, octets and expectations are those of its source. Where the suite expects an echo, a signed
``pub`` comes back as ``msg`` with the same data (:mod:`tests.server.autobahn_peer`).

Each case runs under our own protocol class and under plain uvicorn. What differs from the suite's expectation, and why:

- 1.2, binary: refused with 1003, since there is no signed frame in binary (PROTOCOL §5).
- 6.1.1, 6.1.2, an empty text: ``err`` and 1007, since it is no signed frame.
- 3.2, 4.1.3, 4.1.4, 4.2.3, 4.2.4, 5.15: what was read together with the offence is not echoed ("non-strict").
- 6.4: the offence is found when the text is complete, not at the octet ("non-strict"; RFC 6455 §8.1 asks for no more).
- 7.1.5: a close frame within a fragmented text is answered with 1002 instead of 1000: the library takes it for an
  offence, and what is lost is told to nobody either way.
- 7.1.6: the large text has 100,000 characters instead of 256 Ki, which is over the hub's limit: that is 1009.
"""

from collections.abc import Iterator

import pytest

from jitterbug import Jitterbug
from jitterbug.protocol.codes import Down
from tests.server import serving
from tests.server.autobahn_cases import (
    BAD_TAIL,
    BEYOND,
    GREEK,
    HELLO,
    INVALID_CLOSE_CODES,
    SURROGATE,
    VALID_CLOSE_CODES,
    sequences,
)
from tests.server.autobahn_peer import NORMAL, Peer, fragments, halves, split
from tests.server.conftest import development
from tests.server.serving import Kind, Running
from tests.server.sockets import Op, encode
from tests.server.visitor import Visitor

LIMIT_BYTES = 131_072
NO_LIMITS = {
    "max_frame_bytes": LIMIT_BYTES,
    "rate_capacity": 1_000_000,
    "rate_refill_per_s": 1_000_000.0,
    "max_connections_per_session": 1_000,
}
SIZES = (0, 125, 126, 127, 128, 65_535, 65_536)
"""Where the length of a frame's length changes (§5.2)."""
BINARY = b"\x00\xff\xfe\xfd\xfc\xfb\x00\xff"
PING = encode(Op.PING)


@pytest.fixture(scope="module", params=["transport", "httptools"])
def kind(request: pytest.FixtureRequest) -> Kind:
    """Under our own protocol class, and under plain uvicorn."""
    kind: Kind = request.param
    return kind


@pytest.fixture(scope="module")
def server(kind: Kind) -> Iterator[Running]:
    running = serving.start(kind, Jitterbug(config=development(profile="realtime", **NO_LIMITS)))
    yield running
    running.stop()


@pytest.fixture(scope="module")
def login(server: Running) -> Iterator[Visitor]:
    """One login for all cases."""
    with Visitor(server) as visitor:
        visitor.log_in().fetch_key()
        yield visitor


@pytest.fixture
def peer(kind: Kind, login: Visitor) -> Iterator[Peer]:
    with Peer(login, quiet=kind == "transport") as peer:
        yield peer


def test_the_cases_are_all_there() -> None:
    """The suite has 132 in 6.5 to 6.23, of which 63 are valid."""
    valid, invalid = dict(sequences(valid=True)), dict(sequences(valid=False))
    assert (len(valid), len(invalid), len(VALID_CLOSE_CODES), len(INVALID_CLOSE_CODES)) == (63, 69, 13, 9)
    assert not valid.keys() & invalid.keys()


# 1: framing.


@pytest.mark.parametrize("size", [pytest.param(size, id=f"1.1.{at}") for at, size in enumerate(SIZES, 1)])
def test_1_a_text_of_any_size_comes_back(peer: Peer, size: int) -> None:
    """1.1.1 to 1.1.7: data of so many characters, up and down again."""
    peer.socket.send(peer.text("*" * size))
    peer.expect_echo("*" * size)
    peer.finish()


def test_1_a_text_of_any_size_comes_back_in_chops(peer: Peer) -> None:
    """1.1.8: octets in chops of 997."""
    peer.chop(encode(Op.TEXT, peer.text("*" * 65_536)), 997)
    peer.expect_echo("*" * 65_536)
    peer.finish()


@pytest.mark.parametrize("size", [997, 65_535, 65_536, LIMIT_BYTES])
def test_1_a_signed_frame_of_exactly_so_many_octets_is_taken(peer: Peer, size: int) -> None:
    """1.1.6, 1.1.7 on the wire itself: white space fills the frame; the largest is as large as the hub's limit."""
    peer.socket.send(peer.text(length_bytes=size))
    peer.expect_echo("Hello, world!")
    peer.finish()


@pytest.mark.parametrize("size", [125, 126, 127, 128])
def test_1_a_text_of_exactly_so_many_octets_is_read_to_its_end(peer: Peer, size: int) -> None:
    """1.1.2 to 1.1.5 on the wire itself: fragments of that size, since no signed frame is so short."""
    peer.socket.raw(fragments(list(split(peer.text(), size))))
    peer.expect_echo("Hello, world!")
    peer.finish()


@pytest.mark.parametrize("size", [pytest.param(size, id=f"1.2.{at}") for at, size in enumerate(SIZES, 1)])
@pytest.mark.parametrize("chop", [LIMIT_BYTES, pytest.param(997, id="1.2.8")])
def test_1_a_binary_is_refused_whatever_its_size(peer: Peer, size: int, chop: int) -> None:
    """1.2.1 to 1.2.8: PROTOCOL §5 takes none."""
    peer.chop(encode(Op.BINARY, b"\xfe" * size), chop)
    peer.expect_close(1003)


# 2: pings and pongs.


@pytest.mark.parametrize(
    ("data", "chop"),
    [
        pytest.param(b"", 1_000, id="2.1"),
        pytest.param(b"Hello, world!", 1_000, id="2.2"),
        pytest.param(BINARY, 1_000, id="2.3"),
        pytest.param(b"\xfe" * 125, 1_000, id="2.4"),
        pytest.param(b"\xfe" * 125, 1, id="2.6"),
    ],
)
def test_2_a_ping_is_answered_with_its_own_data(peer: Peer, data: bytes, chop: int) -> None:
    """2.1 to 2.4, 2.6."""
    peer.chop(encode(Op.PING, data), chop)
    peer.expect_pongs(data)
    peer.finish()


def test_2_a_ping_that_is_too_long_is_an_offence(peer: Peer) -> None:
    """2.5: 126 octets (§5.5)."""
    peer.socket.put(Op.PING, b"\xfe" * 126)
    peer.expect_close(1002)


@pytest.mark.parametrize(
    ("pong", "ping"),
    [
        pytest.param(b"", None, id="2.7"),
        pytest.param(b"unsolicited", None, id="2.8"),
        pytest.param(b"unsolicited", b"ping", id="2.9"),
    ],
)
def test_2_a_pong_that_nobody_asked_for_is_passed_over(peer: Peer, pong: bytes, ping: bytes | None) -> None:
    """2.7 to 2.9."""
    peer.socket.put(Op.PONG, pong)
    if ping is not None:
        peer.socket.put(Op.PING, ping)
        peer.expect_pongs(ping)
    peer.finish()
    assert peer.socket.pieces_of(Op.PONG) == ([ping] if ping is not None else [])


@pytest.mark.parametrize("chop", [pytest.param(1_000, id="2.10"), pytest.param(1, id="2.11")])
def test_2_ten_pings_are_answered_in_their_order(peer: Peer, chop: int) -> None:
    """2.10, 2.11."""
    payloads = [b"payload-%d" % number for number in range(10)]
    peer.chop(b"".join(encode(Op.PING, data) for data in payloads), chop)
    peer.expect_pongs(*payloads)
    peer.finish()


# 3: reserved bits. 4: reserved opcodes.


@pytest.mark.parametrize(
    ("op", "data", "rsv"),
    [
        pytest.param(Op.TEXT, b"Hello, world!", 1, id="3.1"),
        pytest.param(Op.BINARY, BINARY, 5, id="3.5"),
        pytest.param(Op.PING, b"Hello, world!", 6, id="3.6"),
        pytest.param(Op.CLOSE, b"", 7, id="3.7"),
        pytest.param(3, b"", 0, id="4.1.1"),
        pytest.param(4, b"reserved", 0, id="4.1.2"),
        pytest.param(11, b"", 0, id="4.2.1"),
        pytest.param(12, b"reserved", 0, id="4.2.2"),
    ],
)
def test_3_4_what_is_reserved_is_an_offence(peer: Peer, op: int, data: bytes, rsv: int) -> None:
    """No extension was agreed on (§5.2)."""
    peer.socket.put(op, data, rsv=rsv)
    peer.expect_close(1002)
    assert peer.socket.answers() == []


BEHIND_A_TEXT = [
    pytest.param(Op.TEXT, b"Hello, world!", 2, LIMIT_BYTES, id="3.2"),
    pytest.param(Op.TEXT, b"Hello, world!", 3, LIMIT_BYTES, id="3.3"),
    pytest.param(Op.TEXT, b"Hello, world!", 4, 1, id="3.4"),
    pytest.param(5, b"", 0, LIMIT_BYTES, id="4.1.3"),
    pytest.param(6, b"Hello, world!", 0, LIMIT_BYTES, id="4.1.4"),
    pytest.param(7, b"Hello, world!", 0, 1, id="4.1.5"),
    pytest.param(13, b"", 0, LIMIT_BYTES, id="4.2.3"),
    pytest.param(14, b"Hello, world!", 0, LIMIT_BYTES, id="4.2.4"),
    pytest.param(15, b"Hello, world!", 0, 1, id="4.2.5"),
]


@pytest.mark.parametrize(("op", "data", "rsv", "chop"), BEHIND_A_TEXT)
def test_3_4_what_was_sent_before_the_offence_is_answered_what_comes_behind_is_not(
    peer: Peer, op: int, data: bytes, rsv: int, chop: int
) -> None:
    """The echo is awaited, then the offence and a ping are sent."""
    peer.chop(encode(Op.TEXT, peer.text()), chop)
    peer.expect_echo("Hello, world!")
    peer.chop(encode(op, data, rsv=rsv) + PING, chop)
    peer.expect_close(1002)
    assert peer.socket.pieces_of(Op.PONG) == []


@pytest.mark.parametrize(("op", "data", "rsv", "chop"), BEHIND_A_TEXT)
def test_3_4_an_offence_in_the_same_octets_ends_the_connection(
    peer: Peer, op: int, data: bytes, rsv: int, chop: int
) -> None:
    """All in one: the text may be lost, and is then not acknowledged."""
    peer.chop(encode(Op.TEXT, peer.text()) + encode(op, data, rsv=rsv) + PING, chop)
    peer.expect_close(1002)
    assert peer.socket.pieces_of(Op.PONG) == []
    assert len(peer.socket.answers()) <= 1


# 5: fragmentation.


@pytest.mark.parametrize("op", [pytest.param(Op.PING, id="5.1"), pytest.param(Op.PONG, id="5.2")])
def test_5_a_control_frame_in_fragments_is_an_offence(peer: Peer, op: Op) -> None:
    """§5.5."""
    peer.socket.raw(fragments([b"fragment1", b"fragment2"], op=op))
    peer.expect_close(1002)
    assert peer.socket.pieces_of(Op.PONG) == []


@pytest.mark.parametrize(
    ("ping", "chop"),
    [
        pytest.param(b"", LIMIT_BYTES, id="5.3"),
        pytest.param(b"", 200, id="5.4"),
        pytest.param(b"", 1, id="5.5"),
        pytest.param(b"ping payload", LIMIT_BYTES, id="5.6"),
        pytest.param(b"ping payload", 200, id="5.7"),
        pytest.param(b"ping payload", 1, id="5.8"),
    ],
)
def test_5_a_text_in_fragments_is_put_together(peer: Peer, ping: bytes, chop: int) -> None:
    """5.3 to 5.8: with a ping between them, which is answered first."""
    between = encode(Op.PING, ping) if ping else b""
    peer.chop(fragments(halves(peer.text()), between), chop)
    peer.expect_echo("Hello, world!")
    assert peer.socket.pieces_of(Op.PONG) == ([ping] if ping else [])
    if ping:
        ops = [piece.op for piece in peer.socket.pieces]
        assert ops.index(Op.PONG) < len(ops) - 2
    peer.finish()


@pytest.mark.parametrize("chop", [LIMIT_BYTES, 100, 1], ids=["in one", "in pieces", "octet-wise"])
@pytest.mark.parametrize("fin", [pytest.param(True, id="5.9 to 5.11"), pytest.param(False, id="5.12 to 5.14")])
def test_5_a_continuation_of_nothing_is_an_offence(peer: Peer, chop: int, fin: bool) -> None:
    """5.9 to 5.14: the text behind it is not read."""
    peer.chop(encode(Op.CONT, b"non-continuation payload", fin=fin) + encode(Op.TEXT, peer.text()), chop)
    peer.expect_close(1002)
    assert peer.socket.answers() == []


def test_5_a_continuation_behind_the_end_of_a_text_is_an_offence(peer: Peer) -> None:
    """5.15: the first text may be lost with it, and is then not acknowledged."""
    offence = encode(Op.CONT, b"fragment3", fin=False) + encode(Op.TEXT, b"fragment4")
    peer.socket.raw(fragments(halves(peer.text())) + offence)
    peer.expect_close(1002)
    assert len(peer.socket.answers()) <= 1


@pytest.mark.parametrize("fin", [pytest.param(False, id="5.16"), pytest.param(True, id="5.17")])
def test_5_a_continuation_of_nothing_is_one_before_fragments_too(peer: Peer, fin: bool) -> None:
    """5.16, 5.17."""
    peer.socket.raw((encode(Op.CONT, b"fragment1", fin=fin) + fragments(halves(peer.text()))) * 2)
    peer.expect_close(1002)
    assert peer.socket.answers() == []


@pytest.mark.parametrize("op", [pytest.param(Op.TEXT, id="5.18"), pytest.param(Op.BINARY, id="5.18 binary")])
def test_5_a_text_that_begins_within_another_is_an_offence(peer: Peer, op: Op) -> None:
    """5.18: all but the first must be continuations (§5.4)."""
    first, second = halves(peer.text())
    peer.socket.raw(encode(Op.TEXT, first, fin=False) + encode(op, second))
    peer.expect_close(1002)
    assert peer.socket.answers() == []


@pytest.mark.parametrize("chop", [pytest.param(LIMIT_BYTES, id="5.19"), pytest.param(100, id="5.20")])
def test_5_pings_between_fragments_are_answered_before_the_last_of_them(peer: Peer, chop: int) -> None:
    """5.19, 5.20: the first is answered while the text is incomplete."""
    pieces = list(split(peer.text(), 80))
    first, second = [encode(Op.TEXT, pieces[0], fin=False)], []
    first += [encode(Op.CONT, pieces[1], fin=False), encode(Op.PING, b"pongme 1!")]
    second += [encode(Op.CONT, piece, fin=False) for piece in pieces[2:-1]]
    second += [encode(Op.PING, b"pongme 2!"), encode(Op.CONT, pieces[-1])]
    peer.chop(b"".join(first), chop)
    peer.expect_pongs(b"pongme 1!")
    assert peer.socket.answers() == []
    peer.chop(b"".join(second), chop)
    peer.expect_echo("Hello, world!")
    peer.expect_pongs(b"pongme 1!", b"pongme 2!")
    peer.finish()


# 6: UTF-8.


@pytest.mark.parametrize("count", [pytest.param(1, id="6.1.1"), pytest.param(3, id="6.1.2")])
def test_6_an_empty_text_is_no_signed_frame(peer: Peer, count: int) -> None:
    """6.1.1, 6.1.2: answered and closed as malformed (PROTOCOL §5), in one piece or three."""
    peer.socket.raw(fragments([b""] * count))
    peer.expect_close(1007)
    assert peer.socket.answer() == {"t": "err", "code": "invalid request"}


def test_6_empty_fragments_around_a_text_count_for_nothing(peer: Peer) -> None:
    """6.1.3."""
    peer.socket.raw(fragments([b"", peer.text(), b""]))
    peer.expect_echo("Hello, world!")
    peer.finish()


@pytest.mark.parametrize(
    ("data", "size"),
    [
        pytest.param(HELLO, LIMIT_BYTES, id="6.2.1"),
        pytest.param(HELLO, 1, id="6.2.3"),
        pytest.param(GREEK.decode(), 1, id="6.2.4"),
    ],
)
def test_6_characters_may_be_cut_by_fragments(peer: Peer, data: str, size: int) -> None:
    """6.2.1, 6.2.3, 6.2.4: fragments of one octet end within code points."""
    peer.socket.raw(fragments(list(split(peer.text(data), size))))
    peer.expect_echo(data)
    peer.finish()


def test_6_characters_may_be_whole_in_fragments(peer: Peer) -> None:
    """6.2.2: cut at a code point."""
    frame = peer.text(HELLO)
    at = frame.index("üàá".encode())
    peer.socket.raw(fragments([frame[:at], frame[at:]]))
    peer.expect_echo(HELLO)
    peer.finish()


@pytest.mark.parametrize("size", [pytest.param(LIMIT_BYTES, id="6.3.1"), pytest.param(1, id="6.3.2")])
def test_6_what_is_no_utf_8_is_an_offence_however_it_is_cut(peer: Peer, size: int) -> None:
    """6.3.1, 6.3.2: a surrogate."""
    peer.socket.raw(fragments(list(split(GREEK + SURROGATE + BAD_TAIL, size))))
    peer.expect_close(1007)
    assert peer.socket.answers() == []


@pytest.mark.parametrize(
    ("cuts", "framed"),
    [
        pytest.param((11, 15), True, id="6.4.1"),
        pytest.param((12, 13), True, id="6.4.2"),
        pytest.param((11, 15), False, id="6.4.3"),
        pytest.param((12, 13), False, id="6.4.4"),
    ],
)
def test_6_what_is_no_utf_8_ends_the_connection_at_its_last_octet_at_the_latest(
    peer: Peer, cuts: tuple[int, int], framed: bool
) -> None:
    """6.4.1 to 6.4.4: in three fragments, or three chops of one, each read before the next is sent."""
    data, (one, two) = GREEK + BEYOND + BAD_TAIL, cuts
    if framed:
        pieces = [data[:one], data[one:two], data[two:]]
        sent = [encode(Op.CONT if at else Op.TEXT, piece, fin=at == 2) for at, piece in enumerate(pieces)]
    else:
        frame = encode(Op.TEXT, data)
        head = len(frame) - len(data)
        sent = [frame[: head + one], frame[head + one : head + two], frame[head + two :]]
    for piece in sent:
        peer.socket.raw(piece)
        peer.socket.watch(0.01)
    peer.expect_close(1007)
    assert peer.socket.answers() == []


@pytest.mark.parametrize("data", [pytest.param(data, id=number) for number, data in sequences(valid=True)])
def test_6_what_is_utf_8_comes_back(peer: Peer, data: bytes) -> None:
    """6.5 to 6.23, the valid ones: raw in the data of a signed frame."""
    frame = peer.text(data.decode())
    assert data in frame or data == b"\x00"  # which JSON must escape
    peer.socket.send(frame)
    peer.expect_echo(data.decode())
    peer.finish()


@pytest.mark.parametrize("data", [pytest.param(data, id=number) for number, data in sequences(valid=False)])
@pytest.mark.parametrize("framed", [False, True], ids=["bare", "in a frame"])
def test_6_what_is_no_utf_8_is_an_offence(peer: Peer, data: bytes, framed: bool) -> None:
    """6.5 to 6.23, the invalid ones: as a text of their own, and where a signed frame has its data."""
    peer.socket.send(peer.text("HOLE").replace(b"HOLE", data) if framed else data)
    peer.expect_close(1007)
    assert peer.socket.answers() == []


# 7: closing.


def test_7_a_text_before_the_close_is_answered(peer: Peer) -> None:
    """7.1.1."""
    peer.socket.send(peer.text())
    peer.expect_echo("Hello, world!")
    peer.finish()


@pytest.mark.parametrize(
    "behind",
    [
        pytest.param(encode(Op.CLOSE), id="7.1.2"),
        pytest.param(PING, id="7.1.3"),
        pytest.param(encode(Op.TEXT, b"Hello, world!"), id="7.1.4"),
        pytest.param(b"\xff" * 100, id="7.1.4 garbage"),
    ],
)
def test_7_nothing_is_read_behind_a_close(peer: Peer, behind: bytes) -> None:
    """7.1.2 to 7.1.4: one close frame comes back, no pong, no answer."""
    peer.socket.raw(encode(Op.CLOSE, NORMAL) + behind)
    peer.expect_close(1000)
    assert peer.socket.pieces_of(Op.PONG) == []
    assert peer.socket.answers() == []


def test_7_a_close_within_a_text_ends_the_connection(peer: Peer) -> None:
    """7.1.5: with 1002, see above; what was begun is lost."""
    first, second = halves(peer.text())
    peer.socket.raw(encode(Op.TEXT, first, fin=False) + encode(Op.CLOSE, NORMAL) + encode(Op.CONT, second))
    peer.expect_close(1002)
    assert peer.socket.answers() == []


def test_7_a_close_behind_large_texts_is_answered(peer: Peer) -> None:
    """7.1.6: whether they are answered before it is left open; the ping behind it is not."""
    texts = encode(Op.TEXT, peer.text("BAsd7&jh23" * 10_000)) + encode(Op.TEXT, peer.text())
    peer.socket.raw(texts + encode(Op.CLOSE, NORMAL) + PING)
    peer.expect_close(1000)
    assert peer.socket.pieces_of(Op.PONG) == []
    assert not peer.socket.faults()


@pytest.mark.parametrize(
    ("data", "code"),
    [
        pytest.param(b"", None, id="7.3.1"),
        pytest.param(b"a", 1002, id="7.3.2"),
        pytest.param(NORMAL, 1000, id="7.3.3"),
        pytest.param(NORMAL + b"Hello World!", 1000, id="7.3.4"),
        pytest.param(NORMAL + b"*" * 123, 1000, id="7.3.5"),
        pytest.param(NORMAL + b"*" * 124, 1002, id="7.3.6"),
        pytest.param(NORMAL + GREEK + SURROGATE + BAD_TAIL, 1007, id="7.5.1"),
    ],
)
def test_7_a_close_is_answered_with_its_code_if_it_is_well_formed(peer: Peer, data: bytes, code: int | None) -> None:
    """7.3.1 to 7.3.6, 7.5.1: its reason is checked and not repeated."""
    peer.socket.put(Op.CLOSE, data)
    peer.expect_close(code)


@pytest.mark.parametrize("code", [pytest.param(code, id=f"7.7.{at}") for at, code in enumerate(VALID_CLOSE_CODES, 1)])
def test_7_a_valid_code_is_answered_with_itself(peer: Peer, code: int) -> None:
    """7.7.1 to 7.7.13 (§7.4)."""
    peer.socket.put(Op.CLOSE, code.to_bytes(2, "big"))
    peer.expect_close(code)


@pytest.mark.parametrize(
    "code",
    [
        *(pytest.param(code, id=f"7.9.{at}") for at, code in enumerate(INVALID_CLOSE_CODES, 1)),
        pytest.param(5_000, id="7.13.1"),
        pytest.param(65_535, id="7.13.2"),
    ],
)
def test_7_an_invalid_code_is_an_offence(peer: Peer, code: int) -> None:
    """7.9.1 to 7.9.9, and 7.13, which the suite leaves open."""
    peer.socket.put(Op.CLOSE, code.to_bytes(2, "big"))
    peer.expect_close(1002)


# 10: fragments by size. And what the suite cannot send.


@pytest.mark.parametrize("size", [pytest.param(1_300, id="10.1.1"), 125, 126, 65_535])
def test_10_a_large_text_in_many_fragments_comes_back(peer: Peer, size: int) -> None:
    """10.1.1: 65,536 characters in fragments of 1,300 octets."""
    peer.socket.raw(fragments(list(split(peer.text("*" * 65_536), size))))
    peer.expect_echo("*" * 65_536)
    peer.finish()


@pytest.mark.parametrize("op", [Op.TEXT, Op.PING, Op.CLOSE])
def test_an_unmasked_frame_is_an_offence(peer: Peer, op: Op) -> None:
    """§5.1."""
    peer.socket.put(op, NORMAL, masked=False)
    peer.expect_close(1002)


def test_a_close_of_the_hub_is_closed_by_the_answer(peer: Peer) -> None:
    """§7.1.1: the hub says ``err``, closes, and waits for the peer's close frame no longer than it takes."""
    peer.socket.send(b"{}")
    peer.expect_close(1007, limit_s=5)
    assert peer.socket.controls(Down.ERR)
