"""Channel names, and who reads or is joining which (PROTOCOL §4)."""

import string
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from jitterbug.hub.channels import ACTIVITY, TELEMETRY, Channels, is_channel, is_reserved
from jitterbug.hub.connection import Connection
from jitterbug.protocol.position import Position
from jitterbug.protocol.publication import PreparedPublication

LETTERS = set(string.ascii_letters + string.digits + "_-./")
NAMES = ["a", "b"]
READERS = ["one", "two", "three"]
LIMIT = 3


def by_the_grammar(name: str) -> bool:
    """PROTOCOL §4, letter by letter."""
    rest = name.removeprefix("$")
    return bool(rest) and len(name) <= 128 and set(rest) <= LETTERS


@given(st.one_of(st.text(max_size=6), st.text("ab$/. \n", max_size=5), st.text("aZ9_-./$", max_size=140)))
def test_a_name_is_what_the_grammar_says_and_nothing_else(name: str) -> None:
    assert is_channel(name) is by_the_grammar(name)


@pytest.mark.parametrize("name", ["a" * 128, "$" + "a" * 127, "orders/42", "-", ".", "/", TELEMETRY, ACTIVITY])
def test_names_at_the_edge_of_the_grammar(name: str) -> None:
    assert is_channel(name)
    assert is_reserved(name) is name.startswith("$")


@pytest.mark.parametrize("name", [
    "", "$", "a$", "$$a", "a" * 129, "$" + "a" * 128, "a\n", "a b", "ä", "٣", "a\0", None, 7, b"a", ["a"], True,
])  # fmt: skip
def test_what_is_no_name(name: object) -> None:
    assert not is_channel(name)


def connection(name: str) -> Connection:
    """The table asks nothing of its members but to be told apart."""
    return cast(Connection, name)


class Tables(RuleBasedStateMachine):
    """Who reads, who joins, and what waits for those who join, against plain dictionaries."""

    def __init__(self) -> None:
        super().__init__()
        self.channels = Channels(LIMIT)
        self.reading: set[tuple[str, str]] = set()
        self.joining: dict[tuple[str, str], list[PreparedPublication]] = {}
        self.gathered: dict[tuple[str, str], list[PreparedPublication]] = {}
        self.serial = 0

    @rule(name=st.sampled_from(NAMES), reader=st.sampled_from(READERS))
    def begin(self, name: str, reader: str) -> None:
        self.gathered[name, reader] = self.channels.begin(name, connection(reader))
        self.joining[name, reader] = []

    @rule(name=st.sampled_from(NAMES))
    def publish(self, name: str) -> None:
        self.serial += 1
        publication = PreparedPublication(name, Position("epoch", self.serial), b"0")
        self.channels.hold_back(publication)
        for (joined, _), waiting in self.joining.items():
            if joined == name:
                waiting.append(publication)
                del waiting[:-LIMIT]

    @rule(name=st.sampled_from(NAMES), reader=st.sampled_from(READERS))
    def complete(self, name: str, reader: str) -> None:
        self.channels.complete(name, connection(reader))
        self.joining.pop((name, reader), None)
        self.reading.add((name, reader))

    @rule(name=st.sampled_from(NAMES), reader=st.sampled_from(READERS))
    def leave(self, name: str, reader: str) -> None:
        self.channels.leave(name, connection(reader))
        self.reading.discard((name, reader))
        self.joining.pop((name, reader), None)

    @invariant()
    def agrees(self) -> None:
        for name in NAMES:
            assert set(self.channels.readers(name)) == {connection(who) for read, who in self.reading if read == name}
        for key, waiting in self.joining.items():
            assert self.gathered[key] == waiting, "the newest, in order"
        read = {name for name, _ in self.reading}
        assert set(self.channels) == read, "an empty channel leaves nothing behind"
        assert len(self.channels) == len(read)

    def teardown(self) -> None:
        for name in NAMES:
            for reader in READERS:
                self.leave(name, reader)
        assert not self.channels._joining
        assert not self.channels._readers


TestTables = Tables.TestCase
