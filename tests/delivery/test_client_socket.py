"""The promise over WebSocket as the Python client keeps it: numbers through a bad network (PROTOCOL §5)."""

import asyncio
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.client.hub_process import HubProcess
from tests.delivery.conftest import IS_LONG
from tests.delivery.fault_proxy import KINDS, FaultProxy, Rates
from tests.delivery.feed import ROOT, Feed
from tests.delivery.readers import reading
from tests.looped import in_loop

COUNT = 10_000 if IS_LONG else 600
LIMIT_S = 300 if IS_LONG else 90
CHANNELS = ("numbers/a", "numbers/b")
DOWN = Rates(cut=0.01, reset=0.01, delay=0.02, split=0.05, swallow=0.01, repeat=0.01, swap=0.01)
UP = Rates(cut=0.02, reset=0.02, delay=0.05, split=0.2)


@pytest.mark.slow
@pytest.mark.timeout(400 if IS_LONG else 150)
@in_loop
async def test_the_client_delivers_every_number_once_and_in_order_over_websocket(
    tmp_path: Path, seed: int, record_property: Callable[[str, object], None]
) -> None:
    """Two channels, each asked for anew after every cut; keys rotate meanwhile, over the same socket."""
    settings = {"profile": "realtime", "rate_capacity": 100_000, "rate_refill_per_s": 100_000, "heartbeat_s": 1}
    started_s = time.monotonic()
    hub = await asyncio.to_thread(
        HubProcess, tmp_path, environ=ROOT, history_size=COUNT, key_ttl_s=3, keys_per_minute=10_000, **settings
    )
    try:
        port = int(hub.url.rsplit(":", 1)[1])
        async with FaultProxy(port, seed, down=DOWN, up=UP) as proxy, Feed(lambda: hub.url, pause_s=0.008) as feed:
            starts = {channel: await feed.publish(channel, 1) for channel in CHANNELS}
            async with reading("socket", proxy.url, starts, seed, transport="websocket") as reader:
                await asyncio.gather(*(feed.run(channel, 2, COUNT // 2) for channel in CHANNELS))
                deadline_s = time.monotonic() + LIMIT_S
                while not reader.ledger.has(dict.fromkeys(CHANNELS, COUNT // 2)):
                    assert time.monotonic() < deadline_s, f"not in time: {reader.ledger}"
                    reader.check()
                    await asyncio.sleep(0.02)
                await asyncio.sleep(0.2)  # what came twice would come now
            assert reader.ledger.faults + feed.faults == []
            assert (reader.ledger.delivered, reader.ledger.missed) == (COUNT - 2, 0), reader.ledger
            assert reader.stats.connections > 1, "no cut was ever drawn"
            if IS_LONG:
                assert set(proxy.injected) == set(KINDS), "a kind of fault was never drawn"
            figures = {
                "publications": COUNT,
                "faults": dict(proxy.injected),
                "connections": reader.stats.connections,
                "rotations": reader.stats.rotations,
                "refused": dict(reader.stats.refused),
                "from history": reader.ledger.recovered,
                "seconds": round(time.monotonic() - started_s, 1),
            }
            for name, value in figures.items():
                record_property(name, value)
            print(figures)  # noqa: T201
    finally:
        hub.__exit__()
