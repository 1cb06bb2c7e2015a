"""The trail of a node: it goes on where it ended, and when it cannot be written the hub knows (R83-R87, R12)."""

import logging
import os
import resource
import signal
import stat
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jitterbug.errors import SettingError
from jitterbug.telemetry.audit import seal_file
from jitterbug.telemetry.audit.chain import append, start
from jitterbug.telemetry.audit.fold import Fold
from jitterbug.telemetry.audit.record import kid_hash, members_of, utc
from jitterbug.telemetry.audit.trail import AuditTrail
from jitterbug.telemetry.audit.verify import verify
from jitterbug.telemetry.events import Fact, FactCode
from jitterbug.testing import ManualClock
from tests.telemetry.trails import KEY, REFUSED, chain, opened, records, until, write


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "audit.jsonl"


def wrote(path: Path, *facts: Fact, clock: ManualClock | None = None) -> None:
    """One life of a trail."""
    trail = opened(path, clock)
    for fact in facts:
        trail(fact)
    trail.stop()


def refused(path: Path) -> str:
    """Assert that a trail is not gone on with; return what the operator reads."""
    before = path.read_bytes() if path.exists() else None
    with pytest.raises(SettingError) as caught:
        opened(path)
    assert caught.value.setting == "JITTERBUG_AUDIT_FILE"
    assert (path.read_bytes() if path.exists() else None) == before, "what is evidence stays as it is"
    return str(caught.value)


# Records.


@given(st.integers(min_value=0, max_value=4_000_000_000_000))
def test_the_time_of_a_record_is_utc_to_the_millisecond(at_ms: int) -> None:
    """R83-R87."""
    text = utc(at_ms)
    read = datetime.fromisoformat(text)

    assert text.endswith("Z")
    assert read.utcoffset() == datetime.now(UTC).utcoffset()
    assert round(read.timestamp() * 1_000) == at_ms
    assert len(text) == len("2026-07-21T12:20:00.000Z")


@given(kid=st.text(min_size=1), code=st.sampled_from(FactCode), reason=st.none() | st.text())
def test_a_record_names_who_what_and_how_it_ended_and_no_kid(kid: str, code: FactCode, reason: str | None) -> None:
    """R83-R87: whatever a stranger claims for a kid, lone surrogates included."""
    who = {"session": "5e55104", "address": "192.0.2.1", "conn": "c", "channel": "a", "request_id": "r"}
    members = members_of(Fact(code=code, reason=reason, kid=kid, **who), 1_784_636_400_000, "node-1")

    assert members["event"] == code.value
    assert members["outcome"] in {"done", "refused"}
    assert members["kid"] == kid_hash(kid)
    assert members.get("reason") == reason
    assert {"session": "5e55104", "address": "192.0.2.1", "request": "r", "node": "node-1"}.items() <= members.items()
    assert len(kid) < 3 or kid not in repr(members["kid"])
    assert append(start(KEY), members)[0].isascii()


def test_every_refusal_has_the_outcome_refused() -> None:
    ended = {code: members_of(Fact(code=code), 0, "n")["outcome"] for code in FactCode}

    assert {code for code, outcome in ended.items() if outcome == "refused"} == {
        code for code in FactCode if code.value.endswith(("_refused", "_failed", "_limited")) or "error" in code.value
    }


def test_r87_figures_stand_in_a_member_of_their_own(path: Path, clock: ManualClock) -> None:
    wrote(path, Fact(code=FactCode.PERFORMANCE, figures={"connections": 3, "tick_delay_ms": 1}), clock=clock)

    assert records(path)[0]["figures"] == {"connections": 3, "tick_delay_ms": 1}


# Going on.


def test_a_trail_goes_on_where_it_ended(path: Path) -> None:
    for _ in range(3):
        wrote(path, REFUSED)

    assert [record["event"] for record in records(path)] == ["auth_failed", "checkpoint"] * 3
    assert [record["seq"] for record in records(path)] == [1, 2, 3, 4, 5, 6]
    assert [record.get("records") for record in records(path)][1::2] == [1, 3, 5]
    assert verify(path).fault is None


def test_both_files_are_their_owners_alone(path: Path) -> None:
    old = os.umask(0)
    try:
        wrote(path, REFUSED)
    finally:
        os.umask(old)
    for file in (path, seal_file.path_beside(path)):
        assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_a_checkpoint_is_told_to_the_log_every_thousand_records(
    path: Path, clock: ManualClock, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "jitterbug.audit")
    trail = opened(path, clock)
    for number in range(2_800):
        trail(Fact(code=FactCode.KEY_ISSUED, session=f"{number:x}"))
        if number % 700 == 699:
            until(lambda: not trail._queue)
            clock.advance(s=1)
    trail.stop()
    told = [
        record.getMessage().rpartition(" ")[2].split(":") for record in caplog.records if "checkpoint" in record.msg
    ]

    assert len(told) == 3, "every thousand, and the last one at the end"
    for seq, head in told:
        assert verify(path, checkpoint=(int(seq), head)).fault is None


def test_a_quiet_trail_is_marked_every_quarter_of_an_hour_and_at_its_end(
    path: Path, clock: ManualClock, caplog: pytest.LogCaptureFixture
) -> None:
    """R83-R87: a checkpoint in the log is what a cut trail is found by; a hub with few records has some, too."""
    caplog.set_level(logging.INFO, "jitterbug.audit")

    def told() -> int:
        return sum("checkpoint" in record.msg for record in caplog.records)

    trail = opened(path, clock)
    trail(REFUSED)
    until(lambda: not trail._queue)
    clock.advance(s=15 * 60 - 1)
    trail._wakeup.set()
    trail(REFUSED)
    until(lambda: not trail._queue)
    assert told() == 0
    clock.advance(s=1)
    trail._wakeup.set()
    until(lambda: told() == 1)
    clock.advance(s=60 * 60)
    trail._wakeup.set()
    until(lambda: not trail._wakeup.is_set())
    trail.stop()

    assert told() == 2, "nothing had happened in between, so the hour alone made none"
    assert [record["event"] for record in records(path)] == ["auth_failed", "auth_failed", "checkpoint", "checkpoint"]
    assert verify(path).fault is None


def test_a_seal_behind_the_trail_is_caught_up_with(path: Path) -> None:
    """A crash between the records and the seal: they were written with its key, so they are genuine."""
    lines, _ = chain(10)
    write(path, lines, chain(7)[1])
    wrote(path, REFUSED)

    assert verify(path, key=KEY).records == 12
    assert verify(path, key=KEY).fault is None


@settings(max_examples=40)
@given(whole=st.integers(0, 6), sealed=st.integers(0, 6), torn=st.integers(1, 80))
def test_a_torn_record_is_taken_off_and_nothing_else(
    tmp_path_factory: pytest.TempPathFactory, whole: int, sealed: int, torn: int
) -> None:
    path = tmp_path_factory.mktemp("torn") / "audit.jsonl"
    lines, _ = chain(whole + 1)
    write(path, lines[:whole], chain(min(sealed, whole))[1])
    with path.open("ab") as file:
        file.write(lines[whole][:torn])
    trail = AuditTrail(path, clock=ManualClock(), node="n")
    trail._file.open()
    trail._file.close()

    assert path.read_bytes().splitlines() == lines[:whole]
    assert verify(path, key=KEY).fault is None


def test_whole_records_after_the_seal_that_do_not_follow_were_not_torn_but_changed(path: Path) -> None:
    """Evidence is not cut off at a restart: the hub refuses, and ``audit verify`` names the line."""
    lines, _ = chain(10)
    lines[7] = lines[7].replace(b"auth_failed", b"auth_passed")
    write(path, lines, chain(5)[1])

    assert "audit verify" in refused(path)
    assert verify(path, key=KEY).line == 8


def test_the_seal_of_another_trail_is_refused(path: Path) -> None:
    lines, seal = chain(5)
    refusals = []
    for foreign in (chain(5, bytes(32))[1], chain(9)[1], start(KEY).__class__(5, "0" * 64, KEY)):
        write(path, lines, foreign)
        if foreign.head != seal.head:
            refusals.append(refused(path))
    assert len(refusals) == 3
    assert all("cannot be continued" in text for text in refusals)


def test_a_trail_without_its_seal_is_refused(path: Path) -> None:
    write(path, chain(3)[0])
    assert "cannot be continued" in refused(path)


@pytest.mark.parametrize("left", [b"", b"x\n"])
def test_a_seal_without_its_trail_is_refused(path: Path, left: bytes) -> None:
    """Who takes the trail away and leaves the seal is not given a new one."""
    write(path, [], chain(3)[1])
    path.write_bytes(left)
    refused(path)
    path.unlink()
    with pytest.raises(SettingError):
        opened(path)


@pytest.mark.parametrize(
    "text",
    [b"", b"{", b"[]", b"null", b'{"seq":1}', b'{"seq":"1","head":"a","key":"a"}', b'{"seq":1,"head":2,"key":"AA=="}',
     b'{"seq":-1,"head":"%b","key":"AA=="}' % (b"0" * 64), b"[" * 100_000, b"\xff\xfe"],
)  # fmt: skip
def test_what_is_no_seal_is_refused_and_not_quoted(path: Path, text: bytes) -> None:
    """R12, R4: one error, and nothing of what may hold a key in it."""
    write(path, chain(1)[0])
    seal_file.path_beside(path).write_bytes(text)
    refused(path)
    with pytest.raises(ValueError, match="cannot be read") as caught:
        seal_file.read(path)
    assert caught.value.__cause__ is None


@settings(max_examples=40)
@given(st.integers(min_value=0), st.integers(min_value=0, max_value=7))
def test_a_flipped_bit_in_the_seal_never_passes_for_the_seal(
    tmp_path_factory: pytest.TempPathFactory, at: int, bit: int
) -> None:
    path = tmp_path_factory.mktemp("seal") / "audit.jsonl"
    lines, seal = chain(3)
    write(path, lines, seal)
    beside = seal_file.path_beside(path)
    changed = bytearray(beside.read_bytes())
    changed[at % len(changed)] ^= 1 << bit
    beside.write_bytes(changed)
    try:
        read = seal_file.read(path)
    except ValueError:
        return
    # Of a key one cannot tell: the next record would be signed with it, and verifying with the first key says so.
    assert read is not None
    assert read.key != seal.key or read == seal or verify(path).fault is not None


def test_two_hubs_cannot_write_one_trail(path: Path) -> None:
    """Two chains in one file would be none."""
    trail = opened(path)
    assert "another hub" in refused(path)
    trail(REFUSED)
    trail.stop()
    wrote(path, REFUSED)
    assert verify(path).fault is None


@pytest.mark.parametrize("what", ["a directory", "no directory"])
def test_what_cannot_be_opened_is_a_setting_error(tmp_path: Path, what: str) -> None:
    path = tmp_path if what == "a directory" else tmp_path / "missing" / "audit.jsonl"
    with pytest.raises(SettingError, match="cannot be continued"):
        opened(path)


# Floods.


def test_a_flood_becomes_eleven_records_whose_counts_add_up(path: Path, clock: ManualClock) -> None:
    """REQUIREMENTS §2.25: 10,000 refusals in a second from one address; the count of the last second is not lost."""
    wrote(path, *[REFUSED] * 10_000, clock=clock)
    told = [record for record in records(path) if record["event"] == "auth_failed"]

    assert [record["count"] for record in told] == [1] * 10 + [9_990]
    assert told[-1]["address"] == "192.0.2.1"
    assert verify(path).fault is None


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(1, 5), st.integers(0, 700)), max_size=300))
def test_however_they_come_every_fact_is_counted_once(facts: list[tuple[int, int, int]]) -> None:
    fold, now_ms, told = Fold(), 0, []
    given_counts: dict[str | None, int] = {}
    for who, count, pause_ms in facts:
        now_ms += pause_ms if pause_ms > 600 else 0
        fact = Fact(code=FactCode.AUTH_FAILED, address=f"192.0.2.{who}", count=count)
        given_counts[fact.address] = given_counts.get(fact.address, 0) + count
        told += fold.take(fact, now_ms * 1_000_000)
    told += fold.rest()
    found: dict[str | None, int] = {}
    for fact in told:
        found[fact.address] = found.get(fact.address, 0) + fact.count
    assert found == given_counts
    assert fold.rest() == []


def test_a_hundred_thousand_addresses_take_no_more_memory_than_a_thousand() -> None:
    fold, told = Fold(), 0
    for number in range(100_000):
        fact = Fact(code=FactCode.AUTH_FAILED, reason="session", address=f"2001:db8::{number:x}")
        told += sum(item.count for item in fold.take(fact, 5))
        assert len(fold._counts) <= 1_001
    (rest,) = fold.rest()

    assert told + rest.count == 100_000
    assert told == 1_010
    assert rest.address is None, "whose they are is no longer known"


def test_what_finds_the_queue_full_is_counted_and_told(path: Path, clock: ManualClock) -> None:
    """R12: nothing is thrown away silently."""
    trail = AuditTrail(path, clock=clock, node="n")
    for number in range(10_100):
        trail(Fact(code=FactCode.KEY_ISSUED, session=f"{number:x}", address=str(number)))
        clock.advance(s=1 if number % 500 == 0 else 0)
    assert trail.lost == 100
    trail.start()
    trail.stop()
    told = records(path)

    assert sum(record["count"] for record in told if record["event"] == "key_issued") == 10_000
    assert [(r["count"], r["outcome"]) for r in told if r["event"] == "lost"] == [(100, "lost")]
    assert verify(path).fault is None


# When it cannot be written.


class FullDisk:
    """Files of this process cannot grow beyond a size, as on a disk that is full: EFBIG in place of ENOSPC."""

    def __init__(self) -> None:
        self._before = resource.getrlimit(resource.RLIMIT_FSIZE)
        self._handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)

    def fill(self, limit_bytes: int) -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit_bytes, self._before[1]))

    def clear(self) -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, self._before)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.clear()
        signal.signal(signal.SIGXFSZ, self._handler)


@pytest.mark.parametrize("room_bytes", [0, 100, 4_000])
def test_r12_a_full_disk_is_known_and_gone_on_from(
    path: Path, caplog: pytest.LogCaptureFixture, room_bytes: int
) -> None:
    """Partly written batches are taken off; once there is room, everything that waited is there, in order."""
    trail = opened(path)
    trail(Fact(code=FactCode.KEY_ISSUED, session="before"))
    until(lambda: not trail._queue)
    with FullDisk() as disk:
        disk.fill(path.stat().st_size + room_bytes)
        for number in range(50):
            trail(Fact(code=FactCode.KEY_ISSUED, session=f"{number:02}"))
        until(lambda: not trail.is_healthy)
        assert verify(path).fault is None, "it ends in a whole record"
        assert trail.lost == 0
        disk.clear()
        until(lambda: trail.is_healthy)
    trail.stop()

    assert [record.get("session") for record in records(path)][1:-1] == [f"{number:02}" for number in range(50)]
    assert verify(path).fault is None
    assert "keys and frames are refused" in caplog.text


def test_r12_a_torn_batch_that_could_not_be_taken_off_is_taken_off_later(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trail = opened(path)
    with FullDisk() as disk, monkeypatch.context() as patch:
        patch.setattr("jitterbug.telemetry.audit.trail_file.os.truncate", lambda *_: (_ for _ in ()).throw(OSError(5)))
        disk.fill(100)
        trail(REFUSED)
        until(lambda: not trail.is_healthy)
        assert path.stat().st_size == 100
        disk.clear()
        until(lambda: trail.is_healthy)
    trail.stop()

    assert verify(path).fault is None
    assert [record["event"] for record in records(path)] == ["auth_failed", "checkpoint"]


def test_r12_without_a_seal_there_are_no_records(path: Path) -> None:
    """The seal cannot be written (its draft's name is taken by a directory): the records are taken off again."""
    trail = opened(path)
    draft = path.with_name(path.name + ".seal.new")
    draft.mkdir()
    trail(REFUSED)
    until(lambda: not trail.is_healthy)
    assert path.read_bytes() == b""
    draft.rmdir()
    until(lambda: trail.is_healthy)
    trail.stop()

    assert verify(path).fault is None
    assert records(path)[0]["event"] == "auth_failed"


@pytest.mark.parametrize("deed", ["moved", "cut"])
def test_r12_a_trail_that_is_taken_away_while_it_is_written_is_noticed(path: Path, deed: str) -> None:
    """It does not go on in a new file as if nothing had been before."""
    trail = opened(path)
    trail(REFUSED)
    until(lambda: not trail._queue)
    kept = path.read_bytes()
    if deed == "moved":
        path.rename(path.with_name("elsewhere"))
    else:
        os.truncate(path, 10)
    trail(REFUSED)
    until(lambda: not trail.is_healthy)
    assert not path.exists() or path.stat().st_size == 10
    path.write_bytes(kept)
    until(lambda: trail.is_healthy)
    trail.stop()
    assert verify(path).fault is None


def test_r12_whatever_breaks_in_the_writer_the_hub_knows(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An error nobody thought of neither ends the thread nor leaves the hub in the belief that it is recorded."""
    trail = opened(path)
    with monkeypatch.context() as patch:
        patch.setattr("jitterbug.telemetry.audit.trail.members_of", lambda *_: 1 / 0)
        trail(REFUSED)
        until(lambda: not trail.is_healthy)
    until(lambda: trail.is_healthy)
    trail.stop()
    assert records(path)[0]["event"] == "auth_failed"


def test_what_could_not_be_written_before_the_end_is_told_to_the_log(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    trail = opened(path)
    path.unlink()
    for _ in range(3):
        trail(REFUSED)
    trail.stop()

    assert "ends without 3 facts" in caplog.text
    assert not trail.is_healthy


def test_a_trail_that_was_not_started_or_was_stopped_is_not_fit(path: Path) -> None:
    """R12: a hub that requires it refuses."""
    trail = AuditTrail(path, clock=ManualClock(), node="n")
    states: list[Any] = [trail.is_healthy]
    trail.start()
    states.append(trail.is_healthy)
    trail.stop()
    trail.stop()
    assert [*states, trail.is_healthy] == [False, True, False]
