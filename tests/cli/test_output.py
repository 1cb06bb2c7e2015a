"""What reaches a terminal (CWE-150)."""

import io
import json
import unicodedata
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from jitterbug.cli.output import BROKEN, WHOLE, compact, printable, seal
from tests.strategies import json_values


@given(st.text())
def test_nothing_printed_can_move_a_cursor_or_turn_the_reading_order(text: str) -> None:
    shown = printable(text)
    assert not [char for char in shown if unicodedata.category(char) in {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}]
    assert "\n" not in shown
    if text.isprintable():
        assert shown == text


@given(json_values)
def test_data_on_one_line_is_still_the_same_json(value: Any) -> None:
    assert json.loads(compact(value)) == json.loads(json.dumps(value))


def test_the_seals_have_letters_where_the_terminal_has_no_such_sign() -> None:
    """Colour is never the only sign, nor a character that may be missing."""
    plain = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    full = io.TextIOWrapper(io.BytesIO(), encoding="utf-8")
    assert (seal(WHOLE, plain), seal(BROKEN, plain)) == ("ok", "NO")
    assert (seal(WHOLE, full), seal(BROKEN, full)) == (WHOLE, BROKEN)
