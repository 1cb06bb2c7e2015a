"""Host telemetry: what psutil says and nothing made up, coarse unless asked (O37)."""

import time
from unittest.mock import patch

import psutil

from jitterbug.hub.host import HostTelemetry
from jitterbug.hub.publish import prepare

COARSE = {"connections", "cpu", "memory"}
DETAIL = COARSE | {"cores", "load", "memory_available_bytes", "process_cpu", "process_memory_bytes"}


def spin(seconds: float) -> None:
    """Use up processor time."""
    end = time.process_time() + seconds
    while time.process_time() < end:
        pass


def test_o37_figures_are_real_and_in_range() -> None:
    host = HostTelemetry(lambda: 7)
    spin(0.05)
    figures = host()

    assert figures.keys() == COARSE
    assert figures["connections"] == 7
    assert 0 < figures["cpu"] <= 100, "this process was busy all along"
    assert abs(figures["memory"] - psutil.virtual_memory().percent) <= 5
    assert all(type(value) is int for value in figures.values()), "whole numbers tell little about the host"


def test_o37_nothing_is_random() -> None:
    with (
        patch("random.random", side_effect=AssertionError),
        patch("os.urandom", side_effect=AssertionError),
        patch("random.randint", side_effect=AssertionError),
    ):
        host = HostTelemetry(lambda: 0, detail=True)
        memory = [host()["process_memory_bytes"] for _ in range(3)]
    assert max(memory) - min(memory) < 50_000_000


def test_detail_is_given_to_those_who_ask() -> None:
    host = HostTelemetry(lambda: 0, detail=True)
    spin(0.02)
    figures = host()

    assert figures.keys() == DETAIL
    assert figures["cores"] == psutil.cpu_count()
    assert len(figures["load"]) == 3
    assert all(load >= 0 for load in figures["load"])
    assert 0 < figures["memory_available_bytes"] <= psutil.virtual_memory().total
    assert 0 < figures["process_memory_bytes"] < psutil.virtual_memory().total
    assert figures["process_cpu"] >= 0


def test_connections_are_counted_at_each_call() -> None:
    counts = iter([0, 3])
    host = HostTelemetry(lambda: next(counts))

    assert [host()["connections"], host()["connections"]] == [0, 3]


def test_r58_both_fit_into_a_frame() -> None:
    for detail in (False, True):
        assert prepare("$sys/telemetry", HostTelemetry(lambda: 20_000, detail=detail)(), 1_024)
