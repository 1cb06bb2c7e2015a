"""The store is chosen by URL, and one that is not there is refused with a remedy."""

from pathlib import Path

import pytest

from jitterbug.config import Config, HistoryRule
from jitterbug.errors import SettingError
from jitterbug.protocol.codes import GapReason
from jitterbug.protocol.position import Position
from jitterbug.stores.memory import MemoryStore
from jitterbug.stores.open_store import check_engine, open_store
from jitterbug.stores.sqlite import SqliteStore
from jitterbug.testing import ManualClock
from tests.looped import in_loop

CONFIG = Config(history_size=3, history_rules=(HistoryRule("few", 1, 60),))


@pytest.mark.parametrize("kind", [MemoryStore, SqliteStore])
def test_a_store_is_made_by_its_url_and_follows_the_settings(kind: type, tmp_path: Path) -> None:
    url = "memory://" if kind is MemoryStore else f"sqlite:///{tmp_path}/history.db"

    @in_loop
    async def check() -> None:
        store = open_store(url, ManualClock(), CONFIG)
        assert type(store) is kind
        await store.start()
        for channel, size in (("few", 1), ("other", 3)):
            last = [await store.append(channel, b"1") for _ in range(5)][-1]
            assert (await store.read(channel, Position(last.epoch, 5 - size))).lost is None
            assert (await store.read(channel, Position(last.epoch, 4 - size))).lost is GapReason.EXPIRED
        await store.stop()

    check()


@in_loop
async def _open_and_close(url: str) -> None:
    store = open_store(url, ManualClock(), CONFIG)
    await store.start()
    await store.stop()


def test_a_relative_file_starts_where_the_process_was_started(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    _open_and_close("sqlite:///history.db")
    assert (tmp_path / "history.db").is_file()


@pytest.mark.parametrize("url", ["redis://user:hunter2@h", "sqlite:///", "sqlite://h/x", "memory://x", "hunter2", ""])
def test_another_store_is_refused_with_a_remedy_and_without_the_url(url: str) -> None:
    with pytest.raises(SettingError) as caught:
        check_engine(url)
    assert caught.value.setting == "JITTERBUG_ENGINE"
    assert "sqlite:///history.db" in caught.value.remedy
    assert "hunter2" not in str(caught.value)
