"""One reader, up to three keys, and everything that can happen to both: the real hub, built anew for each sequence.

Hub, store, upstream, receiver and clock are the real ones (:mod:`tests.hub.house`). All that left the hub is verified
with nothing but the keys the reader has fetched by then.
"""

from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any, Final

from jitterbug.config import Config
from jitterbug.hub.upstream import Outcome
from jitterbug.protocol.keys import EphemeralKey
from jitterbug.protocol.position import Position
from jitterbug.protocol.session import Gap
from tests.hub.house import ALICE, Client, House

TICK_MS: Final = 1_000
LIFE_S: Final = 40
SKEW_MS: Final = 8_000
STEP_TICKS: Final = 8
"""Five steps a life: after four a client renews, the fifth is the end, the sixth is end and skew."""
SLEEP_S: Final = 12
MOST_KEYS: Final = 3
MOST_PUBLICATIONS: Final = 2
CONFIG: Final = Config.profile(
    "realtime",
    tick_ms=TICK_MS,
    key_ttl_s=LIFE_S,
    skew_ms=SKEW_MS,
    replay_window_ms=2 * SKEW_MS,
    heartbeat_s=60,
    rate_capacity=1_000_000,
)
Action = tuple[str, int]


class Rotation:
    """A world, and what was done to it.

    Attributes:
        house: The hub and its clock.
        keys: Fetched by the reader, in order.
        wires: Every connection it has had, the last one perhaps open.
        published: How many publications there are: their data is 0, 1, 2, …
        confirmed: For each wire, the kids that may sign it.
        has_slept: The process stood still at some time, so that no farewell can be asked of it.
        is_revoked: The login was ended.
    """

    def __init__(self) -> None:
        self.house = House(CONFIG)
        self.keys: list[EphemeralKey] = []
        self.wires: list[Client] = []
        self.published = 0
        self.confirmed: list[set[str]] = []
        self.has_slept = False
        self.is_revoked = False
        self.frames_when_revoked = 0
        self._do: dict[str, Callable[[int], Any]] = {
            "fetch": self.fetch,
            "confirm": self.confirm,
            "confirm both": self.confirm_both,
            "confirm elsewhere": self.confirm_elsewhere,
            "publish": self.publish,
            "cross": self.cross,
            "wait": self.wait,
            "sleep": self.sleep,
            "connect": self.connect,
            "revoke": self.revoke,
        }

    @classmethod
    async def after(cls, actions: tuple[Action, ...]) -> "Rotation":
        """The world in which these things were done, checked at the end: shorter sequences have been before."""
        world = cls()
        await world.fetch(0)
        await world.connect(0)
        for name, which in actions:
            await world._do[name](which)
        world.check()
        return world

    @property
    def wire(self) -> Client:
        """The newest connection."""
        return self.wires[-1]

    @property
    def now_ms(self) -> int:
        return self.house.clock.now_ms()

    def possible(self) -> Iterator[Action]:
        """What can be done next."""
        if len(self.keys) < MOST_KEYS and not self.is_revoked:
            yield "fetch", 0
        for which in range(len(self.keys)):
            yield "confirm", which
            yield "connect", which
        if len(self.keys) > 1:
            yield "confirm both", 0
        yield "confirm elsewhere", len(self.keys) - 1
        if self.published < MOST_PUBLICATIONS:
            yield "publish", 0
        if self.published + 2 <= MOST_PUBLICATIONS:
            yield "cross", len(self.keys) - 1
        yield "wait", 0
        yield "sleep", 0
        if not self.is_revoked:
            yield "revoke", 0

    # What can be done.

    async def fetch(self, _: int) -> None:
        """Ask for a key; the newest wire's verifier may use it."""
        self.keys.append(self.house.hub.issue_key(ALICE))
        for wire in self.wires:
            wire.keys.add(self.keys[-1])

    async def confirm(self, which: int) -> None:
        """Show the hub that the reader holds a key: a new one, the one in use, an older one, one that is over."""
        self._note(self.keys[which], await self.wire.send({"t": "confirm"}, key=self.keys[which]))
        await self.house.settle()

    async def confirm_both(self, _: int) -> None:
        """Two at once, the newer first, before anything could leave."""
        for key in reversed(self.keys[-2:]):
            self._note(key, await self.wire.send({"t": "confirm"}, key=key))
        await self.house.settle()

    async def confirm_elsewhere(self, which: int) -> None:
        """For a connection that is not there: it must change nothing."""
        outcome = await self.wire.send({"t": "confirm", "conn": "no-such-conn-000"}, key=self.keys[which])
        assert outcome.code is not None
        await self.house.settle()

    async def publish(self, _: int) -> None:
        await self.house.publish("a", 1, start=self.published)
        self.published += 1
        await self.house.settle()

    async def cross(self, which: int) -> None:
        """A confirmation between two publications, before anything could leave."""
        await self.house.publish("a", 1, start=self.published)
        self._note(self.keys[which], await self.wire.send({"t": "confirm"}, key=self.keys[which]))
        await self.house.publish("a", 1, start=self.published + 1)
        self.published += 2
        await self.house.settle()

    async def wait(self, _: int) -> None:
        """Time passes, in ticks."""
        await self.house.tick(STEP_TICKS)

    async def sleep(self, _: int) -> None:
        """The process stands still, then goes on."""
        self.house.clock.advance(s=SLEEP_S)
        self.house.hub._tick.step()
        await self.house.settle()
        self.has_slept = True

    async def connect(self, which: int) -> None:
        """Let go of the wire and open another where it stood, under any key the reader has ever had."""
        found = self.house.hub.find_key(ALICE, self.keys[which].kid)
        if found is None or (found.expires_at_ms or 0) < self.now_ms:
            assert self.is_revoked or self.now_ms > self.keys[which].expires_at_ms
            return  # as the server refuses it
        assert not self.is_revoked
        since: Position | None = None
        if self.wires:
            self.wire.take()
            since = self.wire.reader.receiver.positions.get("a")
            self.house.hub.close(self.wire.connection, "gone")
        client = self.house.connect(key=self.keys[which], positions={"a": since})
        for key in self.keys:
            client.keys.add(key)
        self.wires.append(client)
        self.confirmed.append({self.keys[which].kid})
        assert await self.house.hub.subscribe(client.connection, "a", since)
        await self.house.settle()

    async def revoke(self, _: int) -> None:
        self.house.hub.revoke(ALICE.id)
        await self.house.settle()
        self.is_revoked = True
        self.frames_when_revoked = len(self._frames())

    def _note(self, key: EphemeralKey, outcome: Outcome) -> None:
        usable = not self.is_revoked and self.now_ms <= key.expires_at_ms and not self.wire.connection.is_closed
        assert (outcome.code is None) == usable
        if usable:
            self.confirmed[-1].add(key.kid)

    # What must hold.

    def check(self) -> None:
        """After every action."""
        for wire, confirmed in zip(self.wires, self.confirmed, strict=True):
            wire.check_wire()
            self._check_keys(wire, confirmed)
        self._check_delivery()
        self._check_end()
        if self.is_revoked:
            frames = self._frames()
            assert len(frames) == self.frames_when_revoked, "something left after the revocation"
            assert all(self.house.hub.find_key(ALICE, key.kid) is None for key in self.keys)

    def _check_keys(self, wire: Client, confirmed: set[str]) -> None:
        for seen in wire.seen:
            assert seen.kid in confirmed, "signed with a key that nobody confirmed"
            assert seen.frame["ts"] <= wire.keys.keys[seen.kid].expires_at_ms, "signed with a key that is over"
        for before, after in pairwise(wire.seen):
            if before.kid != after.kid:
                assert (before.kind, before.payload.get("kid")) == ("rekey", after.kid), (
                    "rekey is the last under the old"
                )
            assert before.kind != "bye", "bye is the last of all"

    def _check_delivery(self) -> None:
        delivered = [data for wire in self.wires for data in wire.data("a")]
        assert delivered == list(range(len(delivered))), "lost, doubled or out of order"
        assert [gap for wire in self.wires for gap in wire.gaps()] == [], "nothing was lost, so no gap is told"
        if self._serves():
            assert len(delivered) == self.published, "an open wire under a living key holds nothing back"

    def _check_end(self) -> None:
        connection, sink = self.wire.connection, self.wire.sink
        if self.now_ms > connection.key_expires_at_ms:
            assert sink.is_ended or sink.is_aborted or connection.is_closed, "open under a key that is over"
            if not self.has_slept and not self.is_revoked:
                assert self.wire.kinds()[-1] == "bye", "a farewell before the key ends"
        if self.is_revoked and not self.has_slept and self.wire.kinds()[-1] != "bye":
            raise AssertionError("a revoked stream ends with bye")

    def _serves(self) -> bool:
        connection = self.wire.connection
        return not (connection.is_closed or connection.is_ending) and self.now_ms <= connection.key_expires_at_ms

    async def check_that_nothing_is_lost(self) -> None:
        """The reader comes back with a fresh key: it has everything, once, in order. Spoils the world."""
        if self.is_revoked:
            return
        self.keys.append(self.house.hub.issue_key(ALICE))
        await self.connect(len(self.keys) - 1)
        await self.house.tick()
        delivered = [data for wire in self.wires for data in wire.data("a")]
        told = [event for wire in self.wires for seen in wire.seen for event in seen.events if isinstance(event, Gap)]
        assert delivered == list(range(self.published))
        assert told == []

    def features(self) -> Iterator[str]:
        """What has come to pass, by name, so that a search can show that it got there."""
        for wire in self.wires:
            for seen in wire.seen:
                payload = seen.payload
                yield " ".join(filter(None, [seen.kind, payload.get("reason"), "again" if payload.get("re") else None]))
                if seen.kind == "rekey":
                    yield "rekey done" if "kid" in payload else "rekey asked"
            if wire.sink.is_ended and wire.kinds()[-1] != "bye":
                yield "ended without bye"
            yield f"{len({seen.kid for seen in wire.seen})} keys on a wire"

    def _frames(self) -> list[bytes]:
        return [seen.text for wire in self.wires for seen in wire.seen]

    def key(self) -> Any:
        """What tells this world apart from others that behave alike from here on: times counted from now."""
        now_ms, now_ns, hub = self.now_ms, self.house.clock.monotonic_ns(), self.house.hub
        connection = self.wire.connection
        kids = [key.kid for key in self.keys]
        slots = hub._tick._deadlines._slots
        due = sorted(slot * TICK_MS - now_ns // 1_000_000 for slot, members in slots.items() if connection in members)
        return (
            tuple(key.expires_at_ms - now_ms for key in self.keys),
            kids.index(connection.kid),
            tuple(sorted(kids.index(kid) for kid in self.confirmed[-1])),
            (connection.is_closed, connection.is_ending, connection.rekey_hinted, connection.backlog),
            (self.wire.sink.is_ended, self.wire.sink.is_aborted, self.wire.kinds()[-1]),
            (connection.heartbeat_at_ns - now_ns, tuple(due)),
            (self.published, sum(len(wire.data("a")) for wire in self.wires)),
            (self.has_slept, self.is_revoked),
            now_ms % TICK_MS,
        )
