"""Who fails is counted by address, within a bound; who succeeds is not (REQUIREMENTS §2.27)."""

import pytest

from jitterbug.server import failures
from jitterbug.server.failures import FAILURES, Failures

_S = 1_000_000_000
ADDRESS = "192.0.2.7"


def test_so_many_failures_pass_and_then_one_a_second() -> None:
    counted = Failures()
    for _ in range(FAILURES):
        assert counted.wait_s(ADDRESS, 0) == 0
        counted.count(ADDRESS, 0)

    assert counted.wait_s(ADDRESS, 0) == 1
    assert counted.wait_s(ADDRESS, _S - 1) == 1
    assert counted.wait_s(ADDRESS, _S) == 0
    counted.count(ADDRESS, _S)
    assert counted.wait_s(ADDRESS, _S) == 1
    assert counted.wait_s("192.0.2.8", 0) == 0


def test_whoever_has_no_cap_is_not_counted() -> None:
    counted = Failures()
    for _ in range(2 * FAILURES):
        counted.count(None, 0)
    assert counted.wait_s(None, 0) == 0
    assert len(counted) == 0


def test_the_address_that_has_not_failed_for_longest_is_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(failures, "_MAX_ADDRESSES", 2)
    counted = Failures()
    for address in ("a", "b", "a", "c"):
        counted.count(address, 0)

    assert len(counted) == 2
    assert set(counted._buckets) == {"a", "c"}
