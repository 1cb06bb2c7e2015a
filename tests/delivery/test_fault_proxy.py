"""The bad network does what it says: otherwise the tests that pass through it would say nothing."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from tests.delivery.fault_proxy import CALM, FaultProxy, Rates
from tests.looped import in_loop

EVENTS = [b"data: %d\n\n" % number for number in range(100)]


@asynccontextmanager
async def through(
    seed: int, rates: Rates, *, blocked: bool = False
) -> AsyncIterator[tuple[FaultProxy, asyncio.StreamReader]]:
    """A client of a server that sends all events, ten in a write, and closes."""

    async def serve(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for start in range(0, len(EVENTS), 10):
            writer.write(b"".join(EVENTS[start : start + 10]))
            await writer.drain()
        writer.close()
        await writer.wait_closed()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        async with FaultProxy(port, seed, down=rates) as proxy:
            if blocked:
                proxy.block()
            reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
            yield proxy, reader
            writer.close()
            await asyncio.wait({asyncio.ensure_future(writer.wait_closed())})


async def received(seed: int, rates: Rates) -> tuple[bytes, bool, int]:
    """What comes, whether it ended with RST, and the faults injected."""
    async with through(seed, rates) as (proxy, reader):
        found = b""
        try:
            while data := await reader.read(1_000):
                found += data
        except ConnectionResetError:
            return found, True, proxy.injected.total()
        return found, False, proxy.injected.total()


@pytest.mark.parametrize(
    "rates", [CALM, Rates(split=1), Rates(delay=0.3, delay_s=0.01)], ids=["calm", "split", "delay"]
)
@in_loop
async def test_what_is_only_slow_or_split_arrives_as_it_was(seed: int, rates: Rates) -> None:
    found, reset, faults = await received(seed, rates)

    assert (found, reset) == (b"".join(EVENTS), False)
    assert bool(faults) == (rates is not CALM)


@pytest.mark.parametrize("kind", ["cut", "reset"])
@in_loop
async def test_a_cut_leaves_a_part_of_an_event(seed: int, kind: str) -> None:
    """FIN after a true beginning; RST, which may throw away what is still under way."""
    found, reset, faults = await received(seed, Rates(**{kind: 0.1}))

    assert faults == 1
    assert len(found) < len(b"".join(EVENTS))
    assert b"".join(EVENTS).startswith(found)
    assert reset == (kind == "reset") or not found


@in_loop
async def test_runs_are_swallowed_repeated_and_swapped(seed: int) -> None:
    whole = b"".join(EVENTS)
    less, _, _ = await received(seed, Rates(swallow=0.2))
    more, _, _ = await received(seed, Rates(repeat=0.2))
    other, _, _ = await received(seed, Rates(swap=0.2))

    assert len(less) < len(whole) < len(more)
    assert sorted(other) == sorted(whole)
    assert other != whole
    assert any(event not in less for event in EVENTS)
    assert any(more.count(event) > 1 for event in EVENTS)


@in_loop
async def test_a_blocked_network_keeps_what_comes(seed: int) -> None:
    async with through(seed, CALM, blocked=True) as (proxy, reader):
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(reader.read(1), 0.1)
        proxy.unblock()

        assert await reader.read(-1) == b"".join(EVENTS)


@in_loop
async def test_the_same_seed_draws_the_same_faults(seed: int) -> None:
    rates = Rates(swallow=0.1, repeat=0.1, swap=0.1)
    one, other, another = FaultProxy(0, seed), FaultProxy(0, seed), FaultProxy(0, seed + 1)

    plans = [[*proxy._plan(b"".join(EVENTS), rates)] for proxy in (one, other, another)]

    assert plans[0] == plans[1] != plans[2]
