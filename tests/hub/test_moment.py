"""One reading of the clocks for a whole pass."""

from hypothesis import given
from hypothesis import strategies as st

from jitterbug.hub.moment import Moment
from jitterbug.testing import ManualClock


@given(
    start_ms=st.integers(min_value=0, max_value=2**52),
    passed_us=st.integers(min_value=0, max_value=10**12),
    tick_ms=st.integers(min_value=1, max_value=1_000),
)
def test_a_moment_lies_in_its_tick_and_before_the_next(start_ms: int, passed_us: int, tick_ms: int) -> None:
    clock = ManualClock(start_ms)
    clock.advance(ms=passed_us / 1_000)
    tick_ns = tick_ms * 1_000_000

    moment = Moment(clock, tick_ns)
    clock.advance(s=5)

    assert moment.tick * tick_ns <= moment.now_ns < moment.next_tick_ns == (moment.tick + 1) * tick_ns
    assert moment.ts == str(moment.now_ms).encode()
    assert moment.now_ms == clock.now_ms() - 5_000
