"""The promise over WebSocket: the same numbers, the same bad network (PROTOCOL §5)."""

import asyncio
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.client.hub_process import HubProcess
from tests.delivery.conftest import IS_LONG
from tests.delivery.fault_proxy import KINDS, FaultProxy, Rates
from tests.delivery.feed import ROOT, Feed
from tests.delivery.socket_reader import reading_socket
from tests.looped import in_loop

COUNT = 10_000 if IS_LONG else 600
LIMIT_S = 300 if IS_LONG else 90
"""A cut that swallows what was waited for costs a silence of seconds, some thirty times: chance decides how often."""
DOWN = Rates(cut=0.01, reset=0.01, delay=0.02, split=0.05, swallow=0.01, repeat=0.01, swap=0.01)
UP = Rates(cut=0.02, reset=0.02, delay=0.05, split=0.2)


@pytest.mark.slow
@pytest.mark.timeout(400 if IS_LONG else 150)
@in_loop
async def test_every_number_arrives_once_and_in_order_over_websocket(
    tmp_path: Path, seed: int, record_property: Callable[[str, object], None]
) -> None:
    """Two readers on one channel; the history holds everything, so nothing may be missing."""
    settings = {"profile": "realtime", "rate_capacity": 100_000, "rate_refill_per_s": 100_000, "heartbeat_s": 1}
    started_s = time.monotonic()
    hub = await asyncio.to_thread(HubProcess, tmp_path, environ=ROOT, history_size=COUNT, **settings)
    try:
        port = int(hub.url.rsplit(":", 1)[1])
        async with FaultProxy(port, seed, down=DOWN, up=UP) as proxy, Feed(lambda: hub.url, pause_s=0.004) as feed:
            starts = {"numbers/ws": await feed.publish("numbers/ws", 1)}
            async with (
                reading_socket("one", hub.url, proxy.port, starts) as one,
                reading_socket("two", hub.url, proxy.port, starts) as two,
            ):
                await feed.run("numbers/ws", 2, COUNT)
                deadline_s = time.monotonic() + LIMIT_S
                while not all(reader.ledger.has({"numbers/ws": COUNT}) for reader in (one, two)):
                    assert time.monotonic() < deadline_s, f"not in time: {one.ledger} {two.ledger}"
                    assert one.ledger.faults + two.ledger.faults == []
                    await asyncio.sleep(0.02)
                await asyncio.sleep(0.2)
            for reader in (one, two):
                assert reader.ledger.faults + feed.faults == []
                assert (reader.ledger.delivered, reader.ledger.missed) == (COUNT - 1, 0), reader.ledger
                assert reader.connections > 1, "no cut was ever drawn"
                if IS_LONG:
                    assert set(proxy.injected) == set(KINDS), "a kind of fault was never drawn"
            figures = {
                "publications": COUNT,
                "faults": dict(proxy.injected),
                "connections": one.connections + two.connections,
                "holes": one.holes + two.holes,
                "refused": one.refused + two.refused,
                "from history": one.ledger.recovered + two.ledger.recovered,
                "seconds": round(time.monotonic() - started_s, 1),
            }
            for name, value in figures.items():
                record_property(name, value)
            print(figures)  # noqa: T201
    finally:
        hub.__exit__()
