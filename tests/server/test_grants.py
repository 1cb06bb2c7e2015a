"""Patterns in tokens: ``*`` within a segment, ``**`` across, everything else as it stands (PROTOCOL §3)."""

import time
from functools import cache
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from jitterbug.hub.sessions import Session
from jitterbug.server.grants import Grants, rule

LETTERS = "ab/.-_"
channels = st.text(LETTERS, min_size=1, max_size=12)
patterns = st.text(LETTERS + "***", min_size=1, max_size=12)


def allows(pattern: str, channel: str) -> bool:
    return Grants.from_claim({"subscribe": [pattern]}).allow("subscribe", channel)


@cache
def matches(pattern: str, channel: str) -> bool:
    """The reference: says what the rule says, tries everything, takes its time."""
    if not pattern:
        return not channel
    if pattern.startswith("**"):
        rest = pattern.lstrip("*")
        return any(matches(rest, channel[taken:]) for taken in range(len(channel) + 1))
    if pattern.startswith("*"):
        runs = [taken for taken in range(len(channel) + 1) if "/" not in channel[:taken]]
        return any(matches(pattern[1:], channel[taken:]) for taken in runs)
    return channel[:1] == pattern[0] and matches(pattern[1:], channel[1:])


@given(patterns, channels)
@example("*a/**", "ba/b")
@example("**a*b", "a/ab")
@example("**a*a**b*/", "a/aa/bab/")
@example("*ab*ab", "abab")
@example("***", "a/b")
def test_matching_is_that_of_the_reference(pattern: str, channel: str) -> None:
    assert allows(pattern, channel) == matches(pattern, channel)


@given(st.data())
def test_a_pattern_made_from_a_channel_matches_it(data: st.DataObject) -> None:
    """Any part replaced by ``**``, any part without a slash by ``*``."""
    channel = data.draw(channels)
    start = data.draw(st.integers(0, len(channel)))
    end = data.draw(st.integers(start, len(channel)))
    wildcard = "**" if "/" in channel[start:end] else data.draw(st.sampled_from(["*", "**"]))

    assert allows(channel[:start] + wildcard + channel[end:], channel)


@given(channels, channels)
def test_without_a_wildcard_only_the_same_name_matches(pattern: str, channel: str) -> None:
    assert allows(pattern, channel) == (pattern == channel)


@pytest.mark.parametrize(
    ("pattern", "channel"),
    [
        ("a.c", "abc"), ("a-c", "abc"), ("[ab]", "a"), ("a?", "a"), ("a+", "aa"), ("(a|b)", "a"), ("a{1,2}", "aa"),
        ("^a$", "a"), ("\\w", "a"), ("\\*", "a"), (".*", "abc"), (".**", "abc"), ("a|**", "b"), ("(?i)a", "A"),
        ("a", "A"),
    ],
)  # fmt: skip
def test_what_means_something_to_a_regular_expression_means_nothing_here(pattern: str, channel: str) -> None:
    """Either the pattern is refused, or it matches itself only."""
    try:
        assert not allows(pattern, channel)
    except ValueError:
        assert set(pattern) & set("[]?+(){}^$\\|")


@pytest.mark.parametrize(
    "claim",
    [
        [], "**", 1, True, {"read": ["a"]}, {"subscribe": "a"}, {"subscribe": {"a": 1}}, {"subscribe": ["a"] * 101},
        {"subscribe": [1]}, {"subscribe": [None]}, {"subscribe": [""]}, {"publish": ["a b"]}, {"publish": ["a\n"]},
        {"publish": ["a" * 129]}, {"publish": ["ä"]}, {"publish": ["a\x00"]}, {"subscribe": ["a$"]},
        {"subscribe": [["a"]]},
    ],
)  # fmt: skip
def test_a_claim_of_another_form_is_refused(claim: Any) -> None:
    with pytest.raises(ValueError, match=r"pattern|claim"):
        Grants.from_claim(claim)


@pytest.mark.parametrize("claim", [None, {}, {"subscribe": []}, {"publish": []}])
def test_no_patterns_allow_nothing(claim: Any) -> None:
    """Default deny."""
    grants = Grants.from_claim(claim)
    assert not grants.allow("subscribe", "a")
    assert not grants.allow("publish", "a")


def test_reading_and_writing_are_granted_apart() -> None:
    grants = Grants.from_claim({"subscribe": ["news/*"], "publish": ["drafts/**"]})
    session = Session("an-id-of-a-session", "ada", data=grants)
    assert rule(session, "subscribe", "news/a")
    assert not rule(session, "publish", "news/a")
    assert rule(session, "publish", "drafts/a/b")
    assert not rule(session, "subscribe", "drafts/a/b")


@pytest.mark.parametrize("data", [None, {"subscribe": ["**"]}, "**", ["**"]])
def test_a_session_without_grants_may_do_nothing(data: Any) -> None:
    assert not rule(Session("an-id-of-a-session", data=data), "subscribe", "a")


@pytest.mark.parametrize("pattern", ["**", "*", "$**", "$sys/*"])
def test_the_hubs_own_channels_are_read_where_a_pattern_says_so(pattern: str) -> None:
    """``**`` is any run at all; ``*`` stops at the slash."""
    assert allows(pattern, "$sys/telemetry") == (pattern != "*")


@pytest.mark.parametrize(
    "pattern",
    ["*a" * 63 + "*b", "**a" * 42 + "b", "**a*a" * 25 + "b", "*a**a" * 25 + "b", "**" + "*a" * 0 + "a*" * 60 + "b"],
)
def test_no_pattern_takes_long(pattern: str) -> None:
    """A token with wildcards in every second place, and a channel that almost matches: CWE-1333."""
    grants = Grants.from_claim({"subscribe": [pattern[-128:]] * 10})
    started_s = time.monotonic()
    assert not grants.allow("subscribe", "a" * 128)
    assert time.monotonic() - started_s < 1
