"""Cutting standard input into lines, without limit on its length or trust in its form."""

import asyncio
import os
import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jitterbug.cli.lines import Line, Splitter, read_lines
from tests.looped import in_loop

LIMIT = 8


@given(data=st.text("ab\r\n", max_size=60).map(str.encode), cuts=st.lists(st.integers(0, 60), max_size=6))
def test_lines_do_not_depend_on_where_the_chunks_are_cut(data: bytes, cuts: list[int]) -> None:
    """LF and CRLF end a line; one longer than the limit is told by its number, and only that one."""
    splitter, found, start = Splitter(LIMIT), list[Line](), 0
    for cut in [*sorted(cuts), len(data)]:
        found += splitter.feed(data[start:cut])
        start = max(start, cut)
    found += splitter.end()
    pieces = data.split(b"\n")
    if not pieces[-1]:
        pieces.pop()
    expected = [piece.removesuffix(b"\r") for piece in pieces]
    assert [line.number for line in found] == list(range(1, len(expected) + 1))
    assert [line.data for line in found] == [text if len(text) <= LIMIT else None for text in expected]


@given(count=st.integers(1, 50))
def test_what_is_too_long_is_skipped_and_not_kept(count: int) -> None:
    splitter = Splitter(LIMIT)
    for _ in range(count):
        assert splitter.feed(b"x" * 100) == []
        assert len(splitter._buffer) <= LIMIT + 1
    assert splitter.feed(b"\nok\n") == [Line(1, None), Line(2, b"ok")]


async def collect(descriptor: int) -> list[bytes | None]:
    return [line.data async for line in read_lines(descriptor)]


@in_loop
async def test_a_pipe_is_read_as_it_fills() -> None:
    out, into = os.pipe()
    lines = read_lines(out)
    os.write(into, b"one\ntw")
    assert (await anext(lines)).data == b"one"
    os.write(into, b"o\nthree")
    assert (await anext(lines)).data == b"two"
    os.close(into)
    assert [line.data async for line in lines] == [b"three"]
    os.close(out)


def test_a_regular_file_can_be_read(tmp_path: Path) -> None:
    (tmp_path / "lines").write_bytes(b"".join(b"%d\n" % number for number in range(50_000)))
    with (tmp_path / "lines").open("rb") as file:
        found = asyncio.run(collect(file.fileno()))
    assert found == [b"%d" % number for number in range(50_000)]


def test_an_interrupted_run_does_not_wait_for_the_next_line() -> None:
    out, into = os.pipe()

    async def give_up() -> None:
        lines = read_lines(out)
        async with asyncio.timeout(0.05):
            await anext(lines)

    with pytest.raises(TimeoutError):
        asyncio.run(give_up())
    waiting = [thread for thread in threading.enumerate() if thread.name == "standard input"]
    assert all(thread.daemon for thread in waiting)
    os.close(into)
    for thread in waiting:
        thread.join(10)
    os.close(out)
