"""The four thresholds: not one too early, not one too late, and no stranger can steer them (R79-R82)."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jitterbug.hub.publish import prepare
from jitterbug.telemetry.alerts import Alert, Alerts
from jitterbug.telemetry.events import Fact, FactCode
from jitterbug.testing import ManualClock


class Watch:
    """Alerts with what they need."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.raised: list[Alert] = []
        self.state = (0, 0)
        self.asked: list[int] = []
        self.alerts = Alerts(self.clock, self._limited, self.raised.append)

    def _limited(self, within_ns: int) -> tuple[int, int]:
        self.asked.append(within_ns)
        return self.state

    def tell(self, code: FactCode, times: int = 1, **members: Any) -> None:
        for _ in range(times):
            self.alerts(Fact(code=code, **members))

    def rules(self) -> list[str]:
        return [alert.rule for alert in self.raised]


@pytest.fixture
def watch() -> Watch:
    return Watch()


def test_r79_ten_failures_a_minute_are_none_and_the_eleventh_is_one(watch: Watch) -> None:
    watch.tell(FactCode.AUTH_FAILED, 10, address="192.0.2.1")
    assert watch.raised == []
    watch.tell(FactCode.AUTH_FAILED, address="192.0.2.1")
    (alert,) = watch.raised

    assert (alert.rule, alert.subject, alert.count) == ("auth_failures", "192.0.2.1", 11)
    assert alert.at_ms == watch.clock.now_ms()
    assert alert.about == ("192.0.2.1", None)


def test_r79_it_is_counted_by_address(watch: Watch) -> None:
    for number in range(40):
        watch.tell(FactCode.AUTH_FAILED, 10, address=f"192.0.2.{number}")
    assert watch.raised == []
    watch.tell(FactCode.AUTH_FAILED, address="192.0.2.7")
    watch.tell(FactCode.AUTH_FAILED, address="192.0.2.9")
    assert [alert.subject for alert in watch.raised] == ["192.0.2.7", "192.0.2.9"]


@given(st.lists(st.integers(min_value=0, max_value=20_000), max_size=60))
def test_r79_it_is_any_minute_and_not_the_minute_on_the_clock(pauses_ms: list[int]) -> None:
    """Against the plainest model: eleven within less than 60 s, and not told within the last minute."""
    watch, times, expected, quiet_until_ms = Watch(), [], 0, 0
    now_ms = 0
    for pause_ms in pauses_ms:
        watch.clock.advance(ms=pause_ms)
        now_ms += pause_ms
        times.append(now_ms)
        watch.tell(FactCode.AUTH_FAILED, address="a")
        if sum(time > now_ms - 60_000 for time in times) > 10 and now_ms >= quiet_until_ms:
            expected += 1
            quiet_until_ms = now_ms + 60_000
        assert len(watch.raised) == expected


@pytest.mark.parametrize(("limited", "open_"), [(5, 10), (0, 0), (2, 3), (4, 4), (2, 5), (0, 100), (50, 100)])
def test_r80_half_of_the_connections_are_not_more_than_half(watch: Watch, limited: int, open_: int) -> None:
    """Four open connections say nothing."""
    watch.state = limited, open_
    watch.tell(FactCode.RATE_LIMITED)
    watch.alerts.look()
    assert watch.raised == []


@pytest.mark.parametrize(("limited", "open_"), [(6, 10), (3, 5), (51, 100), (5, 5)])
def test_r80_more_than_half_are(watch: Watch, limited: int, open_: int) -> None:
    watch.state = limited, open_
    watch.tell(FactCode.RATE_LIMITED)
    watch.alerts.look()
    (alert,) = watch.raised
    assert (alert.rule, alert.subject, alert.count, alert.about) == ("rate_limits", None, limited, (None, None))
    assert set(watch.asked) == {60 * 10**9}


def test_r80_a_flood_does_not_make_the_hub_count_its_connections_each_time(watch: Watch) -> None:
    """Counting 20,000 connections at each of a thousand refusals would be the flood's best helper."""
    watch.state = 1, 20_000
    for _ in range(1_000):
        watch.tell(FactCode.RATE_LIMITED)
        watch.clock.advance(ms=1)
    assert len(watch.asked) == 10


@pytest.mark.parametrize("code", [FactCode.FRAME_REFUSED, FactCode.CLIENT_REPORT])
def test_r81_the_first_signed_replay_alerts_at_once(watch: Watch, code: FactCode) -> None:
    watch.tell(code, reason="replay", session="5e55104")
    (alert,) = watch.raised
    assert (alert.rule, alert.subject, alert.about) == ("replay", "5e55104", (None, "5e55104"))


@given(st.lists(st.sampled_from(["signature", "key", "stale", "grammar", "size", "type", "order", "rate"])))
def test_r81_forged_copies_never_do(reasons: list[str]) -> None:
    watch = Watch()
    for reason in reasons:
        watch.tell(FactCode.FRAME_REFUSED, reason=reason, session="5e55104")
        watch.tell(FactCode.CLIENT_REPORT, reason=reason, session="5e55104")
    assert watch.raised == []


def test_r82_one_in_twenty_is_none_and_two_in_twenty_one_is(watch: Watch) -> None:
    watch.tell(FactCode.KEY_ISSUED, 19)
    watch.tell(FactCode.KEY_REFUSED)
    assert watch.raised == []
    watch.tell(FactCode.KEY_REFUSED)
    (alert,) = watch.raised
    assert (alert.rule, alert.subject, alert.count) == ("key_failures", None, 2)


def test_r82_nineteen_requests_are_too_few_to_say(watch: Watch) -> None:
    watch.tell(FactCode.KEY_REFUSED, 19)
    assert watch.raised == []
    watch.tell(FactCode.KEY_REFUSED)
    assert watch.rules() == ["key_failures"]


def test_r82_a_minute_later_they_are_forgotten(watch: Watch) -> None:
    watch.tell(FactCode.KEY_REFUSED, 19)
    watch.clock.advance(s=60)
    watch.tell(FactCode.KEY_REFUSED, 1)
    watch.tell(FactCode.KEY_ISSUED, 19)
    assert watch.raised == []


def test_r82_strangers_who_are_denied_do_not_count(watch: Watch) -> None:
    watch.tell(FactCode.KEY_ISSUED, 20)
    for number in range(500):
        watch.tell(FactCode.AUTH_FAILED, address=str(number))
    assert watch.raised == []


def test_each_speaks_once_a_minute_for_one_subject(watch: Watch) -> None:
    for _ in range(120):
        watch.tell(FactCode.FRAME_REFUSED, reason="replay", session="one")
        watch.tell(FactCode.FRAME_REFUSED, reason="replay", session="other")
        watch.clock.advance(s=1)
    assert [alert.subject for alert in watch.raised] == ["one", "other"] * 2


def test_setting_the_wall_clock_changes_nothing(watch: Watch) -> None:
    for step_ms in (0, -3_600_000, 3_600_000):
        watch.clock.step_wall(step_ms)
        watch.tell(FactCode.FRAME_REFUSED, reason="replay", session="one")
    assert len(watch.raised) == 1


def test_it_is_bounded_and_not_silent_for_ever(watch: Watch) -> None:
    """A hundred thousand addresses: no more than ten thousand are remembered, and a minute later it speaks again."""
    for number in range(100_000):
        watch.tell(FactCode.FRAME_REFUSED, reason="replay", session=str(number))
        watch.tell(FactCode.AUTH_FAILED, address=str(number))
    watch.tell(FactCode.KEY_ISSUED, 20_000)
    alerts = watch.alerts
    assert len(watch.raised) == 10_000
    assert max(map(len, (alerts._auth_failures, alerts._key_requests, alerts._quiet_until_ns))) == 10_000

    watch.clock.advance(s=60)
    watch.tell(FactCode.FRAME_REFUSED, reason="replay", session="another")
    assert watch.raised[-1].subject == "another"
    assert len(alerts._quiet_until_ns) == 1


def test_failures_from_one_block_of_ipv6_are_those_of_one_address(watch: Watch) -> None:
    """R79: whoever has one address of IPv6 has 2^64 of them."""
    for number in range(10):
        watch.tell(FactCode.AUTH_FAILED, address=f"2001:db8:0:7:{number:x}::1")
    watch.tell(FactCode.AUTH_FAILED, address="2001:db8:0:8::1")
    assert watch.rules() == []
    watch.tell(FactCode.AUTH_FAILED, address="2001:db8:0:7::1")

    assert [alert.subject for alert in watch.raised] == ["2001:db8:0:7::/64"]


def test_every_alert_fits_the_smallest_frame_the_default_allows(watch: Watch) -> None:
    """It is published on ``$sys/alerts`` like anything else."""
    watch.state = 20_000, 20_000
    watch.tell(FactCode.AUTH_FAILED, 11, address="2001:0db8:85a3:0000:0000:8a2e:0370:7334%enp0s31f6")
    watch.tell(FactCode.FRAME_REFUSED, reason="replay", session="0" * 16)
    watch.tell(FactCode.KEY_REFUSED, 10_000)
    watch.alerts.look()

    assert sorted(watch.rules()) == ["auth_failures", "key_failures", "rate_limits", "replay"]
    for alert in watch.raised:
        assert prepare("$sys/alerts", alert.to_json(), 1_024)
        assert {"rule", "text", "at", "count"} <= alert.to_json().keys() <= {"rule", "text", "at", "count", "subject"}
