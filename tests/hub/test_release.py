"""A closed connection holds nothing, though the wheel holds it until its next deadline (R57)."""

import gc
import weakref

from jitterbug.hub.connection import Connection
from jitterbug.protocol.codes import ByeReason
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


@in_loop
async def test_a_closed_connection_lets_go_of_its_wire() -> None:
    """The wire of a closed stream used to live on to its next deadline: 50 kB of TLS each, as fast as streams come."""
    house = House(STRICT)
    connections = []
    for _ in range(3):
        client = house.connect()
        await house.settle()
        connections.append(client.connection)
        house.hub.close(client.connection, "gone")
        gone = weakref.ref(client.sink)
        house.clients.clear()
        del client
        gc.collect()
        assert gone() is None

    for connection in connections:
        connection.abort()
        connection.finish()
        house.hub.bye(connection, ByeReason.SHUTDOWN)
    await house.run_for(20)
    assert not house.hub.connections()


@in_loop
async def test_those_that_come_and_go_fast_do_not_gather() -> None:
    """Each used to stay in the wheel for up to 15 s, so that what a peer could fill was a matter of its speed."""
    house = House(STRICT)
    staying = [house.connect() for _ in range(1_500)]
    for client in staying:
        await house.hub.subscribe(client.connection, "a")
    for _ in range(10):
        for _ in range(500):
            client = house.connect()
            house.hub.close(client.connection, "gone")
            house.clients.pop()
        assert len(house.hub._tick._deadlines) <= 1_500 + 1_500 + 500
        await house.tick(20)  # past their first look, by which the deadline of each lies seconds ahead

    assert house.hub.connection_count == 1_500
    await house.run_for(15)
    assert all(client.kinds()[-1] == "hb" for client in staying), "a sweep costs nobody a heartbeat"
    for client in staying:
        house.hub.close(client.connection, "gone")
    assert len(house.hub._tick._deadlines) <= 1_000
    await house.run_for(20)
    assert len(house.hub._tick._deadlines) == 0
