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


def test_r41_a_key_keeps_its_later_hits_when_its_first_are_over_and_others_ask() -> None:
    """A key is forgotten when its last hit is over, not its first: or its limit would begin anew."""
    windows = MovingWindows()
    assert [windows.admit("a", 2, 60, at_s * NS_PER_S) for at_s in (0, 50)] == [0, 0]
    assert windows.admit("b", 2, 60, 61 * NS_PER_S) == 0

    assert windows.admit("a", 2, 60, 61 * NS_PER_S) == 0
    assert windows.admit("a", 2, 60, 61 * NS_PER_S) == 49


@pytest.mark.parametrize(("later_ns", "held"), [(60 * NS_PER_S - 1, 2), (60 * NS_PER_S, 1), (3_600 * NS_PER_S, 1)])
def test_a_key_is_forgotten_in_the_nanosecond_in_which_its_last_hit_is_over(later_ns: int, held: int) -> None:
    windows = MovingWindows()
    windows.admit("a", 2, 60, 0)
    windows.admit("b", 2, 60, later_ns)

    assert len(windows) == held


def test_r41_a_limit_that_is_lowered_holds_for_what_was_counted_before() -> None:
    """A reload may lower it: who has more than it allows waits until enough of that is over, as told."""
    windows = MovingWindows()
    for at_s in range(4):
        assert windows.admit("k", 4, 60, at_s * NS_PER_S) == 0

    assert windows.admit("k", 2, 60, 10 * NS_PER_S) == 52
    assert windows.admit("k", 2, 60, 62 * NS_PER_S - 1) > 0
    assert windows.admit("k", 2, 60, 62 * NS_PER_S) == 0


def test_the_keys_held_have_a_bound_without_being_given_one() -> None:
    windows = MovingWindows()
    for serial in range(100_005):
        windows.admit(str(serial), 1, 60, serial)

    assert len(windows) == 100_000
