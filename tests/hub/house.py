"""A hub with a real store and real keys, on a clock that a test turns, and clients at the other end of its wires."""

import asyncio
import os
from typing import Any

from jitterbug.config import Config
from jitterbug.hub.hub import Hub
from jitterbug.hub.policy import Rule, allow_all
from jitterbug.hub.sessions import Session
from jitterbug.hub.upstream import Outcome, Upstream
from jitterbug.protocol.keys import EphemeralKey, RootKey, RootKeys
from jitterbug.protocol.position import Position
from jitterbug.protocol.session import Gap, Hole, Publication
from jitterbug.protocol.signing import FrameSigner
from jitterbug.protocol.verifying import Refused
from jitterbug.stores.base import Store
from jitterbug.stores.memory import MemoryStore
from jitterbug.telemetry.events import Fact, FactCode, Facts
from jitterbug.testing import ManualClock
from tests.hub.wire import Keyring, MemorySink, Reader, Seen

ALICE = Session("alice-0123456789abcdef0123456789", subject="alice")
BOB = Session("bob-0123456789abcdef0123456789abc", subject="bob")
STRICT = Config()
REALTIME = Config.profile("realtime")
FULL_WIRE_BYTES = 70_000
"""More than a hub lets pile up on a wire."""


class House:
    """One node.

    Attributes:
        hub, upstream, store, roots, clock: Its parts, all real.
        facts: Everything it told.
    """

    def __init__(
        self,
        config: Config = STRICT,
        *,
        rule: Rule = allow_all,
        store: Store | None = None,
        clock: ManualClock | None = None,
    ) -> None:
        self.clock = clock or ManualClock()
        self.config = config
        self.facts: list[Fact] = []
        self.roots = RootKeys(RootKey("root-1", os.urandom(32)))
        self.store = store or MemoryStore(
            self.clock,
            history_size=config.history_size,
            history_ttl_s=config.history_ttl_s,
            replay_window_ms=config.replay_window_ms,
        )
        self.hub = Hub(
            config, clock=self.clock, store=self.store, roots=self.roots, rule=rule, facts=Facts(self.facts.append)
        )
        self.upstream = Upstream(self.hub)
        self.clients: list[Client] = []

    def connect(
        self,
        session: Session = ALICE,
        key: EphemeralKey | None = None,
        positions: dict[str, Position | None] | None = None,
        sink: MemorySink | None = None,
    ) -> "Client":
        """Open a wire; ``positions`` are only what the client believes, nothing is subscribed."""
        client = Client(self, session, key or self.hub.issue_key(session), positions, sink or MemorySink(self.clock))
        self.clients.append(client)
        return client

    async def reader(self, *channels: str, session: Session = ALICE, sink: MemorySink | None = None) -> "Client":
        """Open a wire, subscribe, and let ``hello`` and ``subscribed`` out."""
        client = self.connect(session, positions=dict.fromkeys(channels), sink=sink)
        for channel in channels:
            assert await self.hub.subscribe(client.connection, channel)
        await self.settle()
        return client

    async def settle(self) -> None:
        """Let the loop make its next passes, without a tick; then let go of wires that ended, as the server does."""
        for _ in range(3):
            await asyncio.sleep(0)
        for client in self.clients:
            sink = client.sink
            if sink.is_aborted or (sink.is_ended and not sink.pending_bytes()):
                self.hub.close(client.connection, "gone")

    async def tick(self, ticks: int = 1) -> None:
        """Let so many ticks come, one by one."""
        for _ in range(ticks):
            self.clock.advance(ms=self.config.tick_ms)
            self.hub._tick.step()
            await self.settle()

    async def run_for(self, seconds: float) -> None:
        """Tick for so long."""
        await self.tick(round(seconds * 1_000 / self.config.tick_ms))

    async def publish(self, channel: str, count: int, start: int = 0) -> None:
        """Publish the numbers from ``start`` on, all in one pass of the loop."""
        for number in range(start, start + count):
            await self.hub.publish(channel, number)

    def told(self, code: FactCode) -> list[Fact]:
        """Facts with this code."""
        return [fact for fact in self.facts if fact.code is code]


class Client:
    """A session's end of one wire."""

    def __init__(
        self,
        house: House,
        session: Session,
        key: EphemeralKey,
        positions: dict[str, Position | None] | None,
        sink: MemorySink,
    ) -> None:
        self.house = house
        self.session = session
        self.key = key
        self.keys = Keyring(key)
        self.sink = sink
        self.reader = Reader(self.sink, self.keys, positions)
        verify_key = house.hub.find_key(session, key.kid)
        assert verify_key is not None
        self.connection = house.hub.open(session, key.kid, verify_key, self.sink, "192.0.2.1")

    def take(self) -> list[Seen]:
        """Frames that came since the last call."""
        return self.reader.take()

    @property
    def seen(self) -> list[Seen]:
        """All frames so far."""
        self.reader.take()
        return self.reader.seen

    def kinds(self) -> list[str]:
        """The types of all frames so far."""
        return [seen.kind for seen in self.seen]

    def of(self, kind: str) -> list[dict[str, Any]]:
        """Payloads of one type so far."""
        return [seen.payload for seen in self.seen if seen.kind == kind]

    def publications(self, channel: str | None = None) -> list[Publication]:
        """Delivered publications so far."""
        events = (event for seen in self.seen for event in seen.events)
        return [e for e in events if isinstance(e, Publication) and channel in {None, e.channel}]

    def data(self, channel: str | None = None) -> list[Any]:
        """What they held."""
        return [publication.data for publication in self.publications(channel)]

    def gaps(self) -> list[Gap]:
        """Gaps so far."""
        return [event for seen in self.seen for event in seen.events if isinstance(event, Gap)]

    def check_wire(self) -> None:
        """Everything so far verified: ``seq`` without holes from 1, nonces distinct, nothing refused, no hole."""
        seen = self.seen
        wrong = [event for one in seen for event in one.events if isinstance(event, (Refused, Hole))]
        assert wrong == []
        assert [one.payload["seq"] for one in seen] == list(range(1, len(seen) + 1))
        assert {one.payload["conn"] for one in seen} <= {self.connection.conn}
        nonces = [one.frame["nonce"] for one in seen]
        assert len(set(nonces)) == len(nonces)
        assert [len(one.text) for one in seen] == self.sink.announced[: len(seen)], "a length was not what was said"

    def sign(self, payload: dict[str, Any], *, key: EphemeralKey | None = None, now_ms: int | None = None) -> bytes:
        """Sign a frame for the hub."""
        key = key or self.key
        signer = FrameSigner(key.kid, key.secret)
        return signer.sign(payload, self.house.clock.now_ms() if now_ms is None else now_ms)

    async def send(self, payload: dict[str, Any], *, key: EphemeralKey | None = None) -> Outcome:
        """Send a frame up, ``conn`` filled in."""
        frame = self.sign({"conn": self.connection.conn, **payload}, key=key)
        return await self.house.upstream.handle(self.session, frame, address="192.0.2.1", request_id="request-1")
