"""The store in a file keeps the contract, and over a restart all that it said (R12, R33, PROTOCOL §5)."""

import asyncio
import itertools
import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from jitterbug.config import Config, HistoryRule
from jitterbug.errors import SettingError, StoreError
from jitterbug.protocol.codes import ErrorCode, GapReason
from jitterbug.protocol.position import Position
from jitterbug.stores.open_store import open_store
from jitterbug.stores.sqlite import SqliteStore
from jitterbug.testing import ManualClock
from tests.hub.house import House
from tests.looped import in_loop
from tests.stores.contract import NOW_MS, StoreContract, nonce, told

MEMORY = "/dev/shm" if Path("/dev/shm").is_dir() else None
"""Where files need no disk, so that hundreds of stores are made in seconds; the other tests use a disk."""
LINUX = pytest.mark.skipif(not Path("/proc/sys/kernel/random/boot_id").exists(), reason="the system names no boot")


class TestSqliteStore(StoreContract):
    """The contract, each store in a new file."""

    clock: ManualClock

    files: Iterator[Path]

    @pytest.fixture(autouse=True)
    def folder(self) -> Iterator[None]:
        with tempfile.TemporaryDirectory(dir=MEMORY) as folder:
            type(self).files = (Path(folder) / f"{number}.db" for number in itertools.count())
            yield

    async def make(self, **settings: Any) -> SqliteStore:
        type(self).clock = ManualClock()
        store = SqliteStore(next(self.files), self.clock, **settings)
        await store.start()
        return store

    async def pass_time(self, seconds: float) -> None:
        self.clock.advance(s=seconds)


async def started(path: Path, clock: ManualClock | None = None, **settings: Any) -> SqliteStore:
    store = SqliteStore(path, clock or ManualClock(), **settings)
    await store.start()
    return store


def change(path: Path, statement: str, *values: Any) -> None:
    """Change the file from outside, as only a test may."""
    connection = sqlite3.connect(path)
    with connection:
        connection.execute(statement, values)
    connection.close()


def found(folder: Path, *, larger_than_bytes: int = -1) -> list[str]:
    """Names of the files there."""
    return [item.name for item in folder.iterdir() if item.stat().st_size > larger_than_bytes]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "history.db"


# Restarts.


@in_loop
async def _fill(path: Path, clock: ManualClock) -> None:
    store = await started(path, clock)
    for number in range(5):
        await store.append("a", b"%d" % number, publication_id=f"id-{number}")
    await store.stop()


def test_a_restart_keeps_epoch_positions_history_and_ids(path: Path, clock: ManualClock) -> None:
    _fill(path, clock)

    @in_loop
    async def again() -> None:
        store = await started(path, clock)
        here = (await store.read("a", None)).position
        assert here.offset == 5
        backlog = await store.read("a", Position(here.epoch, 2))
        assert told(backlog) == (here, [b"2", b"3", b"4"], None)
        assert await store.append("a", b"again", publication_id="id-3") == Position(here.epoch, 4)
        assert (await store.read("b", None)).position == Position(here.epoch, 0)
        assert await store.append("a", b"5") == Position(here.epoch, 6)
        await store.stop()

    again()


@in_loop
async def test_one_store_may_be_stopped_and_started_again(path: Path) -> None:
    store = await started(path)
    first = await store.append("a", b"1")
    await store.stop()
    with pytest.raises(StoreError):
        await store.append("a", b"2")
    await store.start()
    assert await store.append("a", b"2") == Position(first.epoch, 2)
    await store.stop()


@in_loop
async def test_positions_outlive_data_over_a_restart(path: Path, clock: ManualClock) -> None:
    store = await started(path, clock, history_ttl_s=10)
    first = await store.append("a", b"1")
    await store.stop()
    clock.advance(s=11)
    store = await started(path, clock, history_ttl_s=10)
    assert told(await store.read("a", Position(first.epoch, 0))) == (first, [], GapReason.EXPIRED)
    assert await store.append("a", b"2") == Position(first.epoch, 2)
    await store.stop()


@in_loop
async def test_r33_a_restart_admits_no_nonce_again(path: Path, clock: ManualClock) -> None:
    store, used = await started(path, clock), nonce()
    assert await store.claim("kid-one", used, NOW_MS, NOW_MS)
    await store.stop()
    store = await started(path, clock)
    assert not await store.claim("kid-one", used, NOW_MS, NOW_MS + 5_000)
    assert await store.claim("kid-one", nonce(), NOW_MS, NOW_MS + 5_000)
    await store.stop()


@in_loop
async def test_r33_nor_does_one_with_the_clock_set_back_after_nonces_were_forgotten(
    path: Path, clock: ManualClock
) -> None:
    store, used = await started(path, clock), nonce()
    assert await store.claim("kid-one", used, NOW_MS, NOW_MS)
    later = NOW_MS + 60_000
    assert await store.claim("kid-one", nonce(), later, later)
    await asyncio.sleep(0.06)  # the time between two tidyings
    await store.claim("kid-one", nonce(), later, later)
    await store.stop()
    connection = sqlite3.connect(path)
    assert connection.execute("SELECT count(*) FROM nonces WHERE ts = ?", (NOW_MS,)).fetchone() == (0,)
    connection.close()
    store = await started(path, clock)
    assert not await store.claim("kid-one", used, NOW_MS, NOW_MS + 1_000)
    await store.stop()


# The system goes down.


@LINUX
@in_loop
async def test_after_a_power_cut_no_position_that_was_given_out_is_given_out_again(path: Path, tmp_path: Path) -> None:
    """What the disk holds is an earlier state: the last commits were only in the system's memory."""
    clock, left = ManualClock(), tmp_path / "left.db"
    store = await started(path, clock)
    for number in range(5):
        await store.append("a", b"%d" % number)
    for end in ("", "-wal"):
        shutil.copy(f"{path}{end}", f"{left}{end}")
    lost = [await store.append("a", b"lost") for _ in range(3)]
    await store.stop()
    change(left, "UPDATE meta SET value = 'another run of the kernel' WHERE name = 'running'")

    store = await started(left, clock)
    assert (await store.append("a", b"other")).epoch != lost[0].epoch
    for position in [*lost, Position(lost[0].epoch, 2)]:
        assert (await store.read("a", position)).lost is GapReason.EPOCH
    with pytest.raises(StoreError):
        await store.claim("kid-one", nonce(), NOW_MS + 5_000, NOW_MS)
    clock.advance(s=5.001)
    assert await store.claim("kid-one", nonce(), clock.now_ms(), clock.now_ms())
    await store.stop()


@in_loop
async def test_an_end_in_order_is_believed_whatever_run_of_the_system_it_was(path: Path) -> None:
    store = await started(path)
    first = await store.append("a", b"1")
    await store.stop()
    connection = sqlite3.connect(path)
    assert connection.execute("SELECT value FROM meta WHERE name = 'running'").fetchone() == (None,)
    connection.close()
    assert found(path.parent) == [path.name]
    store = await started(path)
    assert (await store.read("a", None)).position == first
    await store.stop()


# The file.


@in_loop
async def test_the_file_is_its_owners_alone(path: Path) -> None:
    previous = os.umask(0)
    try:
        store = await started(path)
        await store.append("a", b"1")
        modes = {item.stat().st_mode & 0o777 for item in path.parent.iterdir()}
        await store.stop()
    finally:
        os.umask(previous)
    assert modes == {0o600}


def refused(path: Path) -> str:
    with pytest.raises(SettingError) as caught:
        open_store(f"sqlite:///{path}", ManualClock(), Config())
    assert caught.value.setting == "JITTERBUG_ENGINE"
    assert caught.value.remedy
    assert str(path) not in str(caught.value)
    return str(caught.value)


def elsewhere(path: Path) -> str:
    """What another process is told."""
    code = "from tests.stores.test_sqlite import *; print(refused(Path(sys.argv[1])))"
    return subprocess.run([sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=True).stdout


@in_loop
async def test_two_stores_never_share_a_file(path: Path) -> None:
    store = await started(path)
    await store.append("a", b"1")
    assert "another process holds" in refused(path)
    assert "another process holds" in elsewhere(path)
    assert (await store.append("a", b"2")).offset == 2, "it was not disturbed"
    await store.stop()


def test_a_file_of_another_program_is_left_alone(path: Path) -> None:
    path.touch(0o600)
    change(path, "CREATE TABLE bookmarks (url)")
    before = path.read_bytes()
    assert "another program" in refused(path)
    assert path.read_bytes() == before
    path.write_bytes(b"Dear diary, " * 100)
    assert "no SQLite database" in refused(path)
    assert path.read_bytes() == b"Dear diary, " * 100


def test_a_file_of_a_later_version_is_left_alone(path: Path) -> None:
    _fill(path, ManualClock())
    change(path, "PRAGMA user_version = 2")
    assert "another version" in refused(path)


def test_a_file_that_others_may_open_a_folder_and_a_missing_folder_are_refused(path: Path) -> None:
    path.touch(0o640)
    assert "other users" in refused(path)
    assert "not a file" in refused(path.parent)
    assert "cannot be made" in refused(path.parent / "missing" / "history.db")
    assert "cannot be made" in refused(path / "below-a-file.db")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_may_not_be_written_to_is_refused(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    assert "cannot be made" in refused(tmp_path / "history.db")


def test_a_file_that_a_crash_left_empty_is_begun_anew(path: Path) -> None:
    path.touch(0o600)
    _fill(path, ManualClock())


# The disk fails.


@in_loop
async def test_r12_with_the_disk_full_a_hub_refuses_and_goes_on_when_there_is_room_again(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    clock = ManualClock()
    store = await started(path, clock)
    house = House(store=store, clock=clock)
    first = await house.hub.publish("a", "0")
    client = house.connect()
    await asyncio.wait_for(house.hub.subscribe(client.connection, "a"), 5)
    assert store._connection is not None
    (pages,) = store._connection.execute("PRAGMA page_count").fetchone()
    store._connection.execute(f"PRAGMA max_page_count = {pages}")
    last = first

    async def fill() -> None:
        nonlocal last
        while True:
            last = await asyncio.wait_for(house.hub.publish("a", "x" * 600), 5)

    with pytest.raises(StoreError) as caught:
        await fill()
    assert "SQLITE_FULL" in str(caught.value)
    assert "Free space" in caught.value.remedy
    await store.read("a", None)
    with pytest.raises(StoreError):
        await store.append("a", b"x" * 600)
    assert caplog.text.count("Free space") == 1, "told once, not at every try"
    with pytest.raises(StoreError):
        await asyncio.gather(*(store.append(f"new-{number}", b"1" * 500) for number in range(50)))
    outcome = await asyncio.wait_for(
        client.send({"t": "pub", "id": "1", "ch": "a", "data": "x" * 400}), 5
    )  # fmt: skip
    assert outcome.code is ErrorCode.INTERNAL

    store._connection.execute("PRAGMA max_page_count = 1000000")
    assert await house.hub.publish("a", "again") == Position(first.epoch, last.offset + 1), "no offset was used up"
    await house.settle()
    client.check_wire()
    await store.stop()


@in_loop
async def test_what_failed_is_forgotten_in_memory_too(path: Path) -> None:
    """Channels that made room for others came back with the transaction; so does the epoch."""
    store = await started(path, max_channels=20)
    for number in range(20):
        first = await store.append(f"c{number}", b"1" * 500)
    assert store._connection is not None
    (pages,) = store._connection.execute("PRAGMA page_count").fetchone()
    store._connection.execute(f"PRAGMA max_page_count = {pages}")
    appends = [store.append(f"d{number}", b"1" * 50_000) for number in range(10)]
    assert {type(found) for found in await asyncio.gather(*appends, return_exceptions=True)} == {StoreError}

    assert (await store.read("d0", None)).position == Position(first.epoch, 0)
    assert (await store.read("c0", None)).position == Position(first.epoch, 1)
    assert store._history._channel_count == 20
    await store.stop()


@in_loop
async def test_a_reader_resumes_through_a_restart_of_the_hub_without_a_gap(path: Path) -> None:
    clock = ManualClock()
    before = House(store=await started(path, clock), clock=clock)
    client = await before.reader("a")
    await before.publish("a", 3)
    await before.settle()
    assert client.data() == [0, 1, 2]
    await before.store.append("a", b"3")
    await before.store.stop()

    after = House(store=await started(path, clock), clock=clock)
    since = client.reader.receiver.positions["a"]
    again = after.connect(positions={"a": since})
    await after.hub.subscribe(again.connection, "a", since)
    await after.publish("a", 1, start=4)
    await after.settle()
    assert (again.data(), again.gaps()) == ([3, 4], [])
    again.check_wire()
    await after.store.stop()


@in_loop
async def test_a_store_that_is_not_started_refuses(path: Path) -> None:
    store = SqliteStore(path, ManualClock())
    for ask in (store.append("a", b"1"), store.read("a", None), store.claim("kid-one", nonce(), NOW_MS, NOW_MS)):
        with pytest.raises(StoreError):
            await ask


@in_loop
async def test_one_who_no_longer_waits_leaves_order_and_delivery_as_they_are(path: Path) -> None:
    store, delivered = await started(path), list[int]()
    store.attach(lambda publication: delivered.append(publication.position.offset))
    appends = [asyncio.create_task(store.append("a", b"1")) for _ in range(20)]
    await asyncio.sleep(0)
    for append in appends[::2]:
        append.cancel()
    await asyncio.gather(*appends, return_exceptions=True)
    assert (await store.append("a", b"1")).offset == 21
    assert delivered == list(range(1, 22))
    await store.stop()


@in_loop
async def test_what_was_asked_for_before_a_stop_is_done(path: Path) -> None:
    store = await started(path)
    appends = [asyncio.create_task(store.append("a", b"1")) for _ in range(500)]
    await asyncio.sleep(0)
    await store.stop()
    assert [(await append).offset for append in appends] == list(range(1, 501))


# Bounds.


@in_loop
async def test_history_follows_the_rule_of_its_channel_and_what_is_over_is_deleted(path: Path) -> None:
    clock = ManualClock()
    rules = (HistoryRule("orders/**", 3, 60), HistoryRule("chat/*", 5, 5), HistoryRule("**/quiet", 0, 60))
    store = await started(path, clock, history_rules=rules)
    for number in range(8):
        for channel in ("orders/a/b", "chat/a", "chat/quiet", "b/quiet", "other"):
            await store.append(channel, b"%d" % number)

    async def kept(channel: str) -> int:
        here = (await store.read(channel, None)).position
        found = [await store.read(channel, Position(here.epoch, since)) for since in range(here.offset)]
        return max((len(backlog.publications) for backlog in found), default=0)

    assert [await kept(channel) for channel in ("orders/a/b", "chat/a", "chat/quiet", "b/quiet")] == [3, 5, 5, 0]
    clock.advance(s=6)
    assert [await kept(channel) for channel in ("orders/a/b", "chat/a", "other")] == [3, 0, 8]
    await asyncio.sleep(0.06)  # the time between two tidyings
    await store.read("other", None)
    await store.stop()
    connection = sqlite3.connect(path)
    assert connection.execute("SELECT count(*) FROM publications").fetchone() == (3 + 8,)
    connection.close()


@in_loop
async def test_the_file_keeps_its_bound_by_giving_up_the_oldest(path: Path) -> None:
    store = await started(path, history_size=100_000, max_file_bytes=1_000_000)
    first = await store.append("a", b"first")
    for _ in range(8):
        await asyncio.gather(*(store.append("b", b"x" * 1_000) for _ in range(250)))
        await asyncio.sleep(0.055)  # the time between two tidyings
    assert (await store.read("a", Position(first.epoch, 0))).lost is GapReason.EXPIRED
    last = (await store.read("b", None)).position
    assert len((await store.read("b", Position(last.epoch, last.offset - 50))).publications) == 50
    await store.stop()
    assert found(path.parent, larger_than_bytes=3_000_000) == []


@in_loop
async def test_beyond_the_bound_of_channels_the_longest_unused_go_and_come_back_in_another_epoch(path: Path) -> None:
    clock = ManualClock()
    store = await started(path, clock, max_channels=20)
    first = await store.append("c0", b"1")
    for number in range(1, 50):
        clock.advance(ms=1)
        await store.append(f"c{number}", b"1")
        assert (await store.read(f"c{number}", None)).position.offset == 1
    assert (await store.read("c0", first)).lost is GapReason.EPOCH
    await store.stop()
    connection = sqlite3.connect(path)
    assert connection.execute("SELECT count(*) FROM channels").fetchone()[0] <= 20
    connection.close()
