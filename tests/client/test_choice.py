"""Which transport comes next: the fallback, and how long it is remembered (PROTOCOL §5)."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jitterbug.client import refusals, resume
from jitterbug.client.choice import AWAY_MS, FIRST_PATIENCE_MS, LONGEST_PATIENCE_MS, TransportChoice
from jitterbug.client.wire import TransportName

BOTH: tuple[TransportName, ...] = ("sse", "websocket")
codes = st.sampled_from(["JB_HELD", "JB_SILENT", "JB_UNOPENED", "JB_CUT", "JB_NETWORK", "JB_UNAUTHORIZED", "JB_HOLE"])
ends = st.tuples(codes, st.booleans(), st.booleans(), st.integers(0, 2 * AWAY_MS))


def end(choice: TransportChoice, code: str, now_ms: float = 0, *, live: bool = False, fresh_key: bool = False) -> bool:
    return choice.ended(code, live=live, fresh_key=fresh_key, now_ms=now_ms)


def test_a_stream_that_is_held_back_is_followed_by_a_websocket_for_an_hour() -> None:
    choice = TransportChoice(BOTH)
    assert choice.next(0) == ("sse", FIRST_PATIENCE_MS)
    assert end(choice, "JB_HELD", 3_000)
    assert choice.next(3_000)[0] == "websocket"
    end(choice, "JB_CUT", 60_000, live=True)
    assert choice.next(3_000 + AWAY_MS - 1)[0] == "websocket"
    assert choice.next(3_000 + AWAY_MS) == ("sse", FIRST_PATIENCE_MS)


@pytest.mark.parametrize("code", ["JB_HELD", "JB_SILENT", "JB_UNOPENED", "JB_UNREADABLE"])
def test_one_end_of_these_is_enough(code: str) -> None:
    choice = TransportChoice(BOTH)
    assert end(choice, code)
    assert choice.next(0)[0] == "websocket"


@pytest.mark.parametrize("code", ["JB_CUT", "JB_INTERNAL"])
def test_of_these_it_takes_two_in_a_row(code: str) -> None:
    choice = TransportChoice(BOTH)
    assert not end(choice, code)
    assert choice.next(0)[0] == "sse"
    end(choice, code, live=True)
    assert not end(choice, code)
    assert end(choice, code)
    assert choice.next(0)[0] == "websocket"


def test_a_network_that_is_away_says_nothing_unless_a_key_came_over_it_just_before() -> None:
    choice = TransportChoice(BOTH)
    for _ in range(5):
        assert not end(choice, "JB_NETWORK")
    assert end(choice, "JB_NETWORK", fresh_key=True)


@pytest.mark.parametrize("error", [refusals.UnauthorizedError, refusals.UnavailableError, refusals.ForbiddenError])
def test_what_the_hub_says_is_nothing_against_what_carried_it(error: type[refusals.HubError]) -> None:
    choice = TransportChoice(BOTH)
    for code in [error.code, resume.HOLE.code, resume.KEY_MISSING.code] * 3:
        assert not end(choice, code)
    assert choice.next(0)[0] == "sse"


@given(st.lists(ends, max_size=20))
def test_one_transport_alone_is_never_left_and_never_hurried(history: list[tuple[str, bool, bool, int]]) -> None:
    choice = TransportChoice(["websocket"])
    for code, live, fresh_key, now_ms in history:
        assert not end(choice, code, now_ms, live=live, fresh_key=fresh_key)
        assert choice.next(now_ms) == ("websocket", None)


@given(st.integers(2, 30))
def test_each_try_in_vain_has_twice_as_long_up_to_half_a_minute(tries: int) -> None:
    """A slow network is no proxy: it gets its time in the end."""
    choice, waits = TransportChoice(BOTH), list[int]()
    for _ in range(tries):
        waits.append(choice.next(0)[1] or 0)
        end(choice, "JB_HELD")
    assert all(later == min(2 * earlier, LONGEST_PATIENCE_MS) for earlier, later in pairwise(waits))


def test_another_way_is_there_once_until_one_of_them_works() -> None:
    """So that a try that fails on both is an end, where only one try is wanted."""
    choice = TransportChoice(BOTH)
    assert [end(choice, "JB_HELD"), end(choice, "JB_UNOPENED"), end(choice, "JB_HELD")] == [True, False, False]
    end(choice, "JB_CUT", live=True)
    assert end(choice, "JB_HELD")
