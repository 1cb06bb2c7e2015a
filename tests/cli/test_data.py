"""What a typed word or line means: JSON if it is JSON, else text, never something else in silence."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jitterbug.cli.data import read_data
from jitterbug.errors import CanonicalError
from jitterbug.protocol import canonical
from tests.strategies import json_values


@given(value=json_values, spaces=st.text(" \t", max_size=3))
def test_json_is_read_as_json(value: Any, spaces: str) -> None:
    text = spaces + json.dumps(value) + spaces
    assert canonical.encode(read_data(text.encode())) == canonical.encode(value)


@given(text=st.text(max_size=40))
def test_what_is_no_json_is_text_unchanged(text: str) -> None:
    try:
        json.loads(text)
    except ValueError:
        assert read_data(text.encode()) == text


@pytest.mark.parametrize(
    "text", ["NaN", "Infinity", "-Infinity", "{'a': 1}", "[1,]", "nul", "hello world", "1 2", "[" * 5_000]
)
def test_what_only_looks_like_json_is_text(text: str) -> None:
    assert read_data(text.encode()) == text


@pytest.mark.parametrize(
    "text", ["9007199254740993", "0.1234567890123456789", "1e400", '{"a":1,"a":2}', "[" * 40 + "]" * 40, r'"\ud800"']
)
def test_json_that_would_arrive_as_something_else_is_refused(text: str) -> None:
    """Neither changed nor quietly turned into text."""
    with pytest.raises(CanonicalError, match="cannot arrive"):
        read_data(text.encode())


def test_what_is_not_utf_8_is_refused() -> None:
    with pytest.raises(CanonicalError, match="UTF-8"):
        read_data(b"\xff\xfe")
