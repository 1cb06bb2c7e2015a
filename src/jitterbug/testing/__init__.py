"""Public test kit: a clock that is turned by hand, and the vectors every implementation is held to."""

from jitterbug.testing.manual_clock import ManualClock
from jitterbug.testing.vector_files import vectors

__all__ = ["ManualClock", "vectors"]
