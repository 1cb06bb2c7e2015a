"""Public test kit: a clock that is turned by hand, the vectors."""
