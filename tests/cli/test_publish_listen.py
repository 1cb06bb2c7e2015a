"""``jitterbug publish`` and ``jitterbug listen`` against a real hub, through real pipes."""

import asyncio
import json
import selectors
import signal
import time
from pathlib import Path
from typing import Any

import pytest

from jitterbug.client import connect
from tests.cli.conftest import WITHIN_S, Run, Start
from tests.client.conftest import StartHub
from tests.client.test_client_hub import ROOT

PROBE = "are you there"
SEAL = "\N{CHECK MARK}"


def say(url: str, channel: str, data: Any) -> None:
    """Publish from this process."""

    async def run() -> None:
        async with connect(url) as stream:
            await stream.publish(channel, data)

    asyncio.run(run())


class Listener:
    """``jitterbug listen`` in the background, known to be subscribed: it has shown a first publication."""

    def __init__(self, started: Start, url: str, channel: str, *options: str) -> None:
        self.process = started("listen", "--url", url, channel, *options)
        assert self.process.stdout is not None
        with selectors.DefaultSelector() as selector:
            selector.register(self.process.stdout, selectors.EVENT_READ)
            while not selector.select(0.2):
                say(url, channel, PROBE)

    def read(self, count: int) -> list[str]:
        """The next lines that are not of the beginning."""
        assert self.process.stdout is not None
        lines: list[str] = []
        while len(lines) < count:
            line = self.process.stdout.readline()
            assert line, "it ended early"
            if PROBE not in line:
                lines.append(line.rstrip("\n"))
        return lines


def test_a_value_goes_from_one_terminal_to_another(jitterbug: Run, started: Start, hub_url: str) -> None:
    listener = Listener(started, hub_url, "cli/one", "--json")
    result = jitterbug("publish", "--url", hub_url, "cli/one", '{"status": "shipped"}')
    assert result.returncode == 0
    assert result.stderr == ""
    assert result.stdout.startswith(f"{SEAL} cli/one  #")
    [line] = listener.read(1)
    seen = json.loads(line)
    assert {name: seen[name] for name in ("t", "ch", "data", "re")} == {
        "t": "msg", "ch": "cli/one", "data": {"status": "shipped"}, "re": False,
    }  # fmt: skip
    assert seen["pos"][1] == int(result.stdout.rsplit("#", 1)[1])


def test_lines_for_people_are_aligned_sealed_plain_when_piped_and_cannot_play_tricks(
    jitterbug: Run, started: Start, hub_url: str
) -> None:
    """NO_COLOR and pipes get no escape codes, not from us and not from whoever publishes."""
    listener = Listener(started, hub_url, "cli/two")
    jitterbug("publish", "--url", hub_url, "cli/two", "-", input='{"evil":"\\u001b[2J\\u202e"}\nplain\n')
    first, second = listener.read(2)
    assert first.startswith(f"{SEAL} ")
    assert first.index("cli/two") == second.index("cli/two")
    assert first.index("{") == second.index('"plain"')
    assert r'{"evil":"\u001b[2J\u202e"}' in first
    assert "\x1b" not in first


def test_each_line_of_standard_input_is_json_or_text(jitterbug: Run, started: Start, hub_url: str) -> None:
    listener = Listener(started, hub_url, "cli/three", "--json")
    lines = '{"n":1}\nhello world\r\n\n7\n"x"\nlast, no end'
    result = jitterbug("publish", "--url", hub_url, "cli/three", "-", input=lines)
    assert (result.returncode, result.stdout) == (0, "")
    assert result.stderr == "5 published, 0 refused\n"
    assert [json.loads(line)["data"] for line in listener.read(5)] == [{"n": 1}, "hello world", 7, "x", "last, no end"]


def test_a_line_that_cannot_be_taken_is_named_and_the_others_go_on(
    jitterbug: Run, started: Start, hub_url: str
) -> None:
    """R58: nothing is cut to fit."""
    listener = Listener(started, hub_url, "cli/four", "--json")
    lines = ["1", "x" * 20_000, "9007199254740993", "y" * 2_000_000, "2"]
    result = jitterbug("publish", "--url", hub_url, "cli/four", "-", input="\n".join(lines))
    assert result.returncode == 1
    *told, summary = result.stderr.splitlines()
    assert [line.split(": ")[2] for line in told] == ["line 2", "line 3", "line 4"]
    assert ["JB_FRAME_TOO_LARGE" in line for line in told] == [True, False, True]
    assert summary == "2 published, 3 refused"
    assert [json.loads(line)["data"] for line in listener.read(2)] == [1, 2]


@pytest.mark.slow
def test_an_anonymous_publisher_waits_for_the_rate_limit_and_is_told_once(jitterbug: Run, start_hub: StartHub) -> None:
    """R53, R54: twelve lines at ten at once and one a second; none is lost."""
    hub = start_hub()
    result = jitterbug("publish", "--url", hub.url, "cli/five", "-", input="".join(f"{n}\n" for n in range(12)))
    assert result.returncode == 0
    told, summary = result.stderr.splitlines()
    assert told.startswith("jitterbug: JB_RATE_LIMITED: ")
    assert "--profile realtime" in told
    assert "HMAC_SECRET" in told
    assert summary == "12 published, 0 refused"


def test_with_a_root_key_it_publishes_as_a_back_end(
    jitterbug: Run, start_hub: StartHub, started: Start, tmp_path: Path
) -> None:
    """PROTOCOL §6: no session, no session's rate limit; the key from the environment or from ``.env``."""
    hub = start_hub(environ=ROOT)
    listener = Listener(started, hub.url, "cli/six", "--json")
    lines = "".join(f"{n}\n" for n in range(30))
    assert jitterbug("publish", "--url", hub.url, "cli/six", "-", input=lines, environ=ROOT).returncode == 0
    (tmp_path / ".env").write_text("".join(f"{name}={text}\n" for name, text in ROOT.items()))
    assert jitterbug("publish", "--url", hub.url, "cli/six", "30").returncode == 0
    assert [json.loads(line)["data"] for line in listener.read(10)] == list(range(10))


def test_with_a_root_key_the_hub_does_not_know_it_says_what_to_do(jitterbug: Run, hub_url: str) -> None:
    result = jitterbug("publish", "--url", hub_url, "cli/seven", "-", input="1\n2\n3\n", environ=ROOT)
    assert (result.returncode, result.stdout) == (1, "")
    assert "JB_UNAUTHORIZED" in result.stderr
    assert "same HMAC_KEY_ID and HMAC_SECRET" in result.stderr
    assert "0 published, 0 refused; stopped at line 1" in result.stderr
    assert ROOT["HMAC_SECRET"] not in result.stderr


def test_a_listener_ends_after_so_many(jitterbug: Run, started: Start, hub_url: str) -> None:
    process = started("listen", "--url", hub_url, "cli/eight", "-n", "2")
    while process.poll() is None:
        say(hub_url, "cli/eight", 1)
    output, errors = process.communicate()
    assert (process.returncode, errors) == (0, "")
    assert len(output.splitlines()) == 2


def test_an_interrupt_ends_a_listener_without_a_word(jitterbug: Run, started: Start, hub_url: str) -> None:
    listener = Listener(started, hub_url, "cli/nine")
    listener.process.send_signal(signal.SIGINT)
    _, errors = listener.process.communicate(timeout=WITHIN_S)
    assert (listener.process.returncode, errors) == (0, "")


def test_a_reader_that_has_had_enough_ends_a_listener_without_a_word(
    jitterbug: Run, started: Start, hub_url: str
) -> None:
    """``jitterbug listen … | head -1``."""
    listener = Listener(started, hub_url, "cli/ten", "--json")
    assert listener.process.stdout is not None
    listener.process.stdout.close()
    for _ in range(20):
        say(hub_url, "cli/ten", 1)
        if listener.process.poll() is not None:
            break
    assert listener.process.wait(WITHIN_S) == 0
    assert listener.process.stderr is not None
    assert listener.process.stderr.read() == ""


def test_an_interrupt_ends_a_publisher_that_waits_for_a_line(started: Start, hub_url: str) -> None:
    listener = Listener(started, hub_url, "cli/eleven")
    process = started("publish", "--url", hub_url, "cli/eleven", "-")
    assert process.stdin is not None
    process.stdin.write("1\n")
    process.stdin.flush()
    listener.read(1)
    time.sleep(0.5)  # for the hub's answer, which comes about when the listener's line does
    process.send_signal(signal.SIGINT)
    assert process.wait(WITHIN_S) == 130
    output, errors = process.communicate()
    assert (output, errors) == ("", "1 published, 0 refused\n")


@pytest.mark.slow
def test_a_listener_outlives_its_hub_and_says_so_once(started: Start, start_hub: StartHub) -> None:
    hub = start_hub(profile="realtime")
    listener = Listener(started, hub.url, "cli/twelve", "--json")
    hub.kill()
    start_hub(profile="realtime", bind=hub.bind)
    [gap] = map(json.loads, listener.read(1))
    assert (gap["t"], gap["ch"], gap["reason"]) == ("gap", "cli/twelve", "epoch")
    say(hub.url, "cli/twelve", "after")
    [after] = map(json.loads, listener.read(1))
    assert (after["t"], after["data"]) == ("msg", "after")
    listener.process.send_signal(signal.SIGINT)
    _, errors = listener.process.communicate(timeout=WITHIN_S)
    assert [line.split(": ")[1] for line in errors.splitlines()] == ["JB_CUT", "JB_LIVE"]
