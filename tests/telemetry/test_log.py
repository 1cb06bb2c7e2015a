"""Facts as log lines: one line each whatever a peer wrote, and never a secret (R60, R64, R83-R87)."""

import logging
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jitterbug.protocol import base64
from jitterbug.protocol.codes import ByeReason, Refusal
from jitterbug.telemetry.events import Fact, FactCode
from jitterbug.telemetry.log import log_fact
from tests.hub.house import ALICE, BOB, House
from tests.looped import in_loop

LOGGER = "jitterbug.security"
QUIET = {
    FactCode.FRAME_VERIFIED, FactCode.KEY_CONFIRMED, FactCode.KEY_ISSUED, FactCode.CONNECTION_OPENED,
    FactCode.CONNECTION_CLOSED, FactCode.SESSION_OPENED, FactCode.PUBLISHED, FactCode.PERFORMANCE,
}  # fmt: skip
nasty = st.text() | st.sampled_from(
    [
        "a\nb",
        "a\r\nERROR forged line",
        "\x1b[2Jcleared",
        "a\u2028b",
        "a\u2029b",
        "\x85",
        "\x0b\x0c",
        "\0",
        "' reason='x",
    ]
)
facts = st.builds(
    Fact,
    code=st.sampled_from(FactCode),
    reason=st.none() | nasty | st.sampled_from(Refusal),
    count=st.integers(min_value=1, max_value=10**6),
    kid=st.none() | nasty,
    session=st.none() | nasty,
    address=st.none() | nasty,
    conn=st.none() | nasty,
    channel=st.none() | nasty,
    request_id=st.none() | nasty,
)


class Lines(logging.Handler):
    """Gathers formatted lines."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []
        self.levels: list[int] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record.getMessage())
        self.levels.append(record.levelno)


@pytest.fixture(scope="module")
def lines() -> Iterator[Lines]:
    handler = Lines()
    logger = logging.getLogger(LOGGER)
    before = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.DEBUG)
    yield handler
    logger.removeHandler(handler)
    logger.setLevel(before)


def write(lines: Lines, fact: Fact) -> str:
    """Log one fact, return its only line."""
    lines.lines.clear()
    lines.levels.clear()
    log_fact(fact)
    (line,) = lines.lines
    return line


@given(fact=facts)
def test_whatever_a_peer_wrote_it_stays_on_one_line(lines: Lines, fact: Fact) -> None:
    line = write(lines, fact)

    assert line.splitlines() == [line]
    assert line.isprintable(), "no control characters: no forged lines, no escape sequences for the terminal"
    assert line.startswith(f"{fact.code.value} ") or line == f"{fact.code.value} "
    assert lines.levels == [logging.DEBUG if fact.code in QUIET else logging.WARNING]


@given(kid=st.text("ABCxyz019_-", min_size=9, max_size=60))
def test_a_key_id_is_cut_short(lines: Lines, kid: str) -> None:
    line = write(lines, Fact(code=FactCode.FRAME_REFUSED, kid=kid))

    assert f"kid='{kid[:8]}…'" in line
    assert kid not in line


@pytest.mark.parametrize(("code", "reason"), [
    (FactCode.FRAME_REFUSED, Refusal.SIGNATURE), (FactCode.CONNECTION_CLOSED, ByeReason.SLOW),
    (FactCode.CLIENT_REPORT, "gap"),
])  # fmt: skip
def test_r64_the_line_has_the_cause_as_a_plain_word_and_the_request_it_belongs_to(
    lines: Lines, code: FactCode, reason: Any
) -> None:
    line = write(lines, Fact(code=code, reason=reason, request_id="r-1", address="192.0.2.1", channel="a", conn="c"))

    assert line == f"{code.value} reason='{reason.lower()}' request='r-1' address='192.0.2.1' conn='c' channel='a'"


def test_a_count_is_written_where_it_is_more_than_one(lines: Lines) -> None:
    assert "count" not in write(lines, Fact(code=FactCode.RATE_LIMITED))
    assert "count=2" in write(lines, Fact(code=FactCode.RATE_LIMITED, count=2))


def test_r87_figures_are_written_by_name(lines: Lines) -> None:
    assert "{'sent_frames': 7}" in write(lines, Fact(code=FactCode.PERFORMANCE, figures={"sent_frames": 7}))


def test_what_is_not_wanted_is_not_written(lines: Lines) -> None:
    logger = logging.getLogger(LOGGER)
    logger.setLevel(logging.WARNING)
    try:
        lines.lines.clear()
        log_fact(Fact(code=FactCode.FRAME_VERIFIED))
        assert lines.lines == []
        log_fact(Fact(code=FactCode.FRAME_REFUSED))
        assert len(lines.lines) == 1
    finally:
        logger.setLevel(logging.DEBUG)


@in_loop
async def test_r4_r48_no_secret_session_id_or_payload_gets_into_any_line(
    lines: Lines, caplog: pytest.LogCaptureFixture
) -> None:
    """A whole life of a hub, every logger at its most talkative."""
    lines.lines.clear()
    with caplog.at_level(logging.DEBUG):
        house = House()
        house.hub.facts.listen(log_fact)
        client, other = await house.reader("a"), await house.reader("a", session=BOB)
        await client.send({"t": "pub", "ch": "a", "data": "a payload nobody logs"})
        frame = client.sign({"t": "ping", "conn": client.connection.conn})
        for sent in (frame, frame, frame[:-5], frame.replace(b"ping", b"pong")):
            await house.upstream.handle(ALICE, sent, request_id="r-1")
        await client.send({"t": "report", "kind": "signature"})
        house.hub.emitters.add("fails", lambda: 1 / 0, every_s=1, channel="$sys/x")
        await house.tick(3)
        house.hub.revoke(ALICE.id)
        await house.run_for(600)
    text = "\n".join(lines.lines) + caplog.text

    assert len(lines.lines) >= 8
    assert "frame_refused" in text
    for session, key in ((ALICE, client.key), (BOB, other.key)):
        assert session.id not in text
        for form in (key.secret.hex(), base64.encode(key.secret).decode(), base64.encode_url(key.secret)):
            assert form not in text
        assert repr(key.secret)[2:-1] not in text
        assert key.kid not in text
    assert "a payload nobody logs" not in text
    assert repr(house.roots.current) == "RootKey(kid='root-1')"
