"""The table from the end of a stream to the next step, every row of it (PROTOCOL §4, §5, §7)."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jitterbug.client import refusals, resume
from jitterbug.client.resume import Step, after_bye, after_error
from jitterbug.errors import JitterbugError
from jitterbug.protocol.codes import ByeReason
from tests.strategies import json_values

STOPPING = {refusals.ForbiddenError, refusals.RevokedError}
AT_FIRST = {refusals.InvalidRequestError, refusals.UnreadableError, refusals.TooLargeError}
REFUSALS: list[type[refusals.HubError]] = sorted(refusals.HubError.__subclasses__(), key=lambda kind: kind.__name__)


@pytest.mark.parametrize("reason", list(ByeReason))
def test_every_bye_but_those_of_the_login_is_followed_by_a_resume(reason: ByeReason) -> None:
    step = after_bye({"reason": reason.value, "retry": 700}, live_ms=60_000)
    assert step.stop == (reason in {ByeReason.REVOKED, ByeReason.LIFETIME})
    assert step.another_key == (reason is ByeReason.KEY_EXPIRED)
    if reason is ByeReason.KEY_EXPIRED:
        assert step.wait == "none"
    elif not step.stop:
        assert (step.wait, step.asked_ms) == ("exact", 700)


def test_two_sides_at_odds_about_a_key_do_not_spin() -> None:
    assert after_bye({"reason": "key_expired", "retry": 0}, live_ms=resume.SPIN_MS - 1).wait == "backoff"


@given(reason=json_values, retry=json_values, live_ms=st.floats(0, 1e9))
def test_a_bye_of_any_form_is_an_end_like_another(reason: Any, retry: Any, live_ms: float) -> None:
    step = after_bye({"reason": reason, "retry": retry}, live_ms)
    assert isinstance(step, Step)
    assert 0 <= step.asked_ms <= 3_600_000


@pytest.mark.parametrize("kind", REFUSALS)
@pytest.mark.parametrize("keyless", [True, False])
@pytest.mark.parametrize("fresh_key", [True, False])
@pytest.mark.parametrize("may_pass", [True, False])
def test_a_refusal_stops_only_where_asking_again_cannot_help(
    kind: type[refusals.HubError], keyless: bool, fresh_key: bool, may_pass: bool
) -> None:
    """401: another key once. 403, 204: never again. What never worked is set up wrongly, what did fails in passing."""
    step = after_error(kind(), keyless=keyless, fresh_key=fresh_key, may_pass=may_pass)
    if kind is refusals.UnauthorizedError:
        assert step.stop == (keyless or fresh_key)
        assert step.stop or (step.another_key and step.wait == "none")
    else:
        assert step.stop == (kind in STOPPING or (kind in AT_FIRST and not may_pass))
    assert step.code == kind.code


@given(retry_after_s=st.integers(0, 999_999))
def test_a_wait_the_hub_asked_for_is_kept(retry_after_s: int) -> None:
    error = refusals.RateLimitedError(retry_after_s=retry_after_s)
    step = after_error(error, keyless=True, fresh_key=False, may_pass=False)
    assert (step.wait, step.asked_ms) == ("backoff", 1_000 * retry_after_s)


def test_a_network_that_is_away_is_tried_for_ever() -> None:
    step = after_error(refusals.NetworkError(sent=False), keyless=True, fresh_key=False, may_pass=False)
    assert (step.stop, step.wait) == (False, "backoff")


@pytest.mark.parametrize("kind", [*REFUSALS, refusals.InsecureError, refusals.NetworkError, refusals.ClosedError])
def test_every_error_has_a_code_of_its_own(kind: type[JitterbugError]) -> None:
    every: list[type[JitterbugError]] = [*REFUSALS, refusals.NetworkError, JitterbugError]
    others = {other.code for other in every if other is not kind}
    assert kind.code.startswith("JB_")
    assert kind.code not in others
