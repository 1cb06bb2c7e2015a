"""Replay, explored exhaustively: every order of frames and clock steps, up to a depth, on the real memory of nonces.

T3, R33, REQUIREMENTS §2.1-2.4. ``JITTERBUG_EXPLORE_DEEPER=1`` goes one action further.
"""

from collections.abc import Iterator

import pytest

from jitterbug.protocol.replay import Claim, ReplayWindow
from jitterbug.protocol.verifying import Authentic, FrameVerifier
from tests.security.exploring import DEEPER, explore
from tests.security.replay_model import KIDS, SKEW_MS, START_MS, WINDOW_MS, SignedFrame, World, frame

Action = tuple[str, int, object]
CLOCKS_MS = (
    -SKEW_MS,
    0,
    1,
    SKEW_MS,
    SKEW_MS + 1,
    2 * SKEW_MS,
    WINDOW_MS + SKEW_MS,
    WINDOW_MS + SKEW_MS + 1_000,
    40_000,
)
"""Where a clock may be set, forward and back: on each edge, beside it, and far beyond."""
ONE_KEY = [frame("key-a", letter, ts_ms) for letter in "xy" for ts_ms in (-SKEW_MS, 0, SKEW_MS)]
TWO_KEYS = [frame(kid, letter, ts_ms) for kid in KIDS for letter in "xy" for ts_ms in (0, SKEW_MS)]
FORGED = frame("key-a", "x", 0, is_forged=True)


class ForgetsByArrival(ReplayWindow):
    """A memory with a well-known fault: a frame stamped ahead outlives its entry."""

    __slots__ = ()

    def claim(self, kid: str, nonce: str, ts: int, now_ms: int, share: str | None = None) -> Claim:
        return super().claim(kid, nonce, min(ts, now_ms), now_ms)


class HasNoFloor(ReplayWindow):
    """Another one: what it forgot is new to it when the clock is set back."""

    __slots__ = ()

    def claim(self, kid: str, nonce: str, ts: int, now_ms: int, share: str | None = None) -> Claim:
        self._forget(now_ms)
        self._floor_ms = -1
        return super().claim(kid, nonce, ts, now_ms)


class ClaimsForAll(ReplayWindow):
    """And the one that lets strangers fill it: full, it makes room."""

    __slots__ = ()

    def claim(self, kid: str, nonce: str, ts: int, now_ms: int, share: str | None = None) -> Claim:
        if len(self) >= self.max_entries:
            self._forget(now_ms + self.window_ms)
        return super().claim(kid, nonce, ts, now_ms)


def search(
    frames: list[SignedFrame],
    verifiers: int,
    depth: int,
    *,
    most: int = 9,
    most_per_kid: int = 9,
    kind: type[ReplayWindow] | None = None,
) -> int:
    """Explore one world; return the number of states."""

    def actions(world: World) -> Iterator[Action]:
        for verifier in range(verifiers):
            yield from (("present", verifier, each) for each in frames)
            yield from (("set", verifier, at_ms) for at_ms in CLOCKS_MS if at_ms != world.clocks_ms[verifier])

    def act(world: World, action: Action) -> World:
        what, verifier, value = action
        if isinstance(value, SignedFrame):
            return world.present(verifier, value)
        assert what == "set"
        assert isinstance(value, int)
        return world.set_clock(verifier, value)

    window = (kind or ReplayWindow)(WINDOW_MS, max_entries=most, max_entries_per_kid=most_per_kid)
    states, done = explore(World(window, (0,) * verifiers, {}), depth + DEEPER, actions, act, World.key)
    # For the record: `pytest -s`.
    print(f"{verifiers} verifiers, {len(frames)} frames, depth {depth + DEEPER}: {states:,} states, {done:,} actions")  # noqa: T201
    return states


@pytest.mark.slow
def test_t3_r33_two_verifiers_with_one_memory_accept_no_frame_twice_however_their_clocks_are_set() -> None:
    """Each clock is set as somebody likes. A verifier may be restarted at any time: it holds nothing of its own."""
    assert search([*ONE_KEY, FORGED], 2, 4) > 8_000


@pytest.mark.slow
def test_t3_one_verifier_whose_clock_jumps_accepts_no_frame_twice_in_longer_histories() -> None:
    assert search([*ONE_KEY, FORGED], 1, 7) > 10_000


@pytest.mark.slow
@pytest.mark.parametrize(("most", "most_per_kid"), [(1, 9), (3, 9), (9, 1)])
def test_o11_a_full_memory_refuses_and_forgets_nothing_early(most: int, most_per_kid: int) -> None:
    """REQUIREMENTS §2.4: in all, and for each key."""
    assert search(TWO_KEYS, 1, 5, most=most, most_per_kid=most_per_kid) > 1_000


def test_a_memory_that_starts_empty_lets_through_once_more_what_is_still_fresh_and_nothing_else() -> None:
    """REQUIREMENTS §2.3: why nodes that outlive their memory of nonces need it outside, or keys that die with it."""
    for presented in ONE_KEY:
        for now_ms in range(-2 * SKEW_MS, 2 * SKEW_MS + 1, 500):
            verifier = FrameVerifier(KIDS, skew_ms=SKEW_MS, replay_window_ms=WINDOW_MS)
            passes = isinstance(verifier.check(presented.text, START_MS + now_ms), Authentic)
            assert passes == (abs(now_ms - presented.ts_ms) <= SKEW_MS)


@pytest.mark.parametrize("kind", [ForgetsByArrival, HasNoFloor, ClaimsForAll])
def test_the_search_sees_a_memory_with_a_fault(kind: type[ReplayWindow]) -> None:
    """It can fail."""
    with pytest.raises(AssertionError, match=r"twice|forgotten early|without a reason"):
        search([*ONE_KEY, FORGED], 1, 6, most=1 if kind is ClaimsForAll else 9, kind=kind)
