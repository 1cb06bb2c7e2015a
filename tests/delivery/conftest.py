"""How much, and which seed.

``DELIVERY=long`` runs the full counts (``make delivery``); ``DELIVERY_SEED=…`` draws the faults of an
earlier run again.
"""

import os
import secrets

import pytest

IS_LONG = os.environ.get("DELIVERY") == "long"


@pytest.fixture
def seed() -> int:
    """Where the faults of a test come from; printed, so that a failure shows it."""
    given = os.environ.get("DELIVERY_SEED")
    seed = int(given) if given else secrets.randbits(32)
    print(f"DELIVERY_SEED={seed}")  # noqa: T201 - shown where the test fails
    return seed
