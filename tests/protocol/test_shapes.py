"""What the protocol hands out cannot be changed afterwards, and numbers that could be confused are given by name."""

import dataclasses
import importlib
import inspect
import pkgutil
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from jitterbug import protocol
from jitterbug.protocol.keys import hkdf_sha256
from jitterbug.protocol.replay import ReplayWindow
from jitterbug.protocol.session import Receiver
from jitterbug.protocol.signing import MacKey
from jitterbug.protocol.sse import SseDecoder
from jitterbug.protocol.verifying import FrameVerifier, authenticate

BY_NAME: list[tuple[Callable[..., Any], set[str]]] = [
    (authenticate, {"skew_ms", "max_frame_bytes", "canonical_only", "admit"}),
    (FrameVerifier, {"skew_ms", "replay_window_ms", "max_frame_bytes", "replay"}),
    (ReplayWindow, {"max_entries", "max_entries_per_kid", "max_entries_per_share", "reserved_entries"}),
    (Receiver, {"leaving", "replay", "skew_ms"}),
    (MacKey, {"least_bytes"}),
    (hkdf_sha256, {"salt", "info"}),
    (SseDecoder, {"max_event_bytes"}),
]


def records() -> Iterator[type]:
    """Every dataclass of the protocol."""
    for found in pkgutil.iter_modules(protocol.__path__, "jitterbug.protocol."):
        module = importlib.import_module(found.name)
        for value in vars(module).values():
            if isinstance(value, type) and dataclasses.is_dataclass(value) and value.__module__ == found.name:
                yield value


@pytest.mark.parametrize("record", list(records()), ids=lambda record: record.__name__)
def test_no_member_of_a_record_can_be_set_or_added(record: type) -> None:
    """A verdict, a verified payload's frame or a key is the same when it is used as when it was judged."""
    made = object.__new__(record)
    for name in (*(field.name for field in dataclasses.fields(record)), "other"):
        with pytest.raises((dataclasses.FrozenInstanceError, TypeError)):
            setattr(made, name, None)
    assert not hasattr(made, "__dict__")


def test_the_records_are_found() -> None:
    assert {"Authentic", "Refused", "VerifyKey", "UnverifiedFrame", "EphemeralKey", "Position"} <= {
        record.__name__ for record in records()
    }


@pytest.mark.parametrize(("call", "names"), BY_NAME, ids=lambda value: getattr(value, "__name__", ""))
def test_limits_and_times_are_given_by_name_only(call: Callable[..., Any], names: set[str]) -> None:
    kinds = {name: each.kind for name, each in inspect.signature(call).parameters.items()}

    assert {name for name, kind in kinds.items() if kind is inspect.Parameter.KEYWORD_ONLY} == names
    assert inspect.Parameter.POSITIONAL_ONLY not in kinds.values()
