"""Hypothesis strategies for what crosses the wire."""

import json
import os
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st

from jitterbug.protocol.codes import MAX_SAFE_INTEGER
from jitterbug.protocol.position import Position
from jitterbug.testing.manual_clock import START_MS

thorough = (
    settings()
    if os.environ.get("HYPOTHESIS_PROFILE") == "mutation"
    else settings(max_examples=max(10_000, settings().max_examples))
)
"""Ten thousand examples in every run, not in a night's alone, for what is cheap: base64, edited frames. As many random
payloads are signed, verified back to what they were, and edited by ``tests/security/test_random_frames.py``."""

KID_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-"

kids = st.text(KID_LETTERS, min_size=4, max_size=96)
secrets = st.binary(min_size=32, max_size=130)
nonces_raw = st.binary(min_size=32, max_size=32)
times_ms = st.integers(min_value=0, max_value=MAX_SAFE_INTEGER)
present_ms = st.integers(min_value=START_MS - 10**11, max_value=START_MS + 10**11)
"""Times that have 13 digits, as they will until the year 2286."""

channels = st.text("ABCXYZabcxyz0189_-./", min_size=1, max_size=24)
epochs = st.text(KID_LETTERS, min_size=1, max_size=12)
positions = st.builds(Position, epochs, st.integers(min_value=0, max_value=MAX_SAFE_INTEGER))

texts = st.text(max_size=20)
numbers = st.one_of(
    st.integers(min_value=-MAX_SAFE_INTEGER, max_value=MAX_SAFE_INTEGER),
    st.floats(allow_nan=False, allow_infinity=False),
)
scalars = st.one_of(st.none(), st.booleans(), numbers, texts)
json_values = st.recursive(
    scalars,
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(texts, inner, max_size=4)),
    max_leaves=12,
)
payloads = st.dictionaries(texts, json_values, max_size=4)

_blanks = st.text(" \t\n\r", max_size=2)


@st.composite
def loosely_written(draw: st.DrawFn, value: Any) -> str:
    """JSON text of this value with white space, member order and escapes chosen freely."""

    def blank() -> str:
        return draw(_blanks)

    def write(item: Any) -> str:
        if isinstance(item, dict):
            members = [f"{text(k)}{blank()}:{blank()}{write(v)}" for k, v in draw(st.permutations(list(item.items())))]
            return "{" + blank() + f"{blank()},{blank()}".join(members) + blank() + "}"
        if isinstance(item, list):
            return "[" + blank() + f"{blank()},{blank()}".join(map(write, item)) + blank() + "]"
        return text(item) if isinstance(item, str) else json.dumps(item)

    def text(item: str) -> str:
        return json.dumps(item, ensure_ascii=draw(st.booleans()))

    return blank() + write(value) + blank()


def alike(one: Any, other: Any) -> bool:
    """Equal as JSON values: unlike ``==``, true is not 1; like JSON, 1 is 1.0."""
    if isinstance(one, bool) or isinstance(other, bool) or one is None or other is None:
        return one is other
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(alike(one[name], other[name]) for name in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(alike, one, other))
    if isinstance(one, float) or isinstance(other, float):
        # A whole number that no double holds: 20000000000000010 is the canonical text of one, and an int elsewhere.
        return float(one) == float(other) if isinstance(one, int | float) and isinstance(other, int | float) else False
    return bool(one == other)
