"""A connection without its hub, flushed by hand."""

from jitterbug.config import Config
from jitterbug.hub.moment import Moment
from jitterbug.protocol.position import Position
from jitterbug.protocol.publication import Place, PreparedPublication
from tests.hub.house import Client, House

TICK_NS = 50_000_000
NS_PER_S = 1_000_000_000
EPOCH = "epoch-08"


def flush(client: Client) -> int | None:
    """One flush, now."""
    return client.connection.flush(Moment(client.house.clock, TICK_NS))


def reader(*channels: str, config: Config | None = None) -> Client:
    """A client that stands at the start of some channels, with ``hello`` out."""
    house = House(config or Config())
    client = house.connect(positions={channel: Position(EPOCH, 0) for channel in channels})
    for channel in channels:
        client.connection.places[channel] = Place(channel, Position(EPOCH, 0))
    flush(client)
    assert client.kinds() == ["hello"]
    return client


def publication(offset: int, channel: str = "a") -> PreparedPublication:
    """One whose data is its offset."""
    return PreparedPublication(channel, Position(EPOCH, offset), b"%d" % offset)
