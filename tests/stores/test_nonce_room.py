"""How much room for nonces a login has: all it needs within its limits, and never everybody's (REQUIREMENTS §2.3)."""

import pytest

from jitterbug.config import Config
from jitterbug.protocol.replay import Claim
from jitterbug.stores.nonce_room import MAX_NONCES, RESERVED_NONCES, nonce_window, nonces_per_session


@pytest.mark.parametrize("profile", ["strict", "realtime"])
def test_ten_logins_at_least_share_what_there_is_for_logins(profile: str) -> None:
    most = nonces_per_session(Config.profile(profile))
    assert 10 * most <= MAX_NONCES - RESERVED_NONCES


def test_a_login_that_keeps_to_its_limits_is_never_refused() -> None:
    """Every connection with a full bucket, and its refill for as long as a nonce is held: skew, window and a second."""
    config = Config(rate_capacity=7, rate_refill_per_s=2.5, max_connections_per_session=3)
    assert nonces_per_session(config) == 2 * (3 + 1) * (7 + 40)


def test_a_window_of_that_room_refuses_one_login_and_keeps_room_for_back_ends() -> None:
    window = nonce_window(10_000, 2)
    claims = [window.claim("kid", str(serial), 0, 0, "login") for serial in range(3)]

    assert claims == [Claim.NEW, Claim.NEW, Claim.FULL]
    assert window.reserved_entries == RESERVED_NONCES
    assert window.window_ms == 10_000
