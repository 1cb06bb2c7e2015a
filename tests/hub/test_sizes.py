"""The lengths that the largest frame is reckoned with are those that the hub and the store really give (R58)."""

from jitterbug.protocol.publication import CONN_CHARS, EPOCH_CHARS
from jitterbug.stores.memory import new_epoch
from tests.hub.house import House
from tests.looped import in_loop


@in_loop
async def test_conn_and_epoch_have_the_length_they_are_reckoned_with() -> None:
    house = House()
    position = await house.hub.publish("a", 1)
    assert len(house.connect().connection.conn) == CONN_CHARS
    assert len(position.epoch) == len(new_epoch()) == EPOCH_CHARS
