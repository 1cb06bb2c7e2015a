"""The hub's time as the client counts it (R32, PROTOCOL §2)."""

from hypothesis import given
from hypothesis import strategies as st

from jitterbug.client.hub_clock import JUMP_MS, POOR_ROUND_TRIP_MS, HubClock
from jitterbug.testing import ManualClock

steps_ms = st.integers(-(10**10), 10**10)


@given(wrong_by_ms=steps_ms, round_trip_ms=st.integers(0, 1_999), later_ms=st.integers(0, 10**8))
def test_a_wrong_device_clock_changes_nothing(wrong_by_ms: int, round_trip_ms: int, later_ms: int) -> None:
    """R32: the hub's time is known to half a round trip, and goes on at the monotonic clock's pace."""
    hub, device = ManualClock(), ManualClock()
    device.step_wall(wrong_by_ms)
    clock = HubClock(device)
    sent_ms = clock.monotonic_ms()
    for each in (hub, device):
        each.advance(ms=round_trip_ms / 2)
    server_time_ms = hub.now_ms()
    for each in (hub, device):
        each.advance(ms=round_trip_ms / 2)
    clock.sync(server_time_ms, sent_ms)
    for each in (hub, device):
        each.advance(ms=later_ms)
    device.step_wall(-wrong_by_ms)
    assert abs(clock.now_ms() - hub.now_ms()) <= 1


@given(step_ms=steps_ms)
def test_a_step_of_the_device_clock_is_noticed_and_nothing_else_is(step_ms: int) -> None:
    clock = HubClock(device := ManualClock())
    assert not clock.jumped()
    clock.sync(device.now_ms(), clock.monotonic_ms())
    device.advance(s=3_600)
    assert not clock.jumped()
    device.step_wall(step_ms)
    assert clock.jumped() == (abs(step_ms) > JUMP_MS)


def test_a_slow_answer_does_not_replace_a_good_measurement(clock: ManualClock) -> None:
    hub = HubClock(clock)
    hub.sync(clock.now_ms(), hub.monotonic_ms())
    sent_ms = hub.monotonic_ms()
    clock.advance(ms=POOR_ROUND_TRIP_MS + 1)
    hub.sync(clock.now_ms() - 900, sent_ms)
    assert hub.now_ms() == clock.now_ms()


def test_before_the_first_answer_it_is_the_device_time(clock: ManualClock) -> None:
    assert HubClock(clock).now_ms() == clock.now_ms()
