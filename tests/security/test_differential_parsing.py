"""Our parser beside two others: it accepts only what both accept, and reads the same (R25, R27, O6; ASVS 1.5.3).

A text that two parts of a system read differently is how signed data comes to mean something else. So every text over
a small alphabet is tried, and what ours refuses although both others take it has one of three named reasons.
``DIFFERENTIAL_CHARS=6`` tries 17 million texts instead of one.
"""

import itertools
import json
import os
import re
from collections.abc import Iterable
from decimal import Decimal
from math import isfinite
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jitterbug.errors import CanonicalError
from jitterbug.protocol import canonical
from tests.strategies import alike, json_values, loosely_written

LETTERS = b'{}[]":,\\u01-.eE '
CHARS = int(os.environ.get("DIFFERENTIAL_CHARS", "5"))
KNOWN = {1: 2, 2: 11, 3: 56, 4: 380, 5: 3_770, 6: 47_752}
"""How many texts of each length are JSON that a frame may hold."""
TOKENS = [
    b"{", b"}", b"[", b"]", b",", b'"a":', b'"a":0', b'"\\u0061":null', b'"\\ud800"', b"-0", b"1e400",
    b"9007199254740993",
]  # fmt: skip
_NUMBER = re.compile(rb"-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?")
_STRING = re.compile(rb'"(?:[^"\\]|\\.)*"', re.DOTALL)
REFUSED = object()

_msgspec = msgspec.json.Decoder().decode


def ours(data: bytes) -> Any:
    try:
        return canonical.decode(data)
    except CanonicalError:
        return REFUSED


def by_msgspec(data: bytes) -> Any:
    try:
        return _msgspec(data)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return REFUSED


def by_stdlib(data: bytes) -> Any:
    try:
        return json.loads(str(data, "utf-8"), parse_constant=_refuse)
    except (ValueError, RecursionError):
        return REFUSED


def _refuse(name: str) -> Any:
    raise ValueError(name)


def compare(data: bytes) -> bool:
    """Judge one text. Returns whether ours accepts it."""
    mine, other = ours(data), by_msgspec(data)
    if mine is REFUSED:
        if other is not REFUSED and by_stdlib(data) is not REFUSED:
            assert is_lossy(data) or names_twice(data) or is_half_a_pair(data), f"refused without a reason: {data!r}"
        return False
    third = by_stdlib(data)
    assert other is not REFUSED, f"accepted, but not by msgspec: {data!r}"
    assert third is not REFUSED, f"accepted, but not by the standard library: {data!r}"
    assert alike(mine, other), f"read otherwise by msgspec: {data!r}"
    assert alike(mine, third), f"read otherwise by the standard library: {data!r}"
    return True


def compare_all(texts: Iterable[bytes]) -> int:
    """Judge many. Returns how many are accepted."""
    return sum(map(compare, texts))


# Why ours may refuse valid JSON (PROTOCOL §1), each found by other means than ours.


def is_lossy(data: bytes) -> bool:
    """A number's shortest double denotes another decimal."""
    numbers = [match.decode() for match in _NUMBER.findall(_STRING.sub(b'""', data))]
    return any(not isfinite(float(text)) or Decimal(repr(float(text))) != Decimal(text) for text in numbers)


def names_twice(data: bytes) -> bool:
    """An object has two members of one name."""
    found = False

    def look(pairs: list[tuple[str, Any]]) -> None:
        nonlocal found
        found |= len({name for name, _ in pairs}) < len(pairs)

    json.loads(data, object_pairs_hook=look)
    return found


def is_half_a_pair(data: bytes) -> bool:
    """A string holds half of a surrogate pair."""
    return any(0xD800 <= ord(char) < 0xE000 for char in json.dumps(json.loads(data), ensure_ascii=False))


@pytest.mark.slow
@pytest.mark.parametrize("length", range(1, CHARS + 1))
def test_every_text_of_sixteen_letters_o6(length: int) -> None:
    """R25: all 16^n of them; a few of each length are JSON."""
    assert len(set(LETTERS)) == 16

    assert compare_all(map(bytes, itertools.product(LETTERS, repeat=length))) == KNOWN[length]


@pytest.mark.slow
@pytest.mark.parametrize("length", range(1, 6))
def test_every_text_of_twelve_tokens_o6(length: int) -> None:
    """The same over tokens, where members come twice, surrogates alone and numbers too precise."""
    assert compare_all(map(b"".join, itertools.product(TOKENS, repeat=length))) > 0


@pytest.mark.parametrize(
    "text", [b'{"a":0,"\\u0061":0}', b"9007199254740993", b'["\\ud800"]', b'{"\\udc00":0}', b"-1e-400"]
)
def test_what_only_ours_refuses_o6(text: bytes) -> None:
    """Repeated names, lost digits, half a pair: each is JSON to at least one other."""
    assert by_stdlib(text) is not REFUSED
    assert compare(text) is False


def test_every_pair_of_bytes_in_a_string_o6() -> None:
    """UTF-8 of two bytes, escapes, control characters."""
    pairs = itertools.product(range(256), repeat=2)

    plain, escapes, two_byte = (96 - 2) ** 2, len(rb'"\/bfnrt'), (0xE0 - 0xC2) * 64
    assert compare_all(b'"%c%c"' % pair for pair in pairs) == plain + escapes + two_byte


@pytest.mark.parametrize("before", [b"", b"\xe0", b"\xed", b"\xef", b"\xf0", b"\xf4"], ids=bytes.hex)
def test_utf_8_at_its_edges_o6(before: bytes) -> None:
    """Overlong forms, encoded surrogates, beyond U+10FFFF: no parser may repair them (RFC 3629 §4)."""
    edges = (0x00, 0x7F, 0x80, 0x8F, 0x90, 0x9F, 0xA0, 0xBF, 0xC0, 0xC2, 0xDF, 0xFF)

    compare_all(b'"%b%b"' % (before, bytes(rest)) for rest in itertools.product(edges, repeat=3))


@given(st.data())
def test_any_value_however_it_is_written_r27(data: st.DataObject) -> None:
    """Values of every shape, written loosely, then edited at one place."""
    text = data.draw(loosely_written(data.draw(json_values))).encode("utf-8", "surrogatepass")
    at = data.draw(st.integers(min_value=0, max_value=len(text)))
    piece = data.draw(st.sampled_from([b"", *TOKENS, b"0", b'"', b"\\", b".", b"e", b"\x00", b"\xff", b"\xef\xbb\xbf"]))

    compare(text)
    compare(text[:at] + piece + text[at:])
    compare(text[:at] + piece + text[at + 1 :])


@given(st.from_regex(r"-?(0|[1-9][0-9]{0,24})(\.[0-9]{1,24})?([eE][+-]?[0-9]{1,4})?", fullmatch=True))
def test_any_number_r27_o6(text: str) -> None:
    """Read alike where it is read, and refused only where digits would be lost."""
    compare(text.encode())


def test_the_harness_sees_a_difference(monkeypatch: pytest.MonkeyPatch) -> None:
    """Were ours the standard library's, the first ambiguous text would show it."""
    monkeypatch.setattr(canonical, "decode", json.loads)

    assert compare(b"[1]")
    for text in (b"[NaN]", b"1e400", b"\xef\xbb\xbf1", "[1]".encode("utf-16")):
        with pytest.raises(AssertionError):
            compare(text)
