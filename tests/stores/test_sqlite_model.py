"""The store in a file does what the one in memory does, through any number of restarts."""

import asyncio
import itertools
import tempfile
from pathlib import Path
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule

from jitterbug.config import HistoryRule
from jitterbug.protocol.position import Position
from jitterbug.stores.base import Backlog
from jitterbug.stores.memory import MemoryStore
from jitterbug.stores.sqlite import SqliteStore
from jitterbug.testing import ManualClock
from tests.stores.test_sqlite import MEMORY

channels = st.sampled_from(["a", "b", "few/a", "short/a", "none/a"])
LIMITS: dict[str, Any] = {
    "history_size": 5,
    "history_ttl_s": 10,
    "history_rules": (HistoryRule("few/*", 2, 10), HistoryRule("short/**", 5, 1), HistoryRule("none/*", 0, 10)),
}


class Stores(RuleBasedStateMachine):
    """One operation at a time on both; epochs differ, all else is the same."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory(dir=MEMORY)
        self.runner = asyncio.Runner()
        self.clock = ManualClock()
        self.path = Path(self.folder.name) / "history.db"
        self.model = MemoryStore(self.clock, **LIMITS)
        self.handed_out: dict[str, list[Any]] = {"model": [], "file": []}
        self.model.attach(lambda p: self.handed_out["model"].append((p.channel, p.position.offset, p.data)))
        self.numbers = itertools.count()
        self.begin()
        self.model_epoch, self.epoch = (
            self.runner.run(store.read("a", None)).position.epoch for store in (self.model, self.store)
        )

    def begin(self) -> None:
        self.store = SqliteStore(self.path, self.clock, **LIMITS)
        self.store.attach(lambda p: self.handed_out["file"].append((p.channel, p.position.offset, p.data)))
        self.runner.run(self.store.start())

    @rule(channel=channels, publication_id=st.none() | st.sampled_from("xyz"))
    def append(self, channel: str, publication_id: str | None) -> None:
        data = b"%d" % next(self.numbers)
        expected = self.runner.run(self.model.append(channel, data, publication_id=publication_id))
        position = self.runner.run(self.store.append(channel, data, publication_id=publication_id))
        assert position == Position(self.epoch, expected.offset)

    @rule(channel=channels, count=st.integers(2, 8))
    def append_at_once(self, channel: str, count: int) -> None:
        async def burst(store: Any) -> list[int]:
            positions = await asyncio.gather(*(store.append(channel, b"%d" % n) for n in range(count)))
            return [position.offset for position in positions]

        assert self.runner.run(burst(self.store)) == self.runner.run(burst(self.model))

    @rule(channel=channels, offset=st.integers(0, 12), is_foreign=st.booleans())
    def read(self, channel: str, offset: int, *, is_foreign: bool) -> None:
        def told(backlog: Backlog) -> Any:
            kept = [(p.channel, p.position.offset, p.data) for p in backlog.publications]
            return backlog.position.offset, backlog.lost, kept

        epochs = ("another", "another") if is_foreign else (self.model_epoch, self.epoch)
        expected, backlog = (
            self.runner.run(store.read(channel, Position(epoch, offset)))
            for store, epoch in zip((self.model, self.store), epochs, strict=True)
        )
        assert told(backlog) == told(expected)
        assert backlog.position.epoch == self.epoch

    @rule(kid=st.sampled_from(["one", "two"]), nonce=st.sampled_from("abc"), behind_ms=st.integers(-5_000, 5_000))
    def claim(self, kid: str, nonce: str, behind_ms: int) -> None:
        now_ms = self.clock.now_ms()
        expected = self.runner.run(self.model.claim(kid, nonce, now_ms - behind_ms, now_ms))
        assert self.runner.run(self.store.claim(kid, nonce, now_ms - behind_ms, now_ms)) is expected

    @rule(ms=st.integers(0, 12_000))
    def time_passes(self, ms: int) -> None:
        self.clock.advance(ms=ms)

    @rule()
    def restart(self) -> None:
        self.runner.run(self.store.stop())
        self.begin()

    def teardown(self) -> None:
        self.runner.run(self.store.stop())
        self.runner.close()
        self.folder.cleanup()
        assert self.handed_out["file"] == self.handed_out["model"]


TestStores = Stores.TestCase
TestStores.settings = settings(max_examples=max(1, settings.default.max_examples // 6))
