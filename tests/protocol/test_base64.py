"""Base64 text has one form and no other is read (R30, O5, REQUIREMENTS §2.12)."""

import base64 as stdlib
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jitterbug.protocol import base64
from tests.strategies import thorough

LETTERS = string.ascii_uppercase + string.ascii_lowercase + string.digits + "+/"
NOT_CANONICAL = [
    "A", "AA", "AAA", "AA=", "A===", "====", "=", "AB==", "AAB=", "AAAA=", "AAAA==", "AA==AA==", "AA=A",
    "AAAA\n", "AAAA ", " AAAA", "AA\nAA", "-_-_", "AAA\u00e9", "AAA\uff21", "AAA\0", "AAAA====",
]  # fmt: skip


def by_another_rule(text: str) -> bytes | None:
    """Independent oracle: whatever decodes leniently and is written the same way again."""
    try:
        data = stdlib.b64decode(text, validate=True)
    except ValueError:
        return None
    return data if stdlib.b64encode(data).decode() == text else None


mutated_text = st.builds(
    lambda data, at, new: (text := stdlib.b64encode(data).decode())[: at % 45] + new + text[at % 45 + len(new) :],
    st.binary(min_size=31, max_size=33),
    st.integers(min_value=0),
    st.one_of(st.sampled_from(LETTERS + "=-_ \n"), st.text(max_size=2)),
)


@given(st.binary(max_size=100))
def test_what_is_written_is_read_again(data: bytes) -> None:
    text = base64.encode(data)

    assert text == stdlib.b64encode(data)
    assert base64.decode(text.decode()) == data


@thorough
@given(st.one_of(mutated_text, st.text(max_size=12), st.text(LETTERS + "=", max_size=12)))
def test_only_the_one_text_of_some_bytes_is_read(text: str) -> None:
    expected = by_another_rule(text)
    if expected is None:
        with pytest.raises(ValueError):  # noqa: PT011 -- any ValueError is the contract
            base64.decode(text)
    else:
        assert base64.decode(text) == expected


@given(mutated_text)
def test_text_of_32_bytes_is_told_from_all_other_text(text: str) -> None:
    expected = by_another_rule(text)

    assert base64.is_32(text) == (expected is not None and len(expected) == 32)


@given(st.binary(min_size=32, max_size=32))
def test_the_text_of_any_32_bytes_is_known_as_such(data: bytes) -> None:
    text = stdlib.b64encode(data).decode()

    assert base64.is_32(text)
    assert len(text) == 44


def test_of_64_last_characters_the_16_without_loose_bits_pass() -> None:
    passing = {letter for letter in LETTERS if base64.is_32("A" * 42 + letter + "=")}

    assert passing == set(LETTERS[::4])


@pytest.mark.parametrize("form", ["A{}==", "{}A==", "AA{}=", "A{}A=", "AAA{}"])
def test_of_all_letters_at_a_place_only_those_without_loose_bits_are_read(form: str) -> None:
    """Every letter, since the alphabet is not in the order of ASCII: loose bits can make a text greater or less."""
    for letter in LETTERS:
        text = form.format(letter)
        expected = by_another_rule(text)
        if expected is None:
            with pytest.raises(ValueError, match="not canonical"):
                base64.decode(text)
        else:
            assert base64.decode(text) == expected


@pytest.mark.parametrize("text", NOT_CANONICAL)
def test_text_that_is_not_canonical_is_refused(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 -- binascii's words change between versions
        base64.decode(text)


@pytest.mark.parametrize("value", [None, 1, True, b"A" * 43 + b"=", ["A" * 43 + "="], "", "A" * 44, "A" * 43 + "=\n"])
def test_what_is_not_text_of_32_bytes_is_told_without_an_error(value: object) -> None:
    assert not base64.is_32(value)


@given(st.binary(max_size=60).map(lambda data: data[: len(data) // 3 * 3]))
def test_url_text_of_whole_groups_is_read_again(data: bytes) -> None:
    text = base64.encode_url(data)

    assert set(text) <= set(LETTERS) - set("+/") | set("-_")
    assert base64.decode_url(text) == data


@given(st.binary(max_size=60))
def test_url_text_has_no_padding(data: bytes) -> None:
    assert base64.encode_url(data) == stdlib.urlsafe_b64encode(data).decode().rstrip("=")
