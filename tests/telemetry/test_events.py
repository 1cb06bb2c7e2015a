"""Facts: told to every listener, whatever one of them does (R83-R87 build on this)."""

import dataclasses
import logging

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jitterbug.telemetry.events import Fact, FactCode, Facts, session_hash

facts = st.builds(Fact, code=st.sampled_from(FactCode), reason=st.none() | st.text(max_size=8))


@given(told=st.lists(facts, max_size=8), listeners=st.integers(min_value=0, max_value=4))
def test_every_listener_hears_every_fact_once_and_in_order(told: list[Fact], listeners: int) -> None:
    heard: list[list[Fact]] = [[] for _ in range(listeners)]
    hub = Facts(*(one.append for one in heard[:2]))
    for one in heard[2:]:
        hub.listen(one.append)
    for fact in told:
        hub.emit(fact)

    assert heard == [told] * listeners


@given(failing=st.lists(st.booleans(), min_size=1, max_size=5))
def test_a_listener_that_fails_stops_neither_the_others_nor_the_hub(failing: list[bool]) -> None:
    heard: list[int] = []

    def listener(number: int, fails: bool) -> None:
        if fails:
            raise RuntimeError("disk full")
        heard.append(number)

    hub = Facts(*(lambda _, n=n, fails=fails: listener(n, fails) for n, fails in enumerate(failing)))
    logging.disable(logging.CRITICAL)
    try:
        hub.emit(Fact(code=FactCode.KEY_ISSUED))
    finally:
        logging.disable(logging.NOTSET)

    assert heard == [number for number, fails in enumerate(failing) if not fails]


def test_a_listener_that_fails_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    def fails(_fact: Fact) -> None:
        raise RuntimeError("disk full")

    Facts(fails).emit(Fact(code=FactCode.KEY_ISSUED))

    assert "disk full" in caplog.text


def test_a_fact_cannot_be_changed_after_it_was_told() -> None:
    fact = Fact(code=FactCode.KEY_ISSUED)
    with pytest.raises(dataclasses.FrozenInstanceError):
        fact.count = 5  # type: ignore[misc]
    assert fact.count == 1


@given(session_id=st.text(st.characters(exclude_categories=["Cs"]), min_size=8, max_size=60))
def test_a_session_hash_is_short_stable_and_gives_nothing_away(session_id: str) -> None:
    name = session_hash(session_id)

    assert name == session_hash(session_id)
    assert len(name) == 16
    assert set(name) <= set("0123456789abcdef")
    assert session_id not in name


def test_codes_are_stable_words() -> None:
    """Dashboards and audit searches rely on them: a change here is a breaking one."""
    assert {code.value for code in FactCode} >= {
        "auth_failed", "key_issued", "key_refused", "key_confirmed", "key_expired", "frame_verified", "frame_refused",
        "rate_limited", "connection_opened", "connection_closed", "connection_refused", "publish_refused",
        "subscribe_refused", "session_opened", "session_ended", "client_report", "emitter_failed", "internal_error",
    }  # fmt: skip
    assert all(code.value == code.value.lower() == code.name.lower() for code in FactCode)
