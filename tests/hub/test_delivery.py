"""The delivery promise, end to end on one node, under anything that can happen to wires (PROTOCOL §5; R14, R50, R57).

Clients that stall, drop off, come back by position or by cursor, subscribe and unsubscribe, while publications come in
bursts and time passes in ticks or in leaps. Whatever happens: each publication of a channel is delivered once and in
order, or a gap says up to where they are lost; never a hole, never a refused frame, never a duplicate.
"""

import asyncio
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from jitterbug.config import Config
from jitterbug.protocol.position import Position, decode_cursor
from jitterbug.protocol.session import Gap, Publication
from tests.hub.house import FULL_WIRE_BYTES, Client, House

CHANNELS = ["a", "b", "c"]
CLIENTS = [0, 1]
channels = st.sampled_from(CHANNELS)
clients = st.sampled_from(CLIENTS)
PROFILES = [
    Config(key_ttl_s=86_400, history_size=60),
    Config(key_ttl_s=86_400, history_size=0, buffer_frames=5),
    Config.profile("realtime", key_ttl_s=86_400, history_size=30, buffer_frames=20, max_frames_per_tick=7),
    Config.profile("realtime", key_ttl_s=86_400, history_size=100, history_ttl_s=2),
]


class Reading:
    """What one client has of one channel: the next offset it must get.

    Attributes:
        expected: Next offset; None = not known yet, it starts wherever ``subscribed`` says.
        lost: Publications that gaps accounted for.
    """

    def __init__(self) -> None:
        self.expected: int | None = None
        self.lost = 0


class Delivery(RuleBasedStateMachine):
    """A real hub, store and receiver; the model is the list of what was published."""

    @initialize(config=st.sampled_from(PROFILES))
    def open_house(self, config: Config) -> None:
        self.runner = asyncio.Runner()
        self.house: House = self.run(self._build(config))
        self.published: dict[str, int] = dict.fromkeys(CHANNELS, 0)
        self.readings: list[dict[str, Reading]] = [{}, {}]
        self.clients: list[Client] = []
        for number in CLIENTS:
            self.clients.append(self.run(self._connect({})))
            self.run(self._subscribe(number, "a", None))

    def run(self, coroutine: Any) -> Any:
        return self.runner.run(coroutine)

    async def _build(self, config: Config) -> House:
        return House(config)

    async def _connect(self, positions: dict[str, Position | None]) -> Client:
        return self.house.connect(positions=positions)

    # What applications do.

    @rule(channel=channels, count=st.one_of(st.integers(1, 5), st.integers(1, 130)), settles=st.booleans())
    def publish(self, channel: str, count: int, settles: bool) -> None:
        self.run(self.house.publish(channel, count, start=self.published[channel] + 1))
        self.published[channel] += count
        if settles:
            self.run(self.house.settle())

    @rule(number=clients, channel=channels)
    def subscribe(self, number: int, channel: str) -> None:
        if channel not in self.readings[number] and not self.clients[number].connection.is_closed:
            self.run(self._subscribe(number, channel, None))

    async def _subscribe(self, number: int, channel: str, since: Position | None) -> None:
        self.readings[number].setdefault(channel, Reading())
        client = self.clients[number]
        client.reader.receiver.positions.setdefault(channel, since)
        assert await self.house.hub.subscribe(client.connection, channel, since)

    @rule(number=clients, channel=channels)
    def unsubscribe(self, number: int, channel: str) -> None:
        client = self.clients[number]
        if channel in self.readings[number] and not client.connection.is_closed and not client.sink.filled_bytes:
            before = client.kinds().count("unsubscribed")
            self.run(self._unsubscribe(number, channel))
            self.check()
            assert client.kinds().count("unsubscribed") == before + 1
            del self.readings[number][channel], client.reader.receiver.positions[channel]

    async def _unsubscribe(self, number: int, channel: str) -> None:
        self.house.hub.unsubscribe(self.clients[number].connection, channel, "asked")
        await self.house.settle()

    # What time and wires do.

    @rule(ticks=st.integers(min_value=1, max_value=40))
    def ticks(self, ticks: int) -> None:
        self.run(self.house.tick(ticks))

    @rule(seconds=st.integers(min_value=1, max_value=20))
    def the_process_sleeps(self, seconds: int) -> None:
        self.house.clock.advance(s=seconds)
        self.run(self.house.tick())

    @rule(number=clients)
    def stall(self, number: int) -> None:
        self.clients[number].sink.filled_bytes = FULL_WIRE_BYTES

    @rule(number=clients)
    def release(self, number: int) -> None:
        self.clients[number].sink.release()

    @rule(number=clients, by_cursor=st.booleans())
    def drop_off_and_come_back(self, number: int, by_cursor: bool) -> None:
        client, readings = self.clients[number], self.readings[number]
        self.check()
        positions = client.reader.receiver.positions
        if by_cursor and client.seen and client.seen[-1].cursor:
            places = {name: place for name, place in positions.items() if place is not None}
            assert decode_cursor(client.seen[-1].cursor, places) == places
        self.house.hub.close(client.connection, "gone")
        self.clients[number] = self.run(self._connect(dict(positions)))
        for channel, reading in readings.items():
            since = positions.get(channel)
            if since is None:
                reading.expected = None
            self.run(self._subscribe(number, channel, since))

    @precondition(lambda self: any(client.connection.is_closed for client in self.clients))
    @rule()
    def those_that_were_cut_come_back(self) -> None:
        for number in CLIENTS:
            if self.clients[number].connection.is_closed:
                self.drop_off_and_come_back(number, by_cursor=False)

    # What must hold.

    @invariant()
    def check(self) -> None:
        for client, readings in zip(self.clients, self.readings, strict=True):
            for seen in client.take():
                for event in seen.events:
                    if isinstance(event, Publication):
                        self._delivered(readings[event.channel], event)
                    elif isinstance(event, Gap):
                        self._lost(readings[event.channel], event)
                    elif seen.kind == "subscribed" and not seen.payload.get("recovered", False):
                        reading = readings[seen.payload["ch"]]
                        if reading.expected is None:
                            reading.expected = seen.payload["pos"][1] + 1
            client.check_wire()
            assert client.reader.receiver.duplicates == 0
            assert client.connection._ring.capacity >= len(client.connection._ring)

    @staticmethod
    def _delivered(reading: Reading, publication: Publication) -> None:
        assert publication.data == publication.position.offset == reading.expected
        reading.expected += 1

    @staticmethod
    def _lost(reading: Reading, gap: Gap) -> None:
        assert reading.expected is not None
        assert gap.position.offset >= reading.expected, "a gap that loses nothing is a false alarm"
        reading.lost += gap.position.offset + 1 - reading.expected
        reading.expected = gap.position.offset + 1

    def teardown(self) -> None:
        """In the end everybody has everything, or was told."""
        with self.runner:
            self._everything_leaves()
            self.check()
        for readings in self.readings:
            for channel, reading in readings.items():
                assert reading.expected in {self.published[channel] + 1, None}

    def _everything_leaves(self) -> None:
        for number in CLIENTS:
            self.release(number)
            if self.clients[number].connection.is_closed:
                self.drop_off_and_come_back(number, by_cursor=False)
        while any(client.connection.backlog for client in self.clients):
            self.run(self.house.run_for(1))
        self.run(self.house.tick(2))


TestDelivery = Delivery.TestCase
