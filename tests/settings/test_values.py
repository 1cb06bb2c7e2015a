"""The grammar of each kind of value, one by one: what it reads, and to the character what it refuses (R73, R76)."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jitterbug.config import HistoryRule
from jitterbug.errors import SettingError
from jitterbug.settings import values

NAME = "JITTERBUG_ANY"
HERE = Path("/srv/hub")


def is_refused(read: Callable[[], Any], words: str, remedy: str) -> bool:
    """It names the setting, says what is wrong and what to do, and carries no cause that would repeat the value."""
    with pytest.raises(SettingError) as caught:
        read()
    assert caught.value.setting == NAME
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None or caught.value.__suppress_context__
    return words in str(caught.value) and caught.value.remedy.startswith(remedy)


@given(st.integers(0, 10**15 - 1))
def test_a_whole_number_has_up_to_fifteen_digits(value: int) -> None:
    found = values.number(NAME, f"{value}", whole=True)

    assert (found, type(found)) == (value, int)


@given(st.integers(0, 10**15 - 1), st.text("0123456789", min_size=1, max_size=9))
def test_a_number_may_have_up_to_nine_digits_behind_the_point(value: int, fraction: str) -> None:
    for text in (f"{value}", f"{value}.{fraction}"):
        found = values.number(NAME, text, whole=False)
        assert (found, type(found)) == (float(text), float)


@pytest.mark.parametrize("text", ["", "1" * 16, "1.0", "1.", ".5", "1_0", "+1", "-1", " 1", "1\n", "\uff11", "1e3"])
def test_other_text_is_no_whole_number_r76(text: str) -> None:
    assert is_refused(lambda: values.number(NAME, text, whole=True), "not a whole number", "Write it like 5000.")


@pytest.mark.parametrize(
    "text", ["", "1" * 16, f"1.{'1' * 10}", "1.", ".5", "1_0.0", "1.5\n", "1e3", "nan", "1.\uff11"]
)
def test_other_text_is_no_number_r76(text: str) -> None:
    assert is_refused(lambda: values.number(NAME, text, whole=False), "not a number", "Write it like 15 or 0.5.")


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("localhost:0", ("localhost", 0)), ("127.0.0.1:65535", ("127.0.0.1", 65_535)), ("[::1]:8440", ("::1", 8_440)),
        ("[fe80::A]:1", ("fe80::A", 1)), ("[::ffff:10.0.0.1]:80", ("::ffff:10.0.0.1", 80)), ("A-b.c:9", ("A-b.c", 9)),
    ],
)  # fmt: skip
def test_an_address_is_a_host_and_a_port(text: str, found: tuple[str, int]) -> None:
    assert values.address(NAME, text) == found


@pytest.mark.parametrize(
    "text", ["h", ":1", "h:", "h:65536", "h:99999", "h:123456", "h_i:1", "::1:80", "[::1]", "[]:1", "h:1 ", "h:-1"]
)
def test_other_text_is_no_address(text: str) -> None:
    assert is_refused(lambda: values.address(NAME, text), "not host:port", "Write it like 127.0.0.1:8440")


def test_brackets_hold_an_address_of_version_6_and_not_every_address_there_is() -> None:
    assert is_refused(lambda: values.address(NAME, "[1:2]:80"), "not host:port", "Write it like 127.0.0.1:8440")
    assert values.address(NAME, "[::]:80") == ("::", 80)


@pytest.mark.parametrize(
    ("host", "is_here"),
    [
        ("localhost", True), ("127.0.0.1", True), ("127.9.9.9", True), ("::1", True), ("hub.localhost", False),
        ("localhost.example", False), ("localhosa", False), ("localhosz", False), ("", False), ("0.0.0.0", False),
        ("::", False), ("10.0.0.1", False), ("a", False), ("z", False),
    ],
)  # fmt: skip
def test_only_loopback_is_this_machine_r13(host: str, *, is_here: bool) -> None:
    assert values.is_loopback(host) is is_here


@given(st.lists(st.text("ab*/: ", max_size=5), max_size=6))
def test_a_list_is_its_items_without_the_space_around_them(parts: list[str]) -> None:
    text = ",".join(parts)

    assert values.items(text) == (tuple(part.strip(" ") for part in parts) if text.strip(" ") else ())


def test_no_text_is_no_items() -> None:
    assert values.items("") == values.items("  \t") == ()
    assert values.items(",") == ("", "")


def test_origins_are_kept_as_they_stand_and_stars_are_left_to_whoever_judges_them() -> None:
    text = "https://a.example, http://localhost:5173,https://[2001:db8::1]:8443,*,https://*.example"

    assert values.origins(NAME, text) == tuple(item.strip() for item in text.split(","))
    assert values.origins(NAME, "") == ()


@pytest.mark.parametrize(
    "origin",
    ["", "null", "a.example", "ftp://a", "https://", "https://A.example", "https://a/", "https://a/b", "https://a:",
     "https://a:123456", "https://a_b", "https://a\nb", "https://u@a", "https://[::g]", "xhttps://a"],
)  # fmt: skip
def test_one_that_no_browser_writes_spoils_the_list_r40(origin: str) -> None:
    for text in (f"https://ok.example,{origin}", f"{origin},https://ok.example"):
        assert is_refused(lambda text=text: values.origins(NAME, text), "not an origin", "Write scheme, host")  # type: ignore[misc]


def test_networks_are_kept_as_they_stand() -> None:
    text = "10.0.0.0/8, ::1,192.0.2.7, 0.0.0.0/1, 2001:db8::/32, ::/1"

    assert values.networks(NAME, text) == tuple(item.strip() for item in text.split(","))
    assert values.networks(NAME, "") == ()


@pytest.mark.parametrize("text", ["proxy", "10.0.0.1/8", "10.0.0.0/33", "10.0.0.0/8,", "10", "::/129"])
def test_other_text_is_no_network(text: str) -> None:
    assert is_refused(lambda: values.networks(NAME, text), "not an IP network", "Write it like 10.0.0.0/8")


@pytest.mark.parametrize(
    "text",
    ["0.0.0.0/0", "::/0", "10.0.0.0/8,::/0", "0.0.0.0/1,128.0.0.0/1", "::/1,8000::/1", "8000::/1,::1,::/1",
     "0.0.0.0/1,::1,128.0.0.0/2,192.0.0.0/2", "10.0.0.0/8,::/1,8000::/1"],
)  # fmt: skip
def test_every_address_of_a_version_is_never_a_proxy_in_one_piece_or_in_several_r79(text: str) -> None:
    assert is_refused(lambda: values.networks(NAME, text), "every address", "Name the proxies' own network.")


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("memory://", "memory://"), ("sqlite:///h.db", "sqlite:////srv/hub/h.db"),
        ("sqlite:////var/h.db", "sqlite:////var/h.db"), ("sqlite:///a/h.db", "sqlite:////srv/hub/a/h.db"),
        ("sqlite:///...", "sqlite:////srv/hub/..."),
        ("sqlite:///z.db", "sqlite:////srv/hub/z.db"), ("sqlite:///a#/../h", None), ("redis://h", "redis://h"),
        ("rediss://u:p@h:6379/1", "rediss://u:p@h:6379/1"),
    ],
)  # fmt: skip
def test_an_engine_is_memory_a_file_or_a_server(text: str, found: str | None) -> None:
    if found is None:
        assert is_refused(lambda: values.engine(NAME, text, HERE), "not the URL of a store", "Use memory://")
    else:
        assert values.engine(NAME, text, HERE) == found


@pytest.mark.parametrize(
    "text",
    ["", "memory", "memory:///", "mem", "nemory://", "redis://", "redis://:6379", "redis://h:x", "redis://h:65536",
     "http://h", "sedis://h", "redis://[h", "sqlite://", "sqlite:///", "sqlite:///.", "sqlite:///..",
     "sqlite:///:memory:", "sqlite:///a/", "sqlite:///a/.", "sqlite:///h?x", "sqlite:///h#x", "sqlite:///h\x7f"],
)  # fmt: skip
def test_other_text_is_no_engine(text: str) -> None:
    assert is_refused(lambda: values.engine(NAME, text, HERE), "not the URL of a store", "Use memory://")


def test_rules_of_history_are_pattern_size_and_seconds() -> None:
    rules = values.history_rules(NAME, "orders/**=500:3600, chat/*=50:0.5")

    assert rules == (HistoryRule("orders/**", 500, 3_600.0), HistoryRule("chat/*", 50, 0.5))
    assert [type(rule.size) for rule in rules] == [int, int]
    assert values.history_rules(NAME, "") == ()


@pytest.mark.parametrize("text", ["a", "a=1", "a=1:", "=1:1", "a=:1", "a=1:1:1", "a=1=1:1", "a=1:1,"])
def test_other_text_is_no_rule(text: str) -> None:
    assert is_refused(lambda: values.history_rules(NAME, text), "not a rule", "Write rules like orders/**=500:3600")


def test_the_numbers_of_a_rule_are_held_to_the_grammar_of_numbers() -> None:
    assert is_refused(lambda: values.history_rules(NAME, "a=1.0:1"), "not a whole number", "Write it like 5000.")
    assert is_refused(lambda: values.history_rules(NAME, "a=1:1e3"), "not a number", "Write it like 15 or 0.5.")


@pytest.mark.parametrize(
    "text",
    ["https://a.example/x?y#z", "https://u:p@a:8443/", "http://localhost:1/x", "http://127.0.0.1", "http://[::1]:9/"],
)
def test_a_web_address_is_https_or_of_this_machine_r5(text: str) -> None:
    assert values.web_address(NAME, text) == text


@pytest.mark.parametrize(
    "text",
    ["", "https://", "https:///x", "http://a.example", "ftp://localhost", "ws://a", "https//a", "https://[x", "a",
     "https://a:x/", "https://a:65536", "https://a/\n", "https://a/\tb", "https://a/ b", "https://a/é", "httpr://a",
     "httq://localhost", "gttp://localhost", "httpz://a.example", "aaa://a.example"],
)  # fmt: skip
def test_other_text_is_no_web_address(text: str) -> None:
    assert is_refused(
        lambda: values.web_address(NAME, text), "not an HTTPS address", "Plain HTTP is for this machine only."
    )


def test_a_file_is_named_from_where_the_process_was_started(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))

    assert values.path("a/b", HERE) == HERE / "a/b"
    assert values.path("/a/b", HERE) == Path("/a/b")
    assert values.path("~/b", HERE) == tmp_path / "b"


def test_a_file_that_must_be_there_can_be_read(tmp_path: Path) -> None:
    (tmp_path / "there").write_text("x")

    assert values.readable(NAME, "there", tmp_path) == tmp_path / "there"
    for name in ("missing", "."):
        assert is_refused(lambda name=name: values.readable(NAME, name, tmp_path), "cannot be read", "Check path")  # type: ignore[misc]
