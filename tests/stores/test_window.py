"""Moving windows: at most n in any span, exactly (R41)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jitterbug.stores.window import MovingWindows

NS_PER_S = 1_000_000_000
pauses_ms = st.lists(st.one_of(st.integers(0, 50), st.integers(0, 70_000)), max_size=80)


@given(limit=st.integers(min_value=1, max_value=10), window_ms=st.integers(1, 60_000), pauses=pauses_ms)
def test_r41_any_span_holds_at_most_the_limit_and_no_one_is_refused_who_fits(
    limit: int, window_ms: int, pauses: list[int]
) -> None:
    windows, now_ms, admitted = MovingWindows(), 0, list[int]()
    for pause in pauses:
        now_ms += pause
        fits = sum(at > now_ms - window_ms for at in admitted) < limit
        wait_s = windows.admit("k", limit, window_ms / 1_000, now_ms * 1_000_000)
        assert (wait_s == 0) is fits
        if fits:
            admitted.append(now_ms)
        else:
            frees_ms = admitted[-limit] + window_ms
            assert wait_s == pytest.approx((frees_ms - now_ms) / 1_000)

    for first in admitted:
        assert sum(first <= at < first + window_ms for at in admitted) <= limit


@given(limit=st.integers(1, 5), tries=st.integers(1, 20), window_s=st.integers(1, 60))
def test_r41_who_waits_as_long_as_told_is_admitted_and_not_a_nanosecond_earlier(
    limit: int, tries: int, window_s: int
) -> None:
    windows = MovingWindows()
    for _ in range(limit):
        assert windows.admit("k", limit, window_s, 0) == 0
    waits = {windows.admit("k", limit, window_s, 0) for _ in range(tries)}
    assert waits == {window_s}, "asking again costs nothing"

    assert windows.admit("k", limit, window_s, window_s * NS_PER_S - 1) > 0
    assert windows.admit("k", limit, window_s, window_s * NS_PER_S) == 0


@given(keys=st.lists(st.sampled_from("abcdefgh"), max_size=60))
def test_keys_are_counted_apart_and_bounded_by_forgetting_the_longest_unused(keys: list[str]) -> None:
    windows = MovingWindows(max_keys=3)
    model: dict[str, int] = {}
    for key in keys:
        count = model.pop(key, 0)
        assert (windows.admit(key, 2, 60, 0) == 0) is (count < 2)
        model[key] = min(2, count + 1)
        while len(model) > 3:
            del model[next(iter(model))]
        assert len(windows) == len(model)
