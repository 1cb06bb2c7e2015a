"""Canonical JSON: one text for each value, and only texts that lose nothing are read (R27, PROTOCOL §1, O6)."""

import itertools
import json
import math
from decimal import Decimal
from enum import IntEnum
from typing import Any

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from jitterbug.errors import CanonicalError, JitterbugError
from jitterbug.protocol import canonical
from jitterbug.protocol.codes import MAX_DEPTH, MAX_SAFE_INTEGER
from tests.strategies import alike, json_values, loosely_written

ALPHABET = '{}[],:"\\0-1.eu a'
"""Sixteen letters that reach every rule of the grammar."""

digits = st.text("0123456789", min_size=1, max_size=25)
whole_parts = st.one_of(
    st.just("0"), st.builds("".join, st.tuples(st.sampled_from("123456789"), st.text("0123456789")))
)
exponents = st.builds(
    "{}{}{}{}".format, st.sampled_from("eE"), st.sampled_from(["", "+", "-"]),
    st.sampled_from(["", "0", "000"]), st.integers(min_value=0, max_value=420),
)  # fmt: skip
number_texts = st.builds(
    "{}{}{}{}".format,
    st.sampled_from(["", "-"]),
    whole_parts,
    st.one_of(st.just(""), digits.map(".{}".format)),
    st.one_of(st.just(""), exponents),
)
float_texts = st.floats(allow_nan=False, allow_infinity=False).map(repr)


def decoded(text: str | bytes) -> Any:
    """The value, or CanonicalError itself when it is refused."""
    try:
        return canonical.decode(text.encode("utf-8", "surrogatepass") if isinstance(text, str) else text)
    except CanonicalError:
        return CanonicalError


def loads(text: str | bytes) -> Any:
    """The standard library's reading, numbers as doubles."""
    return json.loads(text, parse_int=float)


def depth(value: Any) -> int:
    """Nesting of a value, a scalar being 0."""
    if isinstance(value, dict):
        return 1 + max(map(depth, value.values()), default=0)
    return 1 + max(map(depth, value), default=0) if isinstance(value, list) else 0


def utf16(text: str) -> bytes:
    return text.encode("utf-16-be")


@given(json_values)
def test_what_is_encoded_is_decoded_again(value: Any) -> None:
    assert alike(canonical.decode(canonical.encode(value)), value)


@given(json_values.flatmap(loosely_written))
def test_every_spelling_of_a_value_has_one_canonical_text(text: str) -> None:
    once = canonical.encode(canonical.decode(text.encode()))

    assert canonical.encode(canonical.decode(once)) == once


@given(st.data(), json_values)
def test_white_space_order_and_escapes_carry_no_meaning(data: st.DataObject, value: Any) -> None:
    text = data.draw(loosely_written(value))

    assert canonical.encode(canonical.decode(text.encode())) == canonical.encode(value)


@given(json_values)
def test_canonical_text_agrees_with_the_standard_library_about_its_meaning(value: Any) -> None:
    assert alike(loads(canonical.encode(value)), value)


@given(st.dictionaries(st.text(max_size=4), st.none(), min_size=2))
def test_members_are_sorted_by_utf16_code_units(value: dict[str, None]) -> None:
    names = list(json.loads(canonical.encode(value)))

    assert names == sorted(value, key=utf16)


@given(st.one_of(number_texts, float_texts))
@example("1.0")
@example("-1.0")
@example("10e-1")
@example("-0.1e1")
@example("9007199254740992")
@example("9007199254740993")
@example("-0")
@example("-0.0e-5")
@example("0e99999999999999999999")
@example("1e99999999999999999999")
@example("1e-99999999999999999999")
@example("5e-324")
@example("4.9e-324")
@example("2e-324")
@example("1.7976931348623157e308")
@example("1.7976931348623159e308")
@example("100000000000000000000000000000000000000000")
@example("0.1000000000000000055511151231257827021181583404541015625")
def test_a_number_is_read_only_if_nothing_of_it_is_lost(text: str) -> None:
    """The oracle is ``decimal``: the text and the canonical text denote the same number."""
    value = float(text)
    mantissa, _, _ = text.lower().partition("e")
    if not math.isfinite(value):
        lossless = False
    elif value == 0:
        lossless = not set(mantissa) & set("123456789")
    else:
        lossless = Decimal(text) == Decimal(canonical.encode(value).decode())
    result = decoded(text)

    assert canonical.is_lossless(text) == lossless == (result is not CanonicalError)
    if lossless:
        assert Decimal(canonical.encode(result).decode()) == (Decimal(text) if value else 0)


@given(st.one_of(number_texts, st.integers(min_value=-(2**60), max_value=2**60).map(str)))
@example("1000000000000000")
@example("-1000000000000001")
@example("9007199254740991")
@example("9007199254740992")
def test_integer_literals_up_to_2_53_are_int_and_everything_else_is_float(text: str) -> None:
    value = decoded(text)
    literal = not set(text) & set(".eE") and text != "-0"
    if value is not CanonicalError:
        assert (type(value) is int) == (literal and abs(int(text)) <= MAX_SAFE_INTEGER)


@given(st.one_of(st.text(max_size=12), st.text(ALPHABET, max_size=12), number_texts, json_values.map(json.dumps)))
def test_nothing_is_read_that_the_standard_library_refuses(text: str) -> None:
    value = decoded(text)
    if value is not CanonicalError:
        assert alike(loads(text), value)


@given(st.one_of(st.binary(max_size=40), st.text(ALPHABET).map(str.encode)))
@example(b"[" * 100_000)
@example(b'[{"":' * 50_000)
@example(b'"\\u' + b"9" * 10_000)
@example(b"1" * 100_000)
@example(b"\xef\xbb\xbf1")
@example("[1]".encode("utf-16"))
@example("[1]".encode("utf-32"))
def test_arbitrary_bytes_give_a_value_or_a_canonical_error(data: bytes) -> None:
    value = decoded(data)
    if value is not CanonicalError:
        assert alike(canonical.decode(canonical.encode(value)), value)


def test_of_all_short_texts_only_those_are_read_that_two_other_parsers_read() -> None:
    """Every text of up to four letters from sixteen; §5.2 of the requirements on a desk's time."""
    accepted = 0
    for length in range(5):
        for letters in itertools.product(ALPHABET, repeat=length):
            text = "".join(letters).encode()
            value = decoded(text)
            if value is not CanonicalError:
                accepted += 1
                assert alike(loads(text), value)
                assert canonical.encode(msgspec.json.decode(text)) == canonical.encode(value)

    assert accepted > 400


@pytest.mark.parametrize(
    "text",
    [
        '{"a":1,"a":1}', '{"a":1,"\\u0061":1}', '[{"b":{"a":1,"a":2}}]', '{"__proto__":1,"\\u005f_proto__":1}',
        '{"\\ud83d\\ude00":1,"\U0001f600":2}',
    ],
)  # fmt: skip
def test_a_member_named_twice_is_refused_however_it_is_spelt(text: str) -> None:
    assert decoded(text) is CanonicalError


def test_names_that_only_look_alike_are_two_members() -> None:
    assert decoded('{"\u00e9":1,"e\u0301":2}') == {"\u00e9": 1, "e\u0301": 2}


@pytest.mark.parametrize("surrogate", ["\\ud800", "\\uDFFF", "\\udc00\\ud800", "\\ud83d\\u0041", "\\ud83dx\\ude00"])
@pytest.mark.parametrize(
    "shape", ['"{}"', '["a{}b"]', '{{"{}":1}}', '[{{"a":[{{"b":"{}"}}]}}]', '{{"a":1,"b":["{}"]}}']
)
def test_a_lone_surrogate_is_refused_anywhere(shape: str, surrogate: str) -> None:
    assert decoded(shape.format(surrogate)) is CanonicalError


@pytest.mark.parametrize("text", ['"\\ud83d\\ude00"', '"\\\\ud800"', '"\\u0000\\uffff"', '{"\\uD83D\\uDE00":["\\n"]}'])
def test_paired_surrogates_and_escaped_backslashes_are_text(text: str) -> None:
    assert decoded(text) == json.loads(text)


@given(json_values)
def test_depth_is_what_a_walk_of_the_value_finds(value: Any) -> None:
    text = canonical.encode(value)
    deepest = depth(value)

    assert not canonical.exceeds_depth(text, deepest)
    assert deepest == 0 or canonical.exceeds_depth(text, deepest - 1)


@pytest.mark.parametrize(("before", "after"), [("[", "]"), ('{"a":', "}"), ('[{"]":', "}]")])
def test_nesting_of_32_passes_and_33_is_refused_both_ways(before: str, after: str) -> None:
    levels = len(set(before) & set("[{"))
    text = before * (MAX_DEPTH // levels) + "1" + after * (MAX_DEPTH // levels)

    value = canonical.decode(text.encode())
    assert canonical.encode(value).decode() == text
    assert decoded(f"[{text}]") is CanonicalError
    with pytest.raises(CanonicalError, match="deeper than 32"):
        canonical.encode([value])


def test_brackets_in_strings_and_side_by_side_are_no_depth() -> None:
    value = ["[" * 50, {'"' + "{" * 50 + "\\": "]"}, *[[]] * 60, '\\"[']

    assert canonical.decode(canonical.encode(value)) == value


@pytest.mark.parametrize("letter", [chr(byte) for byte in range(0x20, 0x7F)])
def test_brackets_in_a_string_are_no_depth_whatever_letter_comes_before_them(letter: str) -> None:
    value = letter + "[" * 40 + letter + "{" * 40

    assert canonical.decode(canonical.encode(value)) == value
    assert decoded(f"[{json.dumps(value)}]") == [value]


class Colour(IntEnum):
    """An int by inheritance."""

    RED = 1


@pytest.mark.parametrize(
    "value",
    [
        math.nan, math.inf, -math.inf, 2**53, -(2**53), 10**400, 10**5_000, b"x", {1}, object(), Decimal(1), 1j,
        {1: 2}, {None: 1}, {b"a": 1}, {"a": 1, 2: 3}, "\ud800", {"\udc00": 1}, ["\ud800"], {"a": {"b": [math.nan]}},
    ],
    ids=lambda value: type(value).__name__,
)  # fmt: skip
def test_values_without_a_canonical_text_are_refused(value: Any) -> None:
    with pytest.raises(CanonicalError):
        canonical.encode(value)


def test_a_value_that_holds_itself_is_refused() -> None:
    endless: list[Any] = []
    endless.append(endless)

    with pytest.raises(CanonicalError):
        canonical.encode(endless)


def test_tuples_and_subclasses_are_written_as_what_they_are() -> None:
    assert canonical.encode({"b": (1, True), "a": Colour.RED}) == b'{"a":1,"b":[1,true]}'


def test_a_canonical_error_is_a_value_error_with_a_code() -> None:
    with pytest.raises(CanonicalError) as caught:
        canonical.decode(b"nope")

    assert isinstance(caught.value, ValueError)
    assert isinstance(caught.value, JitterbugError)
    assert caught.value.code == "JB_CANONICAL"
    assert "nope" not in str(caught.value)


names = st.text(st.characters(max_codepoint=127), max_size=8)
fractions = st.floats(0.001, 1e15).filter(lambda number: not number.is_integer())
members = st.one_of(
    st.text(st.characters(exclude_categories=["Cs"])),
    st.booleans(),
    st.none(),
    st.integers(-MAX_SAFE_INTEGER, MAX_SAFE_INTEGER),
    fractions,
)
plain_values = st.recursive(members, lambda inner: st.lists(inner) | st.dictionaries(names, inner), max_leaves=12)


@given(value=st.dictionaries(names, plain_values))
@example(value={"text": "".join(map(chr, range(0x100))) + "\u2028\u2029\ufeff\U0001f600", "rate": 0.001})
def test_what_the_hub_made_up_is_written_as_by_the_book(value: dict[str, Any]) -> None:
    """The short way gives the bytes of RFC 8785 for all it is meant for."""
    assert canonical.encode_plain(value) == canonical.encode(value)


@pytest.mark.parametrize("value", [{"a": "\ud800"}, {"a": ["b", {"c": "\udfff"}]}])
def test_half_a_character_is_refused_the_short_way_too(value: dict[str, Any]) -> None:
    with pytest.raises(CanonicalError):
        canonical.encode_plain(value)


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_the_short_way_writes_no_number_that_json_has_not(value: float) -> None:
    with pytest.raises(ValueError, match="JSON"):
        canonical.encode_plain({"a": value})
