"""Keys as the client holds them (R2, R38, R44-R46, O14, O19-O21)."""

import json
import os
import pickle
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jitterbug.client import UnreadableError
from jitterbug.client.keyring import MAX_KEYS, HeldKey, KeyRing, read_answer, renew_after_ms
from jitterbug.protocol.keys import RootKey, RootKeys
from jitterbug.testing.manual_clock import START_MS
from tests.client.scripted_hub import key_answer

ROOTS = RootKeys(RootKey("root_test", os.urandom(32)))
LIFE_MS = 600_000


def answer(**changes: Any) -> bytes:
    return json.dumps({**key_answer(ROOTS.issue("session", START_MS, LIFE_MS), START_MS), **changes}).encode()


def held(now_ms: int = START_MS, life_ms: int = LIFE_MS) -> HeldKey:
    key, _ = read_answer(json.dumps(key_answer(ROOTS.issue("s", now_ms, life_ms), now_ms)).encode(), lambda: 0.5)
    return key


@given(life_ms=st.integers(1, 86_400_000), random=st.floats(0, 1, exclude_max=True))
def test_the_next_key_is_due_at_four_fifths_of_a_life_give_or_take_a_twentieth(life_ms: int, random: float) -> None:
    """R2, R50: 75 % to 85 %, spread evenly, so that clients do not ask together."""
    assert 0.75 * life_ms - 1e-6 <= renew_after_ms(life_ms, random) <= 0.85 * life_ms + 1e-6


def test_a_good_answer_makes_a_key_that_ends_when_the_hub_says() -> None:
    """R42-R45."""
    key, server_time_ms = read_answer(answer(), lambda: 0.5)
    assert server_time_ms == START_MS
    assert key.expires_at_ms == key.verify.expires_at_ms == START_MS + LIFE_MS
    assert key.renew_at_ms == START_MS + 0.8 * LIFE_MS


@pytest.mark.parametrize(
    "changes",
    [
        {"algorithm": "sha1"}, {"algorithm": "none"}, {"algorithm": "SHA256"}, {"algorithm": None},
        {"kid": "a:b"}, {"kid": 7}, {"kid": ""},
        {"secret": "AAAA"}, {"secret": "A" * 44}, {"secret": None}, {"secret": "!" * 44},
        {"expiresAt": str(START_MS)}, {"expiresAt": START_MS}, {"expiresAt": START_MS - 1}, {"expiresAt": None},
        {"expiresAt": START_MS // 1_000 + 600}, {"expiresAt": START_MS + 86_400_001}, {"expiresAt": 1.5},
        {"serverTime": True}, {"serverTime": -1}, {"serverTime": START_MS // 1_000},
    ],
)  # fmt: skip
def test_an_answer_of_any_other_form_makes_no_key(changes: dict[str, Any]) -> None:
    """R20, R44, O14, O21: no other algorithm, no seconds for milliseconds, no end in the past."""
    with pytest.raises(UnreadableError):
        read_answer(answer(**changes), lambda: 0.5)


@given(st.binary(max_size=200))
def test_no_text_makes_anything_but_a_key_or_one_error(body: bytes) -> None:
    with pytest.raises(UnreadableError):
        read_answer(body, lambda: 0.5)


@given(ages=st.lists(st.integers(0, 2 * LIFE_MS), min_size=1, max_size=20))
def test_a_key_is_kept_exactly_until_nothing_it_signed_could_be_accepted(ages: list[int]) -> None:
    """R50, O20, PROTOCOL §2: kept until its end plus the skew, whatever else is added."""
    ring = KeyRing(skew_ms=5_000)
    now_ms = START_MS + 2 * LIFE_MS
    keys = [held(now_ms - age) for age in sorted(ages, reverse=True)]
    for key in keys:
        ring.add(key, now_ms)
    ring.add(last := held(now_ms), now_ms)
    for key in keys:
        assert (ring.find(key.kid) is not None) == (now_ms <= key.expires_at_ms + 5_000)
    assert ring.newest(now_ms) is last


def test_an_ended_key_signs_nothing_more() -> None:
    """R38: at its very end it is used no more, though it still verifies what came before."""
    ring = KeyRing(skew_ms=5_000)
    ring.add(key := held(), START_MS)
    assert ring.newest(key.expires_at_ms - 1) is key
    assert ring.newest(key.expires_at_ms) is None
    assert ring.find(key.kid) is key.verify


def test_the_ring_is_bounded_and_gives_up_its_oldest() -> None:
    ring = KeyRing(skew_ms=5_000)
    keys = [held() for _ in range(MAX_KEYS + 5)]
    for key in keys:
        ring.add(key, START_MS)
    assert len(ring) == MAX_KEYS
    assert ring.find(keys[0].kid) is None
    assert ring.find(keys[-1].kid) is not None


def test_no_repr_and_no_pickle_shows_a_key() -> None:
    """R48."""
    secret = json.loads(body := answer())["secret"]
    key, _ = read_answer(body, lambda: 0.5)
    assert secret not in repr(key)
    with pytest.raises(TypeError):
        pickle.dumps(key)
