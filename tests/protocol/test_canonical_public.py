"""Canonical JSON against data that others published: RFC 8785's own, and JSONTestSuite."""

import hashlib
import json
import struct
from pathlib import Path
from typing import Any

from jitterbug.errors import CanonicalError
from jitterbug.protocol import canonical

STRICTER = {
    "y_object_duplicated_key.json": "a member named twice",
    "y_object_duplicated_key_and_value.json": "a member named twice",
}
"""Valid JSON that PROTOCOL §1 calls malformed, and why. Nothing else that is valid is refused."""

LOSSY = {"values": b"333333333.33333329"}
"""The inputs of RFC 8785 with a number whose canonical text is another decimal, which PROTOCOL §1 refuses."""

MAY_BE_READ = {"i_number_too_big_pos_int.json": [1e20]}
"""Of what a parser may treat either way, all that is read: no digit of it is lost."""

TRANSFORMED = {
    "number_1.0.json": "[1]",
    "number_1000000000000000.json": "[1000000000000000]",
    "number_1e6.json": "[1000000]",
    "object_key_nfc_nfd.json": '{"e\u0301":"NFD","\u00e9":"NFC"}',
    "object_key_nfd_nfc.json": '{"e\u0301":"NFD","\u00e9":"NFC"}',
    "string_with_escaped_NULL.json": '["A\\u0000B"]',
}
"""Where parsers differ: what is read, as its one text. Lossy numbers, repeated names and lone surrogates are not."""

BIG = {
    "13f86ea1": b"[" * 100_000,
    "48b232fc": b'[{"":' * 50_000 + b"\n",
}
"""Two files given by a rule, under the start of their SHA-256."""


def outcome(data: bytes) -> Any:
    """The value, or CanonicalError; any other exception fails the test."""
    try:
        return canonical.decode(data)
    except CanonicalError:
        return CanonicalError


def outcomes(folder: Path, pattern: str) -> dict[str, Any]:
    found = {path.name: outcome(path.read_bytes()) for path in sorted(folder.glob(pattern))}
    assert found
    return found


def test_rfc_8785_inputs_give_the_published_text(shared_data: Path) -> None:
    names = sorted(path.stem for path in (shared_data / "jcs" / "input").iterdir())

    assert len(names) == 6
    for name in names:
        text = (shared_data / "jcs" / "input" / f"{name}.json").read_bytes()
        published = (shared_data / "jcs" / "output" / f"{name}.json").read_bytes()
        assert bytes.fromhex((shared_data / "jcs" / "outhex" / f"{name}.txt").read_text()) == published
        # The standard library reads all of them; ours reads no number that a double would change.
        assert canonical.encode(json.loads(text)) == published
        assert canonical.encode(canonical.decode(published)) == published
        assert outcome(text) == (CanonicalError if name in LOSSY else json.loads(text))


def test_the_one_refused_input_of_rfc_8785_is_refused_for_its_lossy_number_alone(shared_data: Path) -> None:
    for name, number in LOSSY.items():
        text = (shared_data / "jcs" / "input" / f"{name}.json").read_bytes()
        assert text.count(number) == 1
        assert outcome(text.replace(number, b"333333333.3333333")) == json.loads(text)


def test_a_thousand_doubles_are_written_as_ecmascript_writes_them(shared_data: Path) -> None:
    lines = (shared_data / "jcs" / "es6numbers_first1000.txt").read_text().splitlines()

    assert len(lines) == 1_000
    for line in lines:
        bits, text = line.split(",")
        (number,) = struct.unpack(">d", bytes.fromhex(bits.rjust(16, "0")))
        assert canonical.encode(number).decode() == text
        assert canonical.decode(text.encode()) == number


def test_valid_json_is_read_but_for_the_documented_exceptions(shared_data: Path) -> None:
    found = outcomes(shared_data / "jsontestsuite" / "test_parsing", "y_*.json")

    assert {name for name, value in found.items() if value is CanonicalError} == set(STRICTER)
    for name, value in found.items():
        text = (shared_data / "jsontestsuite" / "test_parsing" / name).read_bytes()
        assert name in STRICTER or value == json.loads(text)


def test_invalid_json_is_refused(shared_data: Path) -> None:
    found = outcomes(shared_data / "jsontestsuite" / "test_parsing", "n_*.json")

    assert len(found) > 180
    assert [name for name, value in found.items() if value is not CanonicalError] == []


def test_the_two_big_files_are_refused() -> None:
    for start, data in BIG.items():
        assert hashlib.sha256(data).hexdigest().startswith(start)
        assert outcome(data) is CanonicalError


def test_what_may_go_either_way_is_refused_unless_it_is_lossless(shared_data: Path) -> None:
    found = outcomes(shared_data / "jsontestsuite" / "test_parsing", "i_*.json")

    assert {name: value for name, value in found.items() if value is not CanonicalError} == MAY_BE_READ


def test_where_parsers_differ_each_text_is_refused_or_has_one_meaning(shared_data: Path) -> None:
    found = outcomes(shared_data / "jsontestsuite" / "test_transform", "*.json")
    read = {name: canonical.encode(value).decode() for name, value in found.items() if value is not CanonicalError}

    assert len(found) == 22
    assert read == TRANSFORMED
