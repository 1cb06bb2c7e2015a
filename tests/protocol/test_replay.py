"""The memory of nonces: nothing twice, nothing forgotten early, nothing unbounded (R33, R67, REQUIREMENTS §2.1-2.4)."""

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, rule

from jitterbug.protocol.codes import Refusal
from jitterbug.protocol.replay import Claim, ReplayWindow
from jitterbug.testing import ManualClock

SKEW_MS, WINDOW_MS = 5_000, 10_000
GRAIN_MS = 1_000
"""How much later than promised an entry may be forgotten."""
MOST, MOST_PER_KID = 12, 5
KIDS = ["kid-one", "kid-two", "kid-three"]
Frame = tuple[str, str, int]


class Replays(RuleBasedStateMachine):
    """Honest and repeated frames under a clock that is set forward and back, against a model that forgets nothing."""

    frames: Bundle[Frame] = Bundle("frames")

    def __init__(self) -> None:
        super().__init__()
        self.clock = ManualClock()
        self.window = ReplayWindow(WINDOW_MS, max_entries=MOST, max_entries_per_kid=MOST_PER_KID)
        self.serial = 0
        self.accepted: dict[Frame, int] = {}
        """Every frame ever accepted, with the time up to which it must be remembered."""
        self.latest_claim_ms: dict[Frame, int] = {}
        """The latest time at which anything was claimed after it: only a claim makes the window forget."""

    @rule(target=frames, kid=st.sampled_from(KIDS), off_ms=st.integers(min_value=-SKEW_MS, max_value=SKEW_MS))
    def sign(self, kid: str, off_ms: int) -> Frame:
        """A signer whose clock is off by no more than the skew; its nonce belongs to its one time."""
        self.serial += 1
        return kid, f"nonce-{self.serial}", self.clock.now_ms() + off_ms

    @rule(ms=st.integers(min_value=0, max_value=2 * WINDOW_MS))
    def time_passes(self, ms: int) -> None:
        self.clock.advance(ms=ms)

    @rule(ms=st.integers(min_value=-3 * WINDOW_MS, max_value=3 * WINDOW_MS))
    def clock_is_set(self, ms: int) -> None:
        self.clock.step_wall(ms)

    @rule(frame=frames)
    def receive(self, frame: Frame) -> None:
        now_ms = self.clock.now_ms()
        if abs(now_ms - frame[2]) > SKEW_MS:
            return  # stale: refused before the window is asked
        for known in self.accepted:
            self.latest_claim_ms[known] = max(self.latest_claim_ms[known], now_ms)
        result = self.window.claim(*frame, now_ms)

        assert not (result and frame in self.accepted), "accepted twice"
        assert result or frame in self.accepted or self.may_refuse(frame), "an honest frame was refused"
        if result:
            self.accepted[frame] = max(frame[2], now_ms) + WINDOW_MS
            self.latest_claim_ms[frame] = now_ms

    def kept(self, *, late_ms: int = 0) -> list[Frame]:
        """Frames that must still be held, or with ``late_ms`` those that may be."""
        return [frame for frame, end in self.accepted.items() if self.latest_claim_ms[frame] <= end + late_ms]

    def may_refuse(self, frame: Frame) -> bool:
        """Reasons there are: full, full for this kid, or not newer than something forgotten."""
        held = self.kept(late_ms=GRAIN_MS)
        forgotten = self.accepted.keys() - set(self.kept())
        return (
            len(held) >= MOST
            or sum(kid == frame[0] for kid, _, _ in held) >= MOST_PER_KID
            or any(frame[2] <= ts for _, _, ts in forgotten)
        )

    @invariant()
    def it_holds_what_it_must_and_no_more_than_it_may(self) -> None:
        assert len(self.kept()) <= len(self.window) <= min(MOST, len(self.kept(late_ms=GRAIN_MS)))
        for kid in KIDS:
            assert self.window._by_share.get(kid, 0) <= MOST_PER_KID
        assert sum(self.window._by_share.values()) == len(self.window)
        assert sum(map(len, self.window._slots.values())) == len(self.window)


TestReplays = Replays.TestCase


@given(st.lists(st.tuples(st.sampled_from(KIDS), st.integers(min_value=0, max_value=5)), max_size=40))
def test_within_its_window_each_pair_of_kid_and_nonce_is_claimed_once(claims: list[tuple[str, int]]) -> None:
    window = ReplayWindow(WINDOW_MS)
    results = [window.claim(kid, str(nonce), 0, 0) for kid, nonce in claims]

    assert results == [Claim.REPLAY if claim in claims[:at] else Claim.NEW for at, claim in enumerate(claims)]
    assert len(window) == len(set(claims))


@pytest.mark.parametrize("off_ms", [-SKEW_MS, 0, SKEW_MS])
def test_a_nonce_is_remembered_as_long_as_its_frame_is_fresh_o10(off_ms: int) -> None:
    """REQUIREMENTS §2.2: a frame stamped ahead stays fresh for longer, and is remembered for longer."""
    window = ReplayWindow(WINDOW_MS)
    start = 1_000_000
    ts = start + off_ms
    assert window.claim("kid", "nonce", ts, start)

    for now_ms in range(start, ts + SKEW_MS + 1, 250):
        assert not window.claim("kid", "nonce", ts, now_ms)


@pytest.mark.parametrize("off_ms", [-SKEW_MS, 0, SKEW_MS])
def test_an_entry_is_held_for_the_window_from_its_time_or_its_arrival_whichever_is_later(off_ms: int) -> None:
    window, start = ReplayWindow(WINDOW_MS), 1_000_000
    end = max(start, start + off_ms) + WINDOW_MS
    assert window.claim("kid", "first", start + off_ms, start)

    assert window.claim("kid", "second", end, end)
    assert len(window) == 2
    assert window.claim("kid", "third", end + GRAIN_MS, end + GRAIN_MS)
    assert len(window) == 2


def test_what_was_added_while_the_clock_stood_back_is_forgotten_when_it_is_set_right() -> None:
    window = ReplayWindow(WINDOW_MS)
    for nonce, now_ms in (("ahead", 60_000), ("back", 20_000), ("right", 60_001)):
        assert window.claim("kid", nonce, now_ms, now_ms)

    assert len(window) == 2


@pytest.mark.parametrize("step_ms", [1, 999, 1_000, 5_000, 9_999, 10_000, 30_000, 86_400_000])
def test_a_clock_stepped_back_revives_nothing(step_ms: int) -> None:
    window = ReplayWindow(WINDOW_MS)
    start = 100_000_000
    assert window.claim("kid", "nonce", start, start)
    assert window.claim("kid", "later", start + step_ms, start + step_ms)

    assert not window.claim("kid", "nonce", start, start)


@pytest.mark.parametrize("times_ms", [(900, 100), (100, 900), (900, 100, 500)])
def test_of_all_that_was_forgotten_nothing_is_revived_in_whatever_order_it_came(times_ms: tuple[int, ...]) -> None:
    window, start = ReplayWindow(WINDOW_MS), 100_000_000
    for ts in times_ms:
        assert window.claim("kid", str(ts), start + ts, start)
    assert window.claim("kid", "later", start + 2 * WINDOW_MS, start + 2 * WINDOW_MS)

    assert len(window) == 1
    assert not any(window.claim("kid", str(ts), start + ts, start) for ts in times_ms)


def test_forgetting_older_frames_later_lifts_no_earlier_refusal() -> None:
    window, start = ReplayWindow(WINDOW_MS), 100_000_000
    assert window.claim("kid", "newer", start + 900, start)
    assert window.claim("kid", "older", start - 4_000, start + 1_000)
    for now_ms, held in ((start + 11_000, 2), (start + 12_000, 2)):
        assert window.claim("kid", f"at {now_ms}", now_ms, now_ms)
        assert len(window) == held

    assert not window.claim("kid", "newer", start + 900, start)


def test_forgetting_makes_room_and_refuses_no_fresh_frame() -> None:
    window = ReplayWindow(WINDOW_MS, max_entries=3)
    for serial in range(3):
        assert window.claim("kid", str(serial), 0, 0)
    assert not window.claim("kid", "full", 0, 0)
    later = WINDOW_MS + GRAIN_MS

    # The frame may be as old as the skew allows: still newer than all that was forgotten.
    assert window.claim("kid", "next", later - SKEW_MS, later)
    assert len(window) == 1


def test_a_full_window_refuses_and_evicts_nothing_o11() -> None:
    """REQUIREMENTS §2.4."""
    window = ReplayWindow(WINDOW_MS, max_entries=100)
    results = [window.claim(f"kid-{serial % 7}", str(serial), 0, 0) for serial in range(150)]

    assert results == [Claim.NEW] * 100 + [Claim.FULL] * 50
    assert not any(window.claim(f"kid-{serial % 7}", str(serial), 0, WINDOW_MS) for serial in range(150))
    assert len(window) == 100


def test_a_kid_at_its_bound_crowds_out_no_other_kid() -> None:
    window = ReplayWindow(WINDOW_MS, max_entries=10, max_entries_per_kid=4)
    results = [window.claim("loud", str(serial), 0, 0) for serial in range(20)]

    assert results == [Claim.NEW] * 4 + [Claim.FULL] * 16
    assert [window.claim("quiet", str(serial), 0, 0) for serial in range(5)] == [Claim.NEW] * 4 + [Claim.FULL]
    assert "loud" in window._by_share
    assert window.claim("third", "after", 11_000, 11_000)
    assert window._by_share == {"third": 1}


def test_the_default_bounds_are_finite() -> None:
    window = ReplayWindow(WINDOW_MS)

    assert (window.max_entries, window.max_entries_per_kid, window.window_ms) == (100_000, 10_000, WINDOW_MS)
    assert (window.max_entries_per_share, window.reserved_entries) == (10_000, 0)


def test_a_steady_flow_needs_a_bounded_number_of_slots() -> None:
    window, most = ReplayWindow(WINDOW_MS), 0
    for serial in range(20_000):
        now_ms = serial * 10
        assert window.claim("kid", str(serial), now_ms + serial % 5_000, now_ms)
        most = max(most, len(window._slots))

    assert most <= (WINDOW_MS + SKEW_MS) // GRAIN_MS + 2
    assert len(window) <= (WINDOW_MS + SKEW_MS + GRAIN_MS) // 10 + 1


class Counted(dict[int, Any]):
    """Slots that count how often somebody walks over all of them."""

    walks = 0

    def __iter__(self) -> Iterator[int]:
        self.walks += 1
        return super().__iter__()


def test_a_claim_does_not_walk_over_all_slots_of_a_long_window() -> None:
    """An hour's window has 3,600 of them: one walk a second is enough."""
    window = ReplayWindow(3_600_000)
    window._slots = slots = Counted()
    for second in range(3_600):
        assert window.claim("kid", f"early {second}", second * 1_000, second * 1_000)
    slots.walks = 0
    for serial in range(5_000):
        now_ms = 3_600_000 + serial
        assert window.claim("kid", f"late {serial}", now_ms, now_ms)

    assert len(slots) >= 3_600
    assert slots.walks <= 6


@pytest.mark.parametrize("most", [300, 0])
@pytest.mark.parametrize("bound", ["max_entries", "max_entries_per_kid"])
def test_a_bound_that_is_lowered_below_what_is_held_refuses_as_well(bound: str, most: int) -> None:
    window = ReplayWindow(WINDOW_MS, **{bound: 400})
    assert all(window.claim("kid", str(serial), 0, 0) for serial in range(400))
    setattr(window, bound, most)

    assert not window.claim("kid", "next", 0, 0)
    assert len(window) == 400


@pytest.mark.parametrize("bound", ["max_entries", "max_entries_per_kid"])
def test_a_bound_of_any_size_is_exact(bound: str) -> None:
    window = ReplayWindow(WINDOW_MS, **{bound: 1_234})

    assert [window.claim("kid", str(serial), 0, 0) for serial in range(1_300)].count(Claim.NEW) == 1_234


def test_each_refusal_says_what_it_was() -> None:
    """R81: a replay alert must mean a replay, not a full memory and not a clock that stepped back."""
    window = ReplayWindow(WINDOW_MS, max_entries=2)
    assert [window.claim("kid", nonce, 0, 0) for nonce in "aab"] == [Claim.NEW, Claim.REPLAY, Claim.NEW]
    assert window.claim("kid", "c", 0, 0) is Claim.FULL
    assert window.claim("kid", "a", 0, 0) is Claim.REPLAY, "also where it is full"
    later = WINDOW_MS + GRAIN_MS
    assert window.claim("kid", "d", later, later) is Claim.NEW
    assert window.claim("kid", "a", 0, 0) is Claim.CLOCK, "forgotten: it may be a replay, and nobody can tell"
    assert window.claim("kid", "never seen", 0, 0) is Claim.CLOCK
    assert window.claim("kid", "d", later, 0) is Claim.REPLAY


def test_only_a_new_claim_is_true_and_only_refusals_have_a_reason() -> None:
    assert [bool(claim) for claim in Claim] == [claim is Claim.NEW for claim in Claim]
    assert [claim.refusal for claim in Claim if not claim] == [Refusal.REPLAY, Refusal.CLOCK, Refusal.FULL]
    with pytest.raises(ValueError, match="None"):
        _ = Claim.NEW.refusal


def test_keys_of_one_share_have_one_bound_together() -> None:
    """REQUIREMENTS §2.3: a login may have a hundred keys; it does not get a hundred times the room."""
    window = ReplayWindow(WINDOW_MS, max_entries=10, max_entries_per_kid=4, max_entries_per_share=3)
    claims = [window.claim(f"kid-{serial}", str(serial), 0, 0, "login one") for serial in range(5)]

    assert claims == [Claim.NEW] * 3 + [Claim.FULL] * 2
    assert [window.claim("kid-0", nonce, 0, 0, "login two") for nonce in "abcd"] == [Claim.NEW] * 3 + [Claim.FULL]
    assert [window.claim("kid-0", nonce, 0, 0) for nonce in "efghi"] == [Claim.NEW] * 4 + [Claim.FULL]
    assert window.claim("kid-9", "later", 11_000, 11_000, "login one") is Claim.NEW
    assert window._by_share == {"login one": 1}


def test_named_shares_leave_the_reserved_part_free() -> None:
    """REQUIREMENTS §2.3: no crowd of logins keeps a back end's frames out; together they keep to the whole."""
    window = ReplayWindow(WINDOW_MS, max_entries=10, reserved_entries=4)
    crowd = [window.claim("kid", str(serial), 0, 0, f"login {serial}") for serial in range(8)]

    assert crowd == [Claim.NEW] * 6 + [Claim.FULL] * 2
    assert [window.claim("back-end", nonce, 0, 0) for nonce in "abcde"] == [Claim.NEW] * 4 + [Claim.FULL]
    assert len(window) == 10


def test_what_was_forgotten_elsewhere_is_distrusted() -> None:
    window = ReplayWindow(WINDOW_MS)
    window.distrust(1_000)
    window.distrust(10)

    assert window.claim("kid", "old", 1_000, 1_000) is Claim.CLOCK
    assert window.claim("kid", "newer", 1_001, 1_001) is Claim.NEW


def test_nothing_is_reserved_unless_it_is_asked_for() -> None:
    window = ReplayWindow(WINDOW_MS, max_entries=3)

    assert [window.claim("kid", str(serial), 0, 0, "login") for serial in range(4)] == [Claim.NEW] * 3 + [Claim.FULL]
