"""Coming and going leaves nothing behind: not in the registries, not in memory (R11, R57, REQUIREMENTS §2.26)."""

import gc
import logging
import time
import tracemalloc
from collections.abc import Callable, Iterator

import psutil
import pytest

from jitterbug import Config, Jitterbug
from jitterbug.protocol.codes import Down
from tests.delivery.conftest import IS_LONG
from tests.server import serving
from tests.server.serving import Running, until
from tests.server.sockets import Op
from tests.server.visitor import Visitor
from tests.server.wire import OpenStream

CYCLES = 10_000 if IS_LONG else 300
LOGINS = 8
GROWTH_BYTES = 524_288 if IS_LONG else 262_144
"""Between the second and the last quarter: 105 bytes a cycle in the long run. One stream takes 35,000."""


@pytest.fixture
def server() -> Iterator[Running]:
    """A hub with a short heartbeat: its wheel lets go of a closed connection a heartbeat later."""
    quick = {"development": True, "drain_s": 0, "heartbeat_s": 0.3, "history_size": 5}
    config = Config.profile("realtime", **quick)
    running = serving.start("transport", Jitterbug(config=config))
    yield running
    running.stop()


def left_over(server: Running) -> dict[str, int]:
    """What the hub holds of its clients, registry by registry."""
    hub, main = server.push.hub, server.main
    return server.do(
        lambda: {
            "connections": len(hub._by_conn),
            "sessions": len(hub._by_session),
            "readers": len(hub.channels._readers),
            "joining": len(hub.channels._joining),
            "ready": len(hub._tick._ready),
            "waking": len(hub._tick._wakes),
            "deadlines": len(hub._tick._deadlines),
            "subjects": hub.presence.subject_count(),
            "addresses": len(server.push.limits._by_address),
            "tasks": len(main.server_state.tasks),
            "sockets": len(main.server_state.connections),
        }
    )


def come_and_go(visitor: Visitor, number: int) -> None:
    """One cycle: stream or WebSocket, with FIN or with RST, served or before it is served."""
    channels = ("shared", f"own/{number % 50}")
    stream = visitor.socket(*channels) if number % 2 else visitor.get_stream(*channels)
    if number % 3:
        stream.control(Down.HELLO)
    if number // 2 % 2:
        OpenStream.reset(stream)  # type: ignore[arg-type] - all it needs is the socket
    else:
        if number % 2:
            stream.put(Op.CLOSE, b"\x03\xe8")  # type: ignore[union-attr]
        stream.close()
    visitor._streams.clear()
    visitor.answers.clear()


def settled(server: Running) -> None:
    """Wait until everybody is forgotten."""
    until(lambda: not any(left_over(server).values()), limit_s=10)


@pytest.mark.slow
@pytest.mark.timeout(900 if IS_LONG else 120)
def test_who_comes_and_goes_leaves_nothing(
    server: Running, caplog: pytest.LogCaptureFixture, record_property: Callable[[str, object], None]
) -> None:
    """Half of the cycles end with RST, half are WebSockets; a third goes before it is served."""
    caplog.set_level(logging.CRITICAL, logger="jitterbug")  # pytest keeps every line that is logged
    started_s = time.monotonic()
    visitors = [Visitor(server).log_in() for _ in range(LOGINS)]
    for visitor in visitors:
        visitor.fetch_key()
    held: list[int] = []
    resident: list[int] = []
    quarter = CYCLES // 4
    tracemalloc.start()
    try:
        for number in range(1, CYCLES + 1):
            come_and_go(visitors[number % LOGINS], number)
            if number % 10 == 0:
                server.publish("shared", number)
            if number % quarter == 0:
                settled(server)
                gc.collect()
                held.append(tracemalloc.get_traced_memory()[0])
                resident.append(psutil.Process().memory_info().rss)
    finally:
        tracemalloc.stop()
        for visitor in visitors:
            visitor.close()
    figures = {
        "cycles": CYCLES,
        "allocated after each quarter, KiB": [count // 1_024 for count in held],
        "resident after each quarter, KiB": [count // 1_024 for count in resident],
        "seconds": round(time.monotonic() - started_s, 1),
    }
    for name, value in figures.items():
        record_property(name, value)
    print(figures)  # noqa: T201

    assert held[3] - held[1] < GROWTH_BYTES
    until(lambda: left_over(server)["sockets"] == 0)
