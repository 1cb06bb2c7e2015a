"""Waiting between tries (R54)."""

from hypothesis import given
from hypothesis import strategies as st

from jitterbug.client.backoff import BASE_MS, CAP_MS, Backoff

shares = st.floats(0, 1, exclude_max=True)


@given(share=shares, failures=st.integers(1, 200))
def test_no_wait_passes_the_ceiling_that_doubles_up_to_the_cap(share: float, failures: int) -> None:
    """R54: full jitter below 250 ms, 500 ms, … 10 s, however often it fails."""
    backoff = Backoff(lambda: share)
    waits = [backoff.next_ms() for _ in range(failures)]
    ceilings = [min(CAP_MS, BASE_MS * 2**number) for number in range(failures)]
    assert all(0 <= wait <= ceiling for wait, ceiling in zip(waits, ceilings, strict=True))
    assert waits == sorted(waits)


@given(share=shares)
def test_good_behaviour_starts_anew(share: float) -> None:
    """R54: reset after good behaviour."""
    backoff = Backoff(lambda: share)
    first = backoff.next_ms()
    for _ in range(10):
        backoff.next_ms()
    backoff.reset()
    assert backoff.next_ms() == first


@given(share=shares, asked_ms=st.floats(0, 3_600_000))
def test_what_the_hub_asked_for_is_never_undercut_and_at_most_a_quarter_is_added(share: float, asked_ms: float) -> None:
    wait_ms = Backoff(lambda: share).at_least_ms(asked_ms)
    assert asked_ms <= wait_ms <= max(1.25 * asked_ms, BASE_MS)
