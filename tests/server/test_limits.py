"""Caps per address, which do not apply to this machine in development and so are looked at without a wire."""

import asyncio

from jitterbug import Config, Session
from jitterbug.hub.hub import Hub
from jitterbug.hub.policy import deny_all
from jitterbug.server.app import root_keys
from jitterbug.server.limits import KEYS_PER_ADDRESS_FACTOR, EndpointLimits
from jitterbug.stores.memory import MemoryStore
from jitterbug.testing import ManualClock

ADDRESS = "192.0.2.7"


def limits(clock: ManualClock, **changes: object) -> tuple[EndpointLimits, Hub]:
    config = Config(**changes)  # type: ignore[arg-type]
    store = MemoryStore(clock)
    return EndpointLimits(config, store), Hub(config, clock=clock, store=store, roots=root_keys(config), rule=deny_all)


def test_many_logins_from_one_address_share_a_limit(clock: ManualClock) -> None:
    """R41, REQUIREMENTS §2.27: per-session limits fall to many sessions; the address has one besides."""
    endpoint, _ = limits(clock, keys_per_minute=1)

    async def ask(address: str) -> list[int | None]:
        logins = [Session(f"{address} {number}") for number in range(KEYS_PER_ADDRESS_FACTOR + 1)]
        return [await endpoint.admit_key(login, address) for login in logins]

    assert asyncio.run(ask(ADDRESS)) == [None] * KEYS_PER_ADDRESS_FACTOR + [60]
    assert asyncio.run(ask("192.0.2.8"))[:-1] == [None] * KEYS_PER_ADDRESS_FACTOR
    clock.advance(s=60)
    assert asyncio.run(ask(ADDRESS))[0] is None


def test_streams_from_one_address_are_capped_and_counted_out_again(clock: ManualClock) -> None:
    """REQUIREMENTS §2.26."""
    endpoint, hub = limits(clock, max_connections_per_address=2)
    session = Session("any")

    for _ in range(2):
        assert endpoint.admit_connection(hub, session, ADDRESS)
        endpoint.connection_opened(ADDRESS)
    assert not endpoint.admit_connection(hub, session, ADDRESS)
    assert endpoint.admit_connection(hub, session, "192.0.2.8")
    endpoint.connection_closed(ADDRESS)
    assert endpoint.admit_connection(hub, session, ADDRESS)


def test_this_machine_is_not_capped_in_development_and_is_otherwise(clock: ManualClock) -> None:
    """PROTOCOL §9."""
    assert limits(clock, development=True)[0].capped("127.0.0.1") is None
    assert limits(clock, development=True)[0].capped("::1") is None
    assert limits(clock, development=True)[0].capped(ADDRESS) == ADDRESS
    assert limits(clock)[0].capped("127.0.0.1") == "127.0.0.1"
    assert limits(clock)[0].capped(None) is None
