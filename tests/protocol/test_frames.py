"""The grammar of a frame: five members, each in one form, and no other text is a frame (R25, O5, O7, O8)."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jitterbug.protocol import FrameSigner, canonical, frames
from jitterbug.protocol.codes import MAX_SAFE_INTEGER, PUBLISH, Down, Up
from jitterbug.protocol.frames import UnverifiedFrame, parse_unverified
from tests.protocol import outside
from tests.strategies import KID_LETTERS, alike, json_values, kids, loosely_written, payloads, present_ms, times_ms

GOOD = outside.frame('{"a":[1,"\u00e9"],"t":"ping"}')
SIG = outside.members(GOOD)["sig"]
WRONG = {
    "kid": [None, 1, True, [], {}, "", "abc", "a" * 97, "a:bcd", "abcd\n", "ab d", "abc\u00e9", "abc\u0661", "abc="],
    "nonce": [None, 1, [], "", "A" * 44, SIG[:43], SIG[:42] + "==", "-" + SIG[1:], "\u00e9" + SIG[1:], SIG + "\n"],
    "sig": [None, 1, {}, "", "A" * 44, SIG[:22] + "==", SIG[:43], "\u00e9" + SIG[1:], SIG + "=", " " + SIG, SIG * 2],
    "ts": [None, True, False, "1", str(outside.NOW_MS), -1, 1.5, 1e18, 2**53, [], {}],
    "payload": [None, 1, True, "", "{}", [], [{}]],
}


def text_of(**changes: Any) -> bytes:
    return outside.changed(GOOD, **changes)


def parsed(data: bytes) -> UnverifiedFrame:
    frame = parse_unverified(data)
    assert frame is not None
    return frame


@given(st.data(), kids, payloads, times_ms)
def test_a_frame_is_read_however_it_is_spelt(data: st.DataObject, kid: str, payload: dict[str, Any], ts: int) -> None:
    """White space, member order and escapes are free towards the hub, and mean the same signed bytes (PROTOCOL §1)."""
    text = canonical.encode(payload).decode()
    sent = outside.frame(text, kid=kid, ts=ts)
    loose = data.draw(loosely_written(canonical.decode(sent)))
    frame = parsed(loose.encode())

    assert (frame.kid, frame.ts, frame.nonce) == (kid, ts, outside.members(sent)["nonce"])
    assert alike(frame.payload, payload)
    assert frame.message == f"{kid}:{ts}:{frame.nonce}:{text}".encode()
    assert frame.tag == outside.tag(outside.SECRET, kid, ts, frame.nonce, text)
    assert frame.canonical_text() == sent


@given(payloads, present_ms)
def test_a_signed_frame_is_in_the_form_that_it_is_read_into(payload: dict[str, Any], now_ms: int) -> None:
    sent = FrameSigner(outside.KID, outside.SECRET).sign(payload, now_ms)

    assert parsed(sent).canonical_text() == sent == canonical.encode(canonical.decode(sent))


@given(kids, payloads, present_ms)
def test_the_envelope_takes_the_bytes_it_is_said_to_take_r58(kid: str, payload: dict[str, Any], now_ms: int) -> None:
    sent = FrameSigner(kid, outside.SECRET).sign(payload, now_ms)

    assert len(sent) == frames.ENVELOPE_BYTES + len(kid) + len(canonical.encode(payload))


@given(st.one_of(st.binary(max_size=200), json_values.map(canonical.encode)))
def test_other_text_is_no_frame_and_no_error(data: bytes) -> None:
    assert parse_unverified(data) is None


@given(st.integers(min_value=0, max_value=len(GOOD) - 1), st.binary(max_size=3))
def test_an_edited_frame_is_a_frame_or_none_but_never_an_error(at: int, new: bytes) -> None:
    frame = parse_unverified(GOOD[:at] + new + GOOD[at + 1 :])

    assert frame is None or isinstance(frame, UnverifiedFrame)


@pytest.mark.parametrize(
    ("member", "value"),
    # The signature is another one in each process; the names of tests are not.
    [
        pytest.param(member, values[at], id=f"{member}-{at}")
        for member, values in WRONG.items()
        for at in range(len(values))
    ],
)
def test_a_member_of_another_form_is_refused_o8(member: str, value: Any) -> None:
    assert parse_unverified(text_of(**{member: value})) is None


@pytest.mark.parametrize("ts", ["1e12", "1.0", "01", "+1", "-0", "1784636400000.0", "1784636400e3", "0x1", "\u0661"])
def test_a_time_that_is_not_a_plain_integer_literal_is_refused(ts: str) -> None:
    """REQUIREMENTS §2.13."""
    spelt = GOOD.replace(f'"ts":{outside.NOW_MS}'.encode(), f'"ts":{ts}'.encode())

    assert spelt != GOOD
    assert parse_unverified(spelt) is None


@pytest.mark.parametrize("ts", [0, 1, outside.NOW_MS, MAX_SAFE_INTEGER])
def test_every_time_that_a_double_holds_is_read(ts: int) -> None:
    assert parsed(text_of(ts=ts)).ts == ts


@pytest.mark.parametrize("member", sorted(WRONG))
def test_a_frame_without_one_of_its_members_is_refused(member: str) -> None:
    rest = {name: value for name, value in outside.members(GOOD).items() if name != member}

    assert parse_unverified(json.dumps(rest).encode()) is None


@pytest.mark.parametrize("member", ["alg", "admin", "", "Kid", "kid ", "__proto__", "payload\0", "v"])
def test_a_further_member_is_refused_o7(member: str) -> None:
    assert parse_unverified(text_of(**{member: 1})) is None


@pytest.mark.parametrize("member", sorted(WRONG))
def test_a_renamed_member_is_refused(member: str) -> None:
    assert parse_unverified(GOOD.replace(f'"{member}"'.encode(), f'"{member.upper()}"'.encode())) is None


@pytest.mark.parametrize("member", sorted(WRONG))
@pytest.mark.parametrize("escaped", [False, True])
def test_a_repeated_member_is_refused_o6(member: str, *, escaped: bool) -> None:
    value = json.dumps(outside.members(GOOD)[member])
    name = f"\\u{ord(member[0]):04x}{member[1:]}" if escaped else member

    assert parse_unverified(GOOD[:-1] + f',"{name}":{value}}}'.encode()) is None


@pytest.mark.parametrize(
    "data",
    [
        b"", b"{}", b"null", b"[" + GOOD + b"]", GOOD + GOOD, GOOD + b"x", GOOD[:-1], b"\xef\xbb\xbf" + GOOD,
        GOOD.replace("\u00e9".encode(), b"\xff"), GOOD.decode().encode("utf-16"), b'"' + GOOD + b'"', GOOD + b"\0",
        GOOD.replace(b'"a":[1', b'"a":[NaN'), GOOD.replace(b'"a":[1', b'"a":[9007199254740993'),
        GOOD.replace(b'"a":[1', b'"a":[1e400'), GOOD.replace(b'"a":[1', b'"a":["\\ud800"'),
        GOOD.replace(b'"t":"ping"', b'"t":"ping","t":"ping"'), GOOD.replace(b"{", b"{,", 1),
    ],
)  # fmt: skip
def test_malformed_text_is_refused(data: bytes) -> None:
    assert parse_unverified(data) is None


@pytest.mark.parametrize(("levels", "read"), [(30, True), (31, False)])
def test_a_frame_may_nest_32_levels_itself_included(levels: int, *, read: bool) -> None:
    data = outside.frame('{"d":' + "[" * levels + "]" * levels + "}")

    assert (parse_unverified(data) is not None) == read


@given(st.one_of(st.text(max_size=100), st.text(KID_LETTERS, max_size=100), kids))
def test_a_kid_is_4_to_96_of_its_letters_and_a_configured_one_4_to_64(text: str) -> None:
    letters = set(text) <= set(KID_LETTERS)

    assert frames.is_kid(text) == (letters and 4 <= len(text) <= 96)
    assert frames.is_configured_kid(text) == (letters and 4 <= len(text) <= 64)


@pytest.mark.parametrize("size", [3, 4, 64, 65, 96, 97])
def test_the_lengths_of_kids_are_exact(size: int) -> None:
    assert frames.is_kid("k" * size) == (4 <= size <= 96)
    assert frames.is_configured_kid("k" * size) == (4 <= size <= 64)


@pytest.mark.parametrize("value", [None, 1, b"abcd", ["a", "b", "c", "d"], "abcd\n", "\u0661\u0661\u0661\u0661"])
def test_what_is_no_kid_is_told_without_an_error(value: object) -> None:
    assert not frames.is_kid(value)
    assert not frames.is_configured_kid(value)


def test_an_unverified_frame_shows_neither_payload_nor_signature() -> None:
    assert repr(parsed(GOOD)) == "UnverifiedFrame(kid='outsid'…)"


def test_the_two_directions_share_no_word_so_nothing_can_be_reflected() -> None:
    """REQUIREMENTS §2.7."""
    assert not {*Down} & ({*Up} | {PUBLISH})
