"""Sessions as the hub sees them, and those that ended before their keys did (R17, R48)."""

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from jitterbug.errors import JitterbugError
from jitterbug.hub import sessions
from jitterbug.hub.sessions import Revocations, Session

ids = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=40)


@given(session_id=ids.filter(lambda text: len(text) > 6), subject=st.none() | st.just("somebody"))
def test_r48_neither_repr_nor_hash_gives_the_id_away(session_id: str, subject: str | None) -> None:
    session = Session(session_id, subject=subject, data={"token": session_id})
    assume(session_id not in repr(Session("x", subject=subject)))  # an id that is a word of the text itself

    assert session_id not in repr(session)
    assert session_id not in session.hash
    assert len(session.hash) == 16


@given(one=ids, other=ids)
def test_the_hash_tells_sessions_apart_and_is_stable(one: str, other: str) -> None:
    assert (Session(one).hash == Session(other).hash) is (one == other)


@pytest.mark.parametrize("session_id", ["", "x" * 1_025])
def test_an_id_that_is_empty_or_endless_is_refused(session_id: str) -> None:
    with pytest.raises(JitterbugError, match="1 to 1,024"):
        Session(session_id)


def test_the_longest_id_is_taken() -> None:
    assert len(Session("x" * 1_024).id) == 1_024


@given(
    ends=st.lists(
        st.tuples(st.sampled_from(["a", "b", "c", "d"]), st.integers(min_value=0, max_value=5_000)), max_size=30
    )
)
def test_r17_a_session_stays_ended_as_long_as_a_key_of_it_could_live(ends: list[tuple[str, int]]) -> None:
    keep_ms, now_ms = 10_000, 0
    revoked = Revocations(keep_ms)
    ended_ms: dict[str, int] = {}
    for session_id, pause_ms in ends:
        now_ms += pause_ms
        revoked.add(session_id, now_ms)
        ended_ms[session_id] = now_ms

        assert all(name in revoked for name, at_ms in ended_ms.items() if now_ms - at_ms <= keep_ms)
        kept = set(revoked._until_ms)
        assert kept == {name for name, at_ms in ended_ms.items() if now_ms - at_ms <= keep_ms}, "bounded by time"


def test_ended_sessions_are_bounded_and_the_oldest_is_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    """REQUIREMENTS §2.26: a flood of logins and logouts costs no more memory than so many."""
    monkeypatch.setattr(sessions, "MAX_REVOKED", 2)
    revoked = Revocations(10_000)
    for session_id in ("a", "b", "a", "c"):
        revoked.add(session_id, 0)

    assert [session_id in revoked for session_id in "abc"] == [True, False, True]
