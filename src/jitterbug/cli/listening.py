"""What ``jitterbug listen`` does once its arguments are read: it follows a stream and prints."""

import asyncio
from typing import Any, Final

from rich.text import Text

from jitterbug.cli.output import BROKEN, WHOLE, clock_time, compact, complain, console, printable, seal, write_json
from jitterbug.client import Gap, Notice, Publication, Refused, Status, Unsubscribed, connect
from jitterbug.clock import SystemClock

_REASONS: Final = {
    "size": "too large",
    "grammar": "malformed",
    "key": "signed with an unknown key",
    "stale": "not signed just now",
    "signature": "signature does not hold",
    "replay": "seen before",
    "type": "not a frame of a hub",
    "order": "out of order",
}


async def listen_as(
    channels: list[str], url: str, token: str | None, count: int | None, printer: "LinePrinter | JsonPrinter"
) -> int:
    """Print what comes on channels.

    Args:
        channels: What to read.
        url: The hub.
        token: JWT that opens a session; None = an anonymous one.
        count: Publications after which to end; None = never.
        printer: Told of each.

    Returns:
        The exit status: 1 when the hub lets none of them be read.
    """
    left = set(channels)
    outage = _Outage()
    nothing_left = asyncio.Event()

    def notice(what: Notice) -> None:
        match what:
            case Gap():
                printer.gap(what)
            case Refused():
                printer.refused(what)
            case Status():
                outage.status(what)
            case Unsubscribed():
                complain("JB_UNSUBSCRIBED", f"The hub does not let you read {what.channel}.")
                left.discard(what.channel)
                if not left:
                    nothing_left.set()

    async def read() -> None:
        seen = 0
        async for publication in stream:
            printer.publication(publication)
            seen += 1
            if seen == count:
                return

    async with connect(url, channels=channels, token=token, on_notice=notice, open_timeout_s=0) as stream:
        tasks = [asyncio.create_task(read()), asyncio.create_task(nothing_left.wait())]
        done, rest = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in rest:
            task.cancel()
        for task in done:
            task.result()
        return int(nothing_left.is_set())


class _Outage:
    """Tells once that the connection is gone and once that it is back, not of every try between."""

    def __init__(self) -> None:
        self._lasts = False

    def status(self, status: Status) -> None:
        if status.state == "waiting" and not self._lasts:
            self._lasts = True
            complain(status.code, "Not connected; this tries again until Ctrl-C.")
        elif status.state == "live" and self._lasts:
            self._lasts = False
            complain("JB_LIVE", "Connected again; what was published meanwhile follows.")


class LinePrinter:
    """For people."""

    def __init__(self, channel_width: int) -> None:
        self._console = console()
        self._width = channel_width
        self._whole, self._broken = seal(WHOLE), seal(BROKEN)

    def publication(self, publication: Publication) -> None:
        offset = f"#{publication.position.offset}"
        self._console.print(
            Text.assemble(
                (self._whole, "green"),
                (f" {clock_time(publication.ts)}", "dim"),
                f"  {publication.channel:<{self._width}}  ",
                (f"{offset:>7}", "cyan"),
                f"  {compact(publication.data)}",
                ("  from history" if publication.recovered else "", "dim"),
            )
        )

    def gap(self, gap: Gap) -> None:
        text = f"lost up to #{gap.position.offset}: {printable(gap.reason)}"
        self._line(f"{printable(gap.channel):<{self._width}}  {text}", "yellow")

    def refused(self, refused: Refused) -> None:
        self._line(f"refused: {_REASONS.get(refused.reason, refused.reason)}", "red")

    def _line(self, text: str, style: str) -> None:
        self._console.print(f"{self._broken} {clock_time(SystemClock().now_ms())}  {text}", style=style)


class JsonPrinter:
    """For programs. ``t`` is ``msg``, ``gap`` or ``refused``; members as in PROTOCOL §4."""

    def publication(self, publication: Publication) -> None:
        self._write(
            "msg",
            ch=publication.channel,
            pos=publication.position.to_json(),
            ts=publication.ts,
            re=publication.recovered,
            data=publication.data,
        )

    def gap(self, gap: Gap) -> None:
        self._write("gap", ch=gap.channel, pos=gap.position.to_json(), reason=gap.reason)

    def refused(self, refused: Refused) -> None:
        self._write("refused", reason=str(refused.reason))

    @staticmethod
    def _write(kind: str, **members: Any) -> None:
        write_json({"t": kind, **members})
