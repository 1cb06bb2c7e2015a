"""Positions, and the cursors that carry them: hints from strangers, never more (PROTOCOL §4, §5)."""

import hashlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jitterbug.protocol import base64
from jitterbug.protocol.codes import MAX_SAFE_INTEGER
from jitterbug.protocol.position import Position, channel_tag, decode_cursor
from tests.strategies import channels, json_values, positions

A, B = channel_tag("a"), channel_tag("b")


@given(positions)
def test_a_position_is_read_again_from_its_json(position: Position) -> None:
    assert position.to_json() == [position.epoch, position.offset]
    assert Position.from_json(position.to_json()) == position


@pytest.mark.parametrize(
    "value",
    [
        None, [], ["e"], ["e", 1, 2], ("e", 1), {"e": 1}, "e1", [1, "e"], ["", 1], ["e" * 33, 1], [None, 1], [b"e", 1],
        ["e", -1], ["e", 2**53], ["e", 1.0], ["e", "1"], ["e", True], ["e", None],
    ],
)  # fmt: skip
def test_anything_else_is_no_position(value: Any) -> None:
    assert Position.from_json(value) is None


@given(json_values)
def test_no_json_value_makes_reading_a_position_fail(value: Any) -> None:
    position = Position.from_json(value)

    assert position is None or position.to_json() == value


@pytest.mark.parametrize("value", [["e", 0], ["e" * 32, MAX_SAFE_INTEGER]])
def test_positions_at_their_limits_are_read(value: list[Any]) -> None:
    assert Position.from_json(value) == Position(*value)


@given(st.text())
def test_a_channel_tag_is_eight_letters_of_its_sha256(channel: str) -> None:
    digest = hashlib.sha256(channel.encode()).digest()

    assert channel_tag(channel) == base64.encode_url(digest[:6])
    assert len(channel_tag(channel)) == 8


@pytest.mark.parametrize(
    ("cursor", "expected"),
    [
        (f"e~{A}.1~{B}.2", {"a": Position("e", 1), "b": Position("e", 2)}),
        (f"e~{A}.1~f~{B}.2", {"a": Position("e", 1), "b": Position("f", 2)}),
        (f"e~{A}.{MAX_SAFE_INTEGER}", {"a": Position("e", MAX_SAFE_INTEGER)}),
        (f"e~{A}.0~{channel_tag('c')}.1", {"a": Position("e", 0)}),
        (f"e~{A}.1~{A}.2", {"a": Position("e", 2)}),
        (f"~{A}.1", {}),
        (f"{A}.1", {}),
        (f"e~{A}.", {}),
        (f"e~{A}.-1", {}),
        (f"e~{A}.1.2", {}),
        (f"e~{A}.1_0", {}),
        (f"e~{A}.{2**53}", {}),
        (f"e~{A}.{'1' * 17}", {}),
        (f"e~{A}.{'1'.zfill(16)}", {"a": Position("e", 1)}),
        (f"e~{A}.{'1'.zfill(17)}", {}),
        (f"{'e' * 33}~{A}.1", {}),
        ("e", {}),
        ("", {}),
        (f"e~{A}.1\n", {}),
        (f"e~{A}.\u0661", {}),
        (f"e~{A}.1~" + "x" * 128, {}),
    ],
)
def test_a_cursor_says_what_it_says_and_no_more(cursor: str, expected: dict[str, Position]) -> None:
    assert decode_cursor(cursor, ["a", "b"]) == expected


@given(st.one_of(st.text(), st.text("~.-_ab019", max_size=140)), st.lists(channels, max_size=3))
def test_a_made_up_cursor_gives_positions_of_the_channels_asked_for_or_nothing(cursor: str, asked: list[str]) -> None:
    found = decode_cursor(cursor, asked)

    assert set(found) <= set(asked)
    assert all(Position.from_json(position.to_json()) == position for position in found.values())


def test_a_cursor_says_nothing_about_channels_not_asked_for() -> None:
    assert decode_cursor(f"e~{A}.1~{B}.2", ["b"]) == {"b": Position("e", 2)}
    assert decode_cursor(f"e~{A}.1", []) == {}
