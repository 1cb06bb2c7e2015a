"""The public test kit does what it says."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jitterbug import testing
from jitterbug.clock import Clock
from jitterbug.testing import ManualClock, vector_files, vectors


def readings(clock: Clock) -> tuple[int, int]:
    """Both readings, by the protocol alone."""
    return clock.now_ms(), clock.monotonic_ns()


def test_the_kit_names_what_it_offers() -> None:
    assert sorted(testing.__all__) == ["ManualClock", "vectors"]


def test_a_manual_clock_stands_still() -> None:
    clock = ManualClock(5)

    assert readings(clock) == readings(clock) == (5, 0)


@given(st.lists(st.integers(min_value=0, max_value=10**6)), st.lists(st.integers(min_value=-(10**6), max_value=10**6)))
def test_time_passes_on_both_clocks_and_a_step_moves_the_wall_alone(passed: list[int], steps: list[int]) -> None:
    clock = ManualClock(10**12)
    for ms in passed:
        clock.advance(ms=ms)
    for ms in steps:
        clock.step_wall(ms)

    assert readings(clock) == (10**12 + sum(passed) + sum(steps), sum(passed) * 10**6)


def test_fractions_of_a_millisecond_add_up() -> None:
    clock = ManualClock(0)
    for _ in range(4):
        clock.advance(ms=0.25)
    clock.advance(s=1.5, ms=1)

    assert readings(clock) == (1_502, 1_502_000_000)
    assert repr(clock) == "ManualClock(now_ms=1502)"


def test_time_does_not_run_backwards() -> None:
    clock = ManualClock(0)

    with pytest.raises(ValueError, match="step_wall"):
        clock.advance(ms=-1)
    assert readings(clock) == (0, 0)


@pytest.mark.parametrize("name", ["canonical", "frames", "keys", "sse"])
def test_vectors_are_read_afresh(name: str) -> None:
    first = vectors(name)
    untouched = json.dumps(first)
    first.clear()

    assert json.dumps(vectors(name)) == untouched


@pytest.mark.parametrize("name", ["", "nothing", "../pyproject", "frames.json", "/etc/passwd"])
def test_an_unknown_vector_file_is_refused_by_name(name: str) -> None:
    with pytest.raises(FileNotFoundError, match=r"there are canonical, frames, keys, sse"):
        vectors(name)


def test_an_installed_package_says_that_it_has_no_vectors(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(vector_files, "_FOLDER", tmp_path)

    with pytest.raises(FileNotFoundError, match="come with the repository"):
        vectors("frames")
