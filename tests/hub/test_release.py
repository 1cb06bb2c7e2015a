"""A closed connection holds nothing, though the wheel holds it until its next deadline (R57)."""

import gc
import weakref

from jitterbug.hub.connection import Connection
from jitterbug.protocol.position import Position
from tests.hub.house import STRICT, House
from tests.looped import in_loop


@in_loop
async def test_what_waited_on_a_closed_connection_is_let_go() -> None:
    """One that asked for the history of a hundred channels and left used to keep 150 kB for up to 15 s."""
    house = House(STRICT)
    for channel in range(100):
        await house.publish(f"c{channel}", 20)
    epoch = house.store._epoch  # type: ignore[attr-defined]
    client = house.connect()
    client.sink.hold()
    for channel in range(100):
        await house.hub.subscribe(client.connection, f"c{channel}", Position(epoch, 0))
    await house.settle()
    connection: Connection = client.connection
    assert connection.backlog > 1_900
    house.hub.close(connection, "gone")

    assert connection.backlog == 0
    waiting = (connection._control, connection._gaps, connection.places, connection.joining)
    assert [len(each) for each in waiting] == [0, 0, 0, 0]
    assert len(house.hub.channels) == 0
    house.clients.clear()
    gone = weakref.ref(client)
    del client
    gc.collect()
    assert gone() is None
