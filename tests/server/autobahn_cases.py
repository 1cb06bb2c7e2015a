"""What the cases of the Autobahn test suite send: UTF-8 sequences and close codes, by the suite's own numbers.

Sections 6.5 to 6.23 are Markus Kuhn's UTF-8 stress test, in the order in which the suite counts it.
"""

from collections.abc import Iterator

GREEK = b"\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5"
"""Five characters: four of two bytes, the second of three."""
BAD_TAIL = b"edited"
SURROGATE = b"\xed\xa0\x80"
BEYOND = b"\xf4\x90\x80\x80"
"""U+110000, as the scheme would write it."""
HELLO = "Hello-µ@ßöäüàá-UTF-8!!"

VALID_CLOSE_CODES = (1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 3000, 3999, 4000, 4999)
"""7.7.1 to 7.7.13."""
INVALID_CLOSE_CODES = (0, 999, 1004, 1005, 1006, 1016, 1100, 2000, 2999)
"""7.9.1 to 7.9.9."""

_INCOMPLETE = (
    b"\xc0", b"\xe0\x80", b"\xf0\x80\x80", b"\xf8\x80\x80\x80", b"\xfc\x80\x80\x80\x80",
    b"\xdf", b"\xef\xbf", b"\xf7\xbf\xbf", b"\xfb\xbf\xbf\xbf", b"\xfd\xbf\xbf\xbf\xbf",
)  # fmt: skip
_LEADS = ((0xC0, 0xDF), (0xE0, 0xEF), (0xF0, 0xF7), (0xF8, 0xFB), (0xFC, 0xFD))
_HIGH, _LOW = (b"\xed\xa0\x80", b"\xed\xad\xbf", b"\xed\xae\x80", b"\xed\xaf\xbf"), (b"\xed\xb0\x80", b"\xed\xbf\xbf")


def _noncharacters() -> list[bytes]:
    found = [b"\xef\xbf\xbe", b"\xef\xbf\xbf"]
    for plane in range(1, 17):
        found += [chr(plane << 16 | 0xFFFE).encode(), chr(plane << 16 | 0xFFFF).encode()]
    return found


_SEQUENCES: dict[int, list[bytes]] = {
    5: [b"hello$world", *(f"hello{sign}world".encode() for sign in "\xa2\u20ac\U00024b62"), GREEK],
    6: [GREEK[:length] for length in range(1, len(GREEK) + 1)],
    7: [b"\x00", b"\xc2\x80", b"\xe0\xa0\x80", b"\xf0\x90\x80\x80"],
    8: [b"\xf8\x88\x80\x80\x80", b"\xfc\x84\x80\x80\x80\x80"],
    9: [b"\x7f", b"\xdf\xbf", b"\xef\xbf\xbf", b"\xf4\x8f\xbf\xbf"],
    10: [b"\xf7\xbf\xbf\xbf", b"\xfb\xbf\xbf\xbf\xbf", b"\xfd\xbf\xbf\xbf\xbf\xbf"],
    11: [b"\xed\x9f\xbf", b"\xee\x80\x80", b"\xef\xbf\xbd", b"\xf4\x8f\xbf\xbf", BEYOND],
    12: [b"\x80", b"\xbf", *((b"\x80\xbf" * 3)[:length] for length in range(2, 7)), bytes(range(0x80, 0xBF))],
    13: [b"".join(bytes((lead, 0x20)) for lead in range(first, last)) for first, last in _LEADS],
    14: list(_INCOMPLETE),
    15: [b"".join(_INCOMPLETE)],
    16: [b"\xfe", b"\xff", b"\xfe\xfe\xff\xff"],
    17: [b"\xc0\xaf", b"\xe0\x80\xaf", b"\xf0\x80\x80\xaf", b"\xf8\x80\x80\x80\xaf", b"\xfc\x80\x80\x80\x80\xaf"],
    18: [
        b"\xc1\xbf", b"\xe0\x9f\xbf", b"\xf0\x8f\xbf\xbf", b"\xf8\x87\xbf\xbf\xbf", b"\xfc\x83\xbf\xbf\xbf\xbf",
    ],
    19: [b"\xc0\x80", b"\xe0\x80\x80", b"\xf0\x80\x80\x80", b"\xf8\x80\x80\x80\x80", b"\xfc\x80\x80\x80\x80\x80"],
    20: [*_HIGH, b"\xed\xb0\x80", b"\xed\xbe\x80", b"\xed\xbf\xbf"],
    21: [high + low for high in _HIGH for low in _LOW],
    22: _noncharacters(),
    23: [chr(code).encode() for code in range(0xFFF9, 0x10000)],
}  # fmt: skip


def sequences(*, valid: bool) -> Iterator[tuple[str, bytes]]:
    """Cases 6.5.1 to 6.23.7: number and bytes. Args: valid: which of the two kinds."""
    for section, found in _SEQUENCES.items():
        for index, data in enumerate(found, 1):
            if _is_utf8(data) is valid:
                yield f"6.{section}.{index}", data


def _is_utf8(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True
