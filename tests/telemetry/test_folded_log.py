"""A flood of refusals makes a bounded log, and loses no count (REQUIREMENTS §2.25)."""

import logging

import pytest

from jitterbug.telemetry.events import Fact, FactCode
from jitterbug.telemetry.folded_log import FoldedLog
from jitterbug.testing import ManualClock

REFUSED = Fact(code=FactCode.AUTH_FAILED, reason="session", address="192.0.2.1")


def test_of_a_flood_ten_lines_a_second_are_written_and_the_rest_is_counted(
    clock: ManualClock, caplog: pytest.LogCaptureFixture
) -> None:
    log = FoldedLog(clock)
    for _ in range(1_000):
        log(REFUSED)
    assert len(caplog.records) == 10
    clock.advance(s=1)
    log(Fact(code=FactCode.PERFORMANCE, figures={"connections": 1}))

    assert len(caplog.records) == 11
    assert "count=990" in caplog.records[-1].getMessage()


def test_the_ordinary_is_not_folded(clock: ManualClock, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "jitterbug.security")
    log = FoldedLog(clock)
    for _ in range(30):
        log(Fact(code=FactCode.KEY_ISSUED, session="0123456789abcdef"))

    assert len(caplog.records) == 30


def test_another_address_has_lines_of_its_own(clock: ManualClock, caplog: pytest.LogCaptureFixture) -> None:
    log = FoldedLog(clock)
    for _ in range(50):
        log(REFUSED)
    log(Fact(code=FactCode.AUTH_FAILED, reason="session", address="192.0.2.2"))

    assert "192.0.2.2" in caplog.records[-1].getMessage()
