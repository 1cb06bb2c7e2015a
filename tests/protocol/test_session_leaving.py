"""Of a channel that was given up nothing counts until the hub has said so; and what a gap tells (PROTOCOL §4, §5)."""

from typing import Any

import pytest

from jitterbug.protocol.codes import Down, GapReason
from jitterbug.protocol.position import Position
from jitterbug.protocol.remedies import REMEDIES
from jitterbug.protocol.session import Control, Gap, Publication, Receiver
from jitterbug.protocol.verifying import StaticKeys
from tests.protocol.outside import KID, NOW_MS, SECRET
from tests.protocol.streams import Stream

AT_1 = Position("e", 1)
OF_A_SUBSCRIPTION: dict[str, dict[str, Any]] = {
    "msg": {"pos": ["e", 2], "data": 1},
    "gap": {"pos": ["e", 9], "reason": "overflow"},
    "subscribed": {"pos": ["e", 9]},
    "join": {"user": "ada"},
    "leave": {"user": "ada"},
}
"""What comes of a channel that is read."""


def opened(leaving: dict[str, int]) -> tuple[Receiver, Stream]:
    """A receiver of two channels that has seen ``hello``, and the stream it came on."""
    reader = Receiver(StaticKeys({KID: SECRET}), {"a": AT_1, "b": AT_1}, leaving=leaving)
    stream = Stream()
    reader.receive(stream.hello(), NOW_MS)
    return reader, stream


@pytest.mark.parametrize("kind", OF_A_SUBSCRIPTION)
@pytest.mark.parametrize("count", [1, 2])
def test_what_still_comes_of_a_channel_given_up_is_dropped_and_moves_nothing(kind: str, count: int) -> None:
    """However often it was given up and asked for again: so many answers are still to come."""
    reader, stream = opened({"a": count})

    assert reader.receive(stream.frame(kind, ch="a", **OF_A_SUBSCRIPTION[kind]), NOW_MS) == []
    assert reader.positions["a"] == AT_1
    assert reader.duplicates == 0


@pytest.mark.parametrize("kind", OF_A_SUBSCRIPTION)
@pytest.mark.parametrize("leaving", [{}, {"a": 0}, {"b": 1}])
def test_of_every_other_channel_all_of_it_counts(kind: str, leaving: dict[str, int]) -> None:
    """Also of one that was given up once, as soon as the last answer to that has come."""
    reader, stream = opened(leaving)
    events = reader.receive(stream.frame(kind, ch="a", **OF_A_SUBSCRIPTION[kind]), NOW_MS)

    expected = {"msg": Publication, "gap": Gap}.get(kind, Control)
    assert [type(event) for event in events] == [expected]


@pytest.mark.parametrize("kind", [kind.value for kind in Down if kind not in {*OF_A_SUBSCRIPTION, "hello"}])
def test_frames_that_are_of_no_subscription_are_handed_on(kind: str) -> None:
    """``unsubscribed`` above all, for which everything waits."""
    reader, stream = opened({"a": 1})

    assert [type(event) for event in reader.receive(stream.frame(kind, ch="a"), NOW_MS)] == [Control]


def test_a_frame_that_was_dropped_leaves_no_hole_behind() -> None:
    """Its ``seq`` counts, and the count is read anew at each frame."""
    leaving = {"a": 1}
    reader, stream = opened(leaving)
    assert reader.receive(stream.msg("a", 2), NOW_MS) == []
    leaving["a"] = 0

    assert reader.receive(stream.msg("a", 2), NOW_MS) == [
        Publication("a", "a2", Position("e", 2), recovered=False, ts=NOW_MS)
    ]


@pytest.mark.parametrize("reason", list(GapReason))
def test_a_gap_has_a_code_and_says_what_to_do(reason: GapReason) -> None:
    gap = Gap("a", AT_1, reason.value)

    assert gap.code == f"JB_GAP_{reason.name}"
    assert gap.remedy == REMEDIES[gap.code] != ""


def test_a_gap_for_a_reason_of_a_later_hub_says_nothing_to_do() -> None:
    gap = Gap("a", AT_1, "weather")

    assert (gap.code, gap.remedy) == ("JB_GAP_WEATHER", "")
