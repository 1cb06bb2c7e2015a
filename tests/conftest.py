"""What every test may ask for, and how hard Hypothesis tries.

``HYPOTHESIS_PROFILE=dev`` (default) is for the desk, ``ci`` for every change, ``deep`` for a night (with
``--timeout=0``). A failure prints the blob that replays it. ``mutation`` runs the same few examples for every mutant
and wastes no time on shrinking: that they fail is all that is asked.
"""

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import Phase, settings

from jitterbug.testing import ManualClock

settings.register_profile("dev", max_examples=100, stateful_step_count=40, deadline=None, print_blob=True)
settings.register_profile("ci", max_examples=200, stateful_step_count=50, deadline=None, print_blob=True)
settings.register_profile("deep", max_examples=10_000, stateful_step_count=100, deadline=None, print_blob=True)
settings.register_profile(
    "mutation",
    max_examples=25,
    stateful_step_count=30,
    deadline=None,
    derandomize=True,
    database=None,
    phases=[Phase.explicit, Phase.generate],
)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "dev"))

SHARED_DATA = Path(__file__).resolve().parents[2] / "shared" / "data"


@pytest.fixture
def clock() -> ManualClock:
    """A clock of one's own."""
    return ManualClock()


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Public test data kept beside the repository, not in it."""
    if not SHARED_DATA.is_dir():
        pytest.skip("public test data (../shared/data) is not beside this checkout")
    return SHARED_DATA


@pytest.fixture
def record_property(record_property: Callable[[str, object], None]) -> Callable[[str, object], None]:
    """pytest's own, as text: a process beside others can hand on only plain values, and dies of an enum."""
    return lambda name, value: record_property(name, str(value))
