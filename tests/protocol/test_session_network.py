"""A client behind a network that does its worst: nothing lost in silence, twice or out of order (R14, PROTOCOL §5)."""

from collections import deque
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule

from jitterbug.protocol import FrameSigner
from jitterbug.protocol.codes import Down, Refusal
from jitterbug.protocol.position import Position
from jitterbug.protocol.replay import ReplayWindow
from jitterbug.protocol.session import Control, Event, Gap, Hole, Publication, Receiver
from jitterbug.protocol.verifying import Refused, StaticKeys
from jitterbug.testing import ManualClock
from tests.protocol import outside
from tests.protocol.outside import KID, SECRET
from tests.protocol.streams import Stream, refusal

SKEW_MS = 5_000
KEYS = StaticKeys({KID: SECRET})


class Network(RuleBasedStateMachine):
    """A hub that publishes, loses history and renews epochs; a wire that drops, repeats, reorders, alters and delays.

    Each channel has one list of all that was ever published. The client's place in it moves by one with each delivery
    and jumps only by a gap it was told, so nothing is lost in silence, delivered twice or out of order.
    """

    CHANNELS = ("a", "b")

    def __init__(self) -> None:
        super().__init__()
        self.clock = ManualClock()
        self.signer = FrameSigner(KID, SECRET)
        self.window = ReplayWindow(2 * SKEW_MS)
        self.published: dict[str, list[int]] = {channel: [] for channel in self.CHANNELS}
        self.here = {channel: Position("e0", 0) for channel in self.CHANNELS}
        self.history_from = {channel: Position("e0", 0) for channel in self.CHANNELS}
        self.index_at = {(channel, Position("e0", 0)): 0 for channel in self.CHANNELS}
        """How much of the list a position has behind it."""
        self.place: dict[str, int | None] = dict.fromkeys(self.CHANNELS)
        self.positions: dict[str, Position | None] = dict.fromkeys(self.CHANNELS)
        self.serial = 0
        self.seen: list[bytes] = []
        self.connect()

    # The hub

    def connect(self) -> None:
        self.serial += 1
        self.stream = Stream(f"conn-{self.serial}", self.signer)
        self.reader = Receiver(KEYS, self.positions, skew_ms=SKEW_MS, replay=self.window)
        self.in_flight: deque[bytes] = deque()
        self.accepted: set[int] = set()
        self.holes = 0
        self.pristine = True
        self.send("hello", v=1)
        for channel in self.CHANNELS:
            self.subscribe(channel, self.positions[channel])

    def send(self, kind: str, **members: Any) -> None:
        self.in_flight.append(self.stream.frame(kind, self.clock.now_ms(), **members))

    def send_msg(self, channel: str, position: Position, **members: Any) -> None:
        serial = self.published[channel][self.index_at[channel, position] - 1]
        self.send("msg", ch=channel, data=serial, pos=position.to_json(), **members)

    def subscribe(self, channel: str, since: Position | None) -> None:
        here, first = self.here[channel], self.history_from[channel]
        members = {"ch": channel, "pos": here.to_json()}
        if since is None:
            self.send("subscribed", **members)
        elif since.epoch == first.epoch and since.offset >= first.offset:
            self.send("subscribed", **members, recovered=True)
            for offset in range(since.offset + 1, here.offset + 1):
                self.send_msg(channel, Position(here.epoch, offset), re=True)
        else:
            self.send("subscribed", **members, recovered=False)
            self.send("gap", **members, reason="expired")

    def append(self, channel: str) -> Position:
        self.serial += 1
        self.published[channel].append(self.serial)
        here = self.here[channel]
        self.here[channel] = position = Position(here.epoch, here.offset + 1)
        self.index_at[channel, position] = len(self.published[channel])
        return position

    @rule(channel=st.sampled_from(CHANNELS), count=st.integers(min_value=1, max_value=3))
    def publish(self, channel: str, count: int) -> None:
        for _ in range(count):
            self.send_msg(channel, self.append(channel))

    @rule(channel=st.sampled_from(CHANNELS), count=st.integers(min_value=1, max_value=3))
    def overflow(self, channel: str, count: int) -> None:
        positions = [self.append(channel) for _ in range(count)]
        self.send("gap", ch=channel, pos=positions[-1].to_json(), reason="overflow")

    @rule(channel=st.sampled_from(CHANNELS))
    def history_expires(self, channel: str) -> None:
        self.history_from[channel] = self.here[channel]

    @rule(channel=st.sampled_from(CHANNELS))
    def history_starts_anew(self, channel: str) -> None:
        self.serial += 1
        self.here[channel] = self.history_from[channel] = start = Position(f"e{self.serial}", 0)
        self.index_at[channel, start] = len(self.published[channel])
        self.pristine = False

    @rule()
    def heartbeat(self) -> None:
        self.send("hb", serverTime=self.clock.now_ms())

    # The wire

    @rule(count=st.integers(min_value=1, max_value=6))
    def deliver(self, count: int) -> None:
        for _ in range(min(count, len(self.in_flight))):
            self.receive(self.in_flight.popleft())

    @precondition(lambda self: self.in_flight)
    @rule()
    def drop(self) -> None:
        self.pristine = False
        self.seen.append(self.in_flight.popleft())

    @precondition(lambda self: self.in_flight)
    @rule(pick=st.integers(min_value=0))
    def overtake(self, pick: int) -> None:
        self.pristine = False
        at = pick % len(self.in_flight)
        data = self.in_flight[at]
        del self.in_flight[at]
        self.receive(data)

    @precondition(lambda self: self.seen)
    @rule(pick=st.integers(min_value=0))
    def repeat(self, pick: int) -> None:
        """A frame that went by earlier, delivered or not, of this connection or another."""
        self.pristine = False
        self.receive(self.seen[pick % len(self.seen)])

    @precondition(lambda self: self.in_flight)
    @rule(pick=st.integers(min_value=0), keep=st.booleans())
    def alter(self, pick: int, *, keep: bool) -> None:
        data = self.in_flight[0]
        at, bit = divmod(pick % (len(data) * 8), 8)
        events = self.reader.receive(data[:at] + bytes([data[at] ^ 1 << bit]) + data[at + 1 :], self.clock.now_ms())
        assert refusal(events) in {Refusal.GRAMMAR, Refusal.KEY, Refusal.STALE, Refusal.SIGNATURE}
        if not keep:
            self.drop()

    @rule(ms=st.sampled_from([1, 1_000, SKEW_MS + 1]))
    def delay(self, ms: int) -> None:
        self.pristine = self.pristine and not self.in_flight
        self.clock.advance(ms=ms)

    @rule(channel=st.sampled_from(CHANNELS))
    def another_connection_speaks(self, channel: str) -> None:
        other = Stream("conn-of-another-tab", self.signer)
        other.seq = self.stream.seq
        following = self.reader.positions[channel] or self.here[channel]
        pos = [following.epoch, following.offset + 1]
        data = other.frame("msg", self.clock.now_ms(), ch=channel, data="foreign", pos=pos)
        assert refusal(self.reader.receive(data, self.clock.now_ms())) is Refusal.ORDER

    @rule(channel=st.sampled_from(CHANNELS), count=st.integers(min_value=0, max_value=3), kept=st.booleans())
    def reconnect(self, channel: str, count: int, *, kept: bool) -> None:
        """With something published in between, which history may not hold any more."""
        self.seen.extend(self.in_flight)
        for _ in range(count):
            self.append(channel)
        if not kept:
            self.history_expires(channel)
        self.connect()

    # The client

    def receive(self, data: bytes) -> None:
        self.seen.append(data)
        payload = outside.members(data)["payload"]
        events = self.reader.receive(data, self.clock.now_ms())
        if refusal(events) is None:
            # Which connection it is, hello says: an undelivered one of an earlier connection can take its place.
            assert payload["conn"] == self.reader.conn
            assert payload["seq"] not in self.accepted
            self.accepted.add(payload["seq"])
        for event in events:
            self.happened(event, payload)
        assert self.holes or len(self.accepted) == max(self.accepted, default=0), "missing frames, not told"
        assert self.reader.positions is self.positions

    def happened(self, event: Event, payload: dict[str, Any]) -> None:
        match event:
            case Publication(channel, data, position, recovered):
                place = self.place[channel]
                assert place is not None
                assert self.published[channel][place] == data == payload["data"]
                assert self.index_at[channel, position] == place + 1 == self.index_of(channel)
                assert recovered == payload.get("re", False)
                self.place[channel] = place + 1
            case Gap(channel, position, reason):
                assert reason == payload["reason"]
                assert self.index_of(channel) == self.index_at[channel, position] >= (self.place[channel] or 0)
                self.place[channel] = self.index_of(channel)
            case Control(Down.SUBSCRIBED, _):
                if self.place[payload["ch"]] is None:
                    self.place[payload["ch"]] = self.index_of(payload["ch"])
            case Hole(kind):
                assert kind == "gap"
                assert not self.pristine, "an honest wire and a hole"
                self.holes += 1
            case Refused(reason, kid):
                assert reason in {Refusal.STALE, Refusal.REPLAY, Refusal.ORDER}
                assert kid == KID
                assert not self.pristine, "an honest wire and a refusal"

    def index_of(self, channel: str) -> int:
        position = self.positions[channel]
        assert position is not None
        return self.index_at[channel, position]

    def teardown(self) -> None:
        """On a last connection that works, everything arrives or is told."""
        self.connect()
        self.deliver(len(self.in_flight))
        assert self.holes == 0
        for channel in self.CHANNELS:
            assert self.place[channel] == len(self.published[channel])
            assert self.positions[channel] == self.here[channel]


TestNetwork = Network.TestCase
