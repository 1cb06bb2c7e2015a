"""Whatever is done to a trail is found, and its place named (R83-R87, REQUIREMENTS §5.8)."""

import base64
import dataclasses
import hashlib
import json
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jitterbug.protocol.signing import MacKey
from jitterbug.telemetry.audit.chain import GENESIS, Seal, advance, append, fault, start
from jitterbug.telemetry.audit.seal_file import path_beside
from jitterbug.telemetry.audit.verify import Report, verify
from tests.strategies import json_values
from tests.telemetry.trails import KEY, chain, write

COUNT = 200
LINES, LAST = chain(COUNT)
SEALS = [start(KEY)]
for _line in LINES:
    SEALS.append(advance(SEALS[-1], _line))
WORDS = {"at": "now", "event": "e"}
places = st.integers(min_value=0, max_value=COUNT - 1)


@pytest.fixture(scope="module")
def trail() -> Iterator[Path]:
    # In memory where there is such a place: every seal is synced, thousands of times here.
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as folder:
        yield Path(folder) / "audit.jsonl"


def judge(trail: Path, lines: list[bytes], *, sealed: bool = True, **options: Any) -> Report:
    """Verify these lines as the trail that the seal belongs to."""
    return verify(write(trail, lines, LAST if sealed else None), **options)


members = st.dictionaries(st.text(max_size=8), json_values, max_size=3)


@settings(max_examples=30)
@given(st.lists(members, max_size=3), st.binary(min_size=32, max_size=32))
def test_whatever_is_recorded_verifies_and_can_be_read(trail: Path, said: list[dict[str, Any]], key: bytes) -> None:
    seal, lines = start(key), []
    for named in said:
        line, seal = append(seal, named)
        lines.append(line)
    report = verify(write(trail, lines, seal), key=key, checkpoint=(seal.seq, seal.head))

    assert (report.fault, report.records, report.head, report.with_key) == (None, len(said), seal.head, True)
    for named, line in zip(said, lines, strict=True):
        assert line.isascii()
        assert b"\n" not in line
        read, own = json.loads(line), {"seq", "prev", "mac"}
        assert read.keys() == named.keys() | own
        for name in named.keys() - own:
            assert json.dumps(read[name], sort_keys=True) == json.dumps(named[name], sort_keys=True)


def test_every_flipped_bit_is_found_at_its_line_or_the_next() -> None:
    """REQUIREMENTS §5.8, all of them, without any key; and with the key always at the very line."""
    flips = later = 0
    for number, line in enumerate(LINES):
        before, changed = SEALS[number], bytearray(line)
        for at in range(len(line)):
            for bit in range(8):
                changed[at] ^= 1 << bit
                flipped = bytes(changed)
                changed[at] ^= 1 << bit
                flips += 1
                if fault(before, flipped, with_key=False) is not None:
                    continue
                assert fault(before, flipped, with_key=True) is not None
                after = advance(before, flipped)
                later += 1
                # The next line names it; the last line is named by the seal, or by a checkpoint.
                if number + 1 < COUNT:
                    assert fault(after, LINES[number + 1], with_key=False) is not None
                else:
                    assert after.head != LAST.head
    assert flips == sum(map(len, LINES)) * 8 > 200_000
    assert 0 < later < flips


@given(places, st.integers(min_value=0), st.integers(min_value=0, max_value=7))
def test_in_the_file_a_flipped_bit_has_a_line_and_an_offset(trail: Path, number: int, at: int, bit: int) -> None:
    changed = bytearray(LINES[number] + b"\n")
    changed[at % len(changed)] ^= 1 << bit
    data = b"".join(line + b"\n" for line in LINES)
    start_at = sum(len(line) + 1 for line in LINES[:number])
    write(trail, [], LAST)
    trail.write_bytes(data[:start_at] + changed + data[start_at + len(changed) :])

    report = verify(trail)
    with_key = verify(trail, key=KEY)

    assert report.fault is not None
    assert report.line in {number + 1, number + 2}
    assert report.line == number + 1 or number + 1 < COUNT
    assert with_key.line == number + 1
    assert (with_key.records, with_key.offset) == (number, start_at)
    assert str(with_key.line) in str(with_key.fault)


def test_every_flip_in_a_line_end_is_found(trail: Path) -> None:
    data = b"".join(line + b"\n" for line in LINES[:40])
    write(trail, [], SEALS[40])
    ends = [at for at, byte in enumerate(data) if byte == 0x0A]
    for number, at in enumerate(ends, 1):
        for bit in range(8):
            changed = bytearray(data)
            changed[at] ^= 1 << bit
            trail.write_bytes(changed)
            assert verify(trail).line == number


@given(places)
def test_a_record_taken_out_is_found_there(trail: Path, number: int) -> None:
    report = judge(trail, LINES[:number] + LINES[number + 1 :])

    assert report.fault is not None
    assert report.line == (number + 1 if number < COUNT - 1 else None)
    assert report.records == number


@given(places, st.booleans())
def test_a_record_put_in_is_found_there(trail: Path, number: int, again: bool) -> None:
    """A copy of one, or one that an attacker without the key has made to follow."""
    forged = append(Seal(SEALS[number].seq, SEALS[number].head, bytes(32)), WORDS)[0]
    report = judge(trail, [*LINES[:number], LINES[number] if again else forged, *LINES[number:]])

    assert report.fault is not None
    assert report.line == (number + 2 if again or number < COUNT - 1 else COUNT)
    assert again or judge(trail, [*LINES[:number], forged, *LINES[number:]], key=KEY).line == number + 1


@given(places, places)
def test_two_records_that_changed_places_are_found_at_the_first(trail: Path, one: int, other: int) -> None:
    lines = list(LINES)
    lines[one], lines[other] = lines[other], lines[one]
    report = judge(trail, lines)

    assert report.line == (None if one == other else min(one, other) + 1)
    assert (report.fault is None) == (one == other)


@given(places, places)
def test_a_record_written_over_another_is_found(trail: Path, one: int, other: int) -> None:
    lines = list(LINES)
    lines[one] = lines[other]
    assert judge(trail, lines).line == (None if one == other else one + 1)


def test_a_cut_at_every_boundary_is_found_by_the_seal_and_by_a_checkpoint(trail: Path) -> None:
    for left in range(COUNT):
        report = judge(trail, LINES[:left])
        assert report.fault is not None
        assert (report.line, report.records) == (None, left)
        path_beside(trail).unlink()
        assert verify(trail).fault is None, "nothing on the host tells, once the seal is gone"
        found = verify(trail, checkpoint=(COUNT, LAST.head))
        assert found.fault is not None
        assert "checkpoint" in found.fault


def test_a_cut_inside_a_record_is_found_there(trail: Path) -> None:
    data = b"".join(line + b"\n" for line in LINES[:4])
    write(trail, [], SEALS[4])
    for end in range(1, len(data)):
        trail.write_bytes(data[:end])
        report = verify(trail)
        whole = data[:end].count(b"\n")
        assert report.fault is not None
        assert report.records == whole
        assert report.line == (whole + 1 if data[end - 1] != 0x0A else None)


@given(places, st.binary(min_size=32, max_size=32))
def test_a_forgery_chained_anew_without_the_key_is_found_with_it(trail: Path, number: int, guess: bytes) -> None:
    """The attacker changes one record and computes every hash, and the seal, anew: only the MAC tells."""
    seal, lines = Seal(number, SEALS[number].head, guess), LINES[:number]
    for line in LINES[number:]:
        read = {name: value for name, value in json.loads(line).items() if name != "mac"}
        made, seal = append(seal, read | {"event": "nothing"})
        lines.append(made)
    write(trail, lines, seal)

    assert verify(trail).fault is None, "the chain alone says nothing of who wrote it"
    report = verify(trail, key=KEY)
    assert report.fault is not None
    assert "without the key" in report.fault
    assert report.line == number + 1
    noted = verify(trail, checkpoint=(number + 1, SEALS[number + 1].head))
    assert noted.line == number + 1, "and so does a checkpoint kept elsewhere"


@given(places)
def test_who_takes_the_key_of_today_cannot_write_yesterday(number: int) -> None:
    """REQUIREMENTS §5.8, forward security: the key of record n makes every later one, and none before it."""
    stolen = SEALS[number].key
    forged = [append(dataclasses.replace(SEALS[earlier], key=stolen), WORDS)[0] for earlier in range(number)]

    assert all(
        fault(SEALS[earlier], line, with_key=True) == "has a wrong MAC: it was written by somebody without the key"
        for earlier, line in enumerate(forged)
    )
    assert fault(SEALS[number], append(dataclasses.replace(SEALS[number], key=stolen), WORDS)[0], with_key=True) is None
    assert len({seal.key for seal in SEALS}) == COUNT + 1
    assert SEALS[number + 1].key == hashlib.sha256(b"jitterbug audit key v1\0" + stolen).digest()


@given(st.binary(max_size=300) | st.builds(lambda a, b: a[:b], st.sampled_from(LINES), st.integers(0, 300)))
def test_any_bytes_at_all_are_answered_with_a_fault(data: bytes) -> None:
    seal = SEALS[3]
    for with_key in (False, True):
        assert fault(seal, data, with_key=with_key) is not None


@pytest.mark.parametrize("body", [b"[" * 100_000 + b"}", b'{"seq":' + b"9" * 5_000 + b"}", b"[]}", b"\xff}", b"{}"])
def test_a_hostile_line_with_a_mac_is_a_fault_and_no_crash(trail: Path, body: bytes) -> None:
    line = body[:-1] + LINES[0][-54:]
    report = judge(trail, [line, *LINES], sealed=False)

    assert report.line == 1


def test_an_empty_trail_is_whole(trail: Path) -> None:
    assert verify(write(trail, [], start(KEY))) == Report(0, GENESIS)


def test_records_can_be_checked_without_this_code() -> None:
    """What the docs say of a line is all there is to it."""
    line = LINES[7]
    record = json.loads(line)
    body = json.dumps({k: v for k, v in record.items() if k != "mac"}, sort_keys=True, separators=(",", ":")).encode()

    assert record["prev"] == hashlib.sha256(LINES[6]).hexdigest()
    assert record["seq"] == 8
    assert MacKey(SEALS[7].key).mac(body).hex() == base64.b64decode(record["mac"]).hex()


def test_a_seal_shows_no_key() -> None:
    """R4."""
    assert KEY.hex() not in repr(start(KEY))
    assert repr(KEY) not in repr(start(KEY))
