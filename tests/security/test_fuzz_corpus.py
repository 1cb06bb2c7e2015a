"""Every fuzz target holds on its seeds, on mutated seeds and on bytes of Hypothesis' choice (O36), without atheris."""

import json
import random
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from fuzz import make_seeds, targets
from jitterbug.protocol.position import Position
from jitterbug.protocol.session import Event, Publication

FOLDER = Path(make_seeds.__file__).resolve().parent / "seeds"
MUTANTS = 300
SEED = 20_261_124
"""The mutants of a day are those of the next: what is new is for atheris to find."""
PIECES = [b'"', b"\\", b"{", b"}", b"[", b":", b",", b"\n", b"\r", b"\0", b"\xff", b"\\ud800", b"9" * 20, b"~", b"."]


def delivered_whatever_came_before(_: Any, channel: str, position: Position, payload: Any, ts: int) -> list[Event]:
    """What the receiver must not do."""
    return [Publication(channel, payload, position, recovered=False, ts=ts)]


BROKEN: dict[str, tuple[str, Any]] = {
    "canonical_json": ("jitterbug.protocol.canonical.decode", json.loads),
    "cursor": ("fuzz.targets.cursor.decode_cursor", lambda *_: {"a": Position("e", 1)}),
    "frame": ("jitterbug.protocol.signing.MacKey.matches", lambda *_: True),
    "kid": ("jitterbug.protocol.keys.RootKey.made", lambda *_: True),
    "receiver": ("jitterbug.protocol.session.Receiver._publication", delivered_whatever_came_before),
    "settings": ("jitterbug.settings.values._WHOLE", re.compile(".+")),
    "sse": ("jitterbug.protocol.sse._LINE_END", re.compile(rb"\r\n|\n")),
    "stream_request": ("fuzz.targets.stream_request.check_origin", lambda *_: None),
    "token": ("jitterbug.patterns._within_segments", lambda *_, **__: ".*"),
}
"""What is put in the place of what."""


def seeds(target: str) -> list[bytes]:
    """What lies in the folder of a target."""
    return [path.read_bytes() for path in sorted((FOLDER / target).iterdir())]


def mutant(dice: random.Random, among: list[bytes]) -> bytes:
    """A seed with up to four edits, perhaps with the end of another."""
    data = bytearray(dice.choice(among))
    if dice.random() < 0.2:
        other = dice.choice(among)
        data = data[: dice.randrange(len(data) + 1)] + other[dice.randrange(len(other) + 1) :]
    for _ in range(dice.randrange(1, 5)):
        start = dice.randrange(len(data) + 1)
        end = min(len(data), start + dice.choice((0, 0, 1, 1, 4, 32)))
        data[start:end] = dice.choice((*PIECES, bytes([dice.randrange(256)]), bytes(data[start:end]) * 2, b""))
    return bytes(data)


def check_all(check: targets.Check, inputs: Iterable[bytes]) -> None:
    """Raises AssertionError with the first input that breaks a promise."""
    for data in inputs:
        try:
            check(data)
        except Exception as error:
            raise AssertionError(f"broken by {data!r}") from error


@pytest.mark.parametrize("target", targets.names())
def test_a_target_holds_on_its_seeds_and_on_mutants_of_them(target: str) -> None:
    """R65: what a stranger may send breaks no promise, near what is right."""
    check, among, dice = targets.check_of(target), seeds(target), random.Random(f"{SEED} {target}")

    check_all(check, (b"", *among, *(mutant(dice, among) for _ in range(MUTANTS))))


@pytest.mark.parametrize("target", targets.names())
def test_a_target_holds_on_any_bytes(target: str) -> None:
    """R65: nor far from it."""
    check = targets.check_of(target)

    @given(st.binary(max_size=200))
    @example(b"\xff" * 40)
    @example(b"[" * 200)
    def any_bytes(data: bytes) -> None:
        check(data)

    any_bytes()


def test_the_seeds_are_those_the_vectors_make(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """``python -m fuzz.make_seeds`` changes nothing, so seeds and vectors go together."""
    monkeypatch.setattr(make_seeds, "_FOLDER", tmp_path)

    make_seeds.main()

    made = {path.relative_to(tmp_path): path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    kept = {path.relative_to(FOLDER): path.read_bytes() for path in FOLDER.rglob("*") if path.is_file()}
    assert made.items() <= kept.items()
    assert {path.name for path in FOLDER.iterdir()} == set(targets.names())


@pytest.mark.parametrize("target", targets.names())
def test_a_target_sees_what_is_broken(target: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each harness can fail: with one promise of the code under it broken, a seed shows it."""
    check = targets.check_of(target)
    monkeypatch.setattr(*BROKEN[target])

    with pytest.raises(AssertionError, match="broken by"):
        check_all(check, seeds(target))
