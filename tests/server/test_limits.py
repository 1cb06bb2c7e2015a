"""Caps per address, which do not apply to this machine in development and so are looked at without a wire."""

import asyncio
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jitterbug import Config, Session
from jitterbug.server.limits import KEYS_PER_ADDRESS_FACTOR, EndpointLimits
from jitterbug.stores.memory import MemoryStore
from jitterbug.testing import ManualClock

ADDRESS = "192.0.2.7"


def limits(clock: ManualClock, **changes: object) -> EndpointLimits:
    return EndpointLimits(Config(**changes), MemoryStore(clock))  # type: ignore[arg-type]


def test_many_logins_from_one_address_share_a_limit(clock: ManualClock) -> None:
    """R41, REQUIREMENTS §2.27: per-session limits fall to many sessions; the address has one besides."""
    endpoint = limits(clock, keys_per_minute=1)

    async def ask(address: str) -> list[int | None]:
        logins = [Session(f"{address} {number}") for number in range(KEYS_PER_ADDRESS_FACTOR + 1)]
        return [await endpoint.admit_key(login, address) for login in logins]

    assert KEYS_PER_ADDRESS_FACTOR == 60
    assert asyncio.run(ask(ADDRESS)) == [None] * KEYS_PER_ADDRESS_FACTOR + [60]
    assert asyncio.run(ask("192.0.2.8"))[:-1] == [None] * KEYS_PER_ADDRESS_FACTOR
    clock.advance(s=60)
    assert asyncio.run(ask(ADDRESS))[0] is None


def test_logins_from_one_address_are_limited_before_their_tokens_are_looked_at(clock: ManualClock) -> None:
    """REQUIREMENTS §2.27: a login and a logout cost the hub more than they cost whoever repeats them."""
    endpoint = limits(clock, max_sessions_per_address=3)

    async def ask() -> list[int | None]:
        return [await endpoint.admit_login(address) for address in [ADDRESS] * 4 + ["192.0.2.8", None]]

    assert asyncio.run(ask()) == [None, None, None, 60, None, None]


def test_logins_of_one_subject_are_limited_wherever_they_come_from(clock: ManualClock) -> None:
    """REQUIREMENTS §2.27."""
    endpoint = limits(clock, max_sessions_per_address=8)

    async def ask() -> list[int | None]:
        waits = [await endpoint.admit_subject("user-7") for _ in range(3)]
        return [*waits[-2:], await endpoint.admit_subject("user-8")]

    assert asyncio.run(ask()) == [None, 60, None]


def test_what_one_login_asks_for_in_vain_costs_its_neighbours_nothing(clock: ManualClock) -> None:
    """R41: 700 requests of one session behind an address leave the others there their keys."""
    endpoint = limits(clock)
    greedy = Session("greedy")

    async def ask() -> tuple[int, int | None]:
        got = [await endpoint.admit_key(greedy, ADDRESS) for _ in range(700)]
        return got.count(None), await endpoint.admit_key(Session("neighbour"), ADDRESS)

    assert asyncio.run(ask()) == (10, None)


def test_streams_are_capped_in_all_and_for_each_session(clock: ManualClock) -> None:
    """REQUIREMENTS §2.26: and counted out again."""
    endpoint = limits(clock, max_connections=3, max_connections_per_session=2)
    one, other = Session("one"), Session("other")

    for _ in range(2):
        assert endpoint.admit_connection(one, ADDRESS)
        endpoint.connection_opened(one.id, ADDRESS)
    assert not endpoint.admit_connection(one, ADDRESS)
    assert endpoint.admit_connection(other, ADDRESS)
    endpoint.connection_opened(other.id, ADDRESS)
    assert not endpoint.admit_connection(other, ADDRESS), "three in all"
    endpoint.connection_closed(one.id, ADDRESS)
    assert endpoint.admit_connection(other, ADDRESS)
    assert endpoint.admit_connection(one, ADDRESS)


def test_streams_from_one_address_are_capped_and_counted_out_again(clock: ManualClock) -> None:
    """REQUIREMENTS §2.26."""
    endpoint = limits(clock, max_connections_per_address=2)
    session = Session("any")

    for _ in range(2):
        assert endpoint.admit_connection(session, ADDRESS)
        endpoint.connection_opened(session.id, ADDRESS)
    assert not endpoint.admit_connection(session, ADDRESS)
    assert endpoint.admit_connection(session, "192.0.2.8")
    endpoint.connection_closed(session.id, ADDRESS)
    assert endpoint.admit_connection(session, ADDRESS)


def test_whoever_has_a_block_of_ipv6_has_what_an_address_may_have(clock: ManualClock) -> None:
    """REQUIREMENTS §2.26-2.27: 2^64 addresses cost nothing, and caps on each would hold nobody back."""
    endpoint = limits(clock, max_connections_per_address=2, max_sessions_per_address=2)
    for number in range(2):
        endpoint.connection_opened(f"session-{number}", f"2001:db8:0:7:{number:x}::1")

    async def log_in(address: str) -> int | None:
        return await endpoint.admit_login(address)

    assert not endpoint.admit_connection(Session("another"), "2001:db8:0:7:ffff::9")
    assert endpoint.admit_connection(Session("another"), "2001:db8:0:8::1")
    assert [asyncio.run(log_in(f"2001:db8:0:7::{number}")) for number in range(3)] == [None, None, 60]
    assert asyncio.run(log_in("2001:db8:0:8::1")) is None
    endpoint.connection_closed("session-0", "2001:db8:0:7:0::1")
    assert endpoint.admit_connection(Session("another"), "2001:db8:0:7:ffff::9")


def test_this_machine_is_not_capped_in_development_and_is_otherwise(clock: ManualClock) -> None:
    """PROTOCOL §9."""
    assert limits(clock, development=True).capped("127.0.0.1") is None
    assert limits(clock, development=True).capped("::1") is None
    assert limits(clock, development=True).capped(ADDRESS) == ADDRESS
    assert limits(clock).capped("127.0.0.1") == "127.0.0.1"
    assert limits(clock).capped(None) is None


@pytest.mark.parametrize(("sessions", "logins"), [(256, 64), (8, 2), (7, 1), (1, 1)])
def test_a_subject_has_a_quarter_of_an_address_and_at_least_one_login(
    clock: ManualClock, sessions: int, logins: int
) -> None:
    """REQUIREMENTS §2.27."""
    endpoint = limits(clock, max_sessions_per_address=sessions)

    async def ask() -> list[int | None]:
        return [await endpoint.admit_subject("user-7") for _ in range(logins + 1)]

    assert asyncio.run(ask()) == [None] * logins + [60]


PLACES = st.tuples(st.sampled_from(["one", "two"]), st.sampled_from([ADDRESS, "192.0.2.8", None]))


@given(places=st.lists(PLACES, max_size=12), closed=st.lists(st.integers(0, 11), max_size=12))
def test_wires_are_counted_exactly_in_all_by_session_and_by_address(
    places: list[tuple[str, str | None]], closed: list[int]
) -> None:
    """REQUIREMENTS §2.26: also beyond a cap, where several were let by before the first of them was counted."""
    endpoint = limits(ManualClock(), max_connections=5, max_connections_per_session=3, max_connections_per_address=2)
    sessions = {name: Session(name) for name in ("one", "two")}
    steps = [(True, place) for place in places]
    steps += [(False, places[at]) for at in dict.fromkeys(closed) if at < len(places)]
    open_now: Counter[tuple[str, str | None]] = Counter()
    for opened, (name, address) in steps:
        if opened:
            endpoint.connection_opened(sessions[name].id, address)
        else:
            endpoint.connection_closed(sessions[name].id, address)
        open_now[name, address] += 1 if opened else -1
        for asked, session in sessions.items():
            for place in (ADDRESS, "192.0.2.8", "192.0.2.9", None):
                here = sum(count for (_, at), count in open_now.items() if at == place)
                mine = sum(count for (owner, _), count in open_now.items() if owner == asked)
                fits = open_now.total() < 5 and mine < 3 and (place is None or here < 2)
                assert endpoint.admit_connection(session, place) is fits


def test_nothing_is_kept_of_a_wire_that_is_closed() -> None:
    endpoint = limits(ManualClock())
    for _ in range(3):
        endpoint.connection_opened("one", ADDRESS)
    for _ in range(3):
        endpoint.connection_closed("one", ADDRESS)

    assert (endpoint._wires, endpoint._by_session, endpoint._by_address) == (0, {}, {})


@pytest.mark.parametrize("cap", ["max_connections", "max_connections_per_session", "max_connections_per_address"])
@pytest.mark.parametrize("most", [1, 300])
def test_a_cap_of_any_size_is_exact(cap: str, most: int) -> None:
    session, others = Session("any"), {"max_connections_per_session": 1_000, "max_connections_per_address": 1_000}
    endpoint = limits(ManualClock(), **{**others, cap: most})
    admitted = 0
    while endpoint.admit_connection(session, ADDRESS):
        endpoint.connection_opened(session.id, ADDRESS)
        admitted += 1

    assert admitted == most
