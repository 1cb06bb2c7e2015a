"""``jitterbug listen``: verified frames, as they come."""

import asyncio
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from jitterbug.cli import hub_address
from jitterbug.cli.hub_address import DEFAULT_URL, TokenFile, Url
from jitterbug.cli.output import (
    BROKEN,
    WHOLE,
    clock_time,
    compact,
    complain,
    console,
    printable,
    seal,
    stop_output,
    write_json,
)
from jitterbug.clock import SystemClock

if TYPE_CHECKING:
    from jitterbug.client import Gap, Notice, Publication, Refused, Status

EPILOG: Final = """
[bold]Examples[/]
  jitterbug listen orders/42 '$sys/telemetry'
  jitterbug listen --json demo | jq .data

Ends with Ctrl-C. A broken connection is opened again and goes on where it stopped.
"""
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


def listen(
    channels: Annotated[list[str], typer.Argument(metavar="CHANNEL", help="What to read.", show_default=False)],
    url: Url = DEFAULT_URL,
    token_file: TokenFile = None,
    count: Annotated[int | None, typer.Option("-n", "--count", min=1, help="End after so many publications.")] = None,
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object a line.")] = False,
) -> int:
    """Print the publications of channels, each verified before it is shown.

    A line has the seal, the time of signing, the channel, the offset in it and the data. Frames that do not verify are
    shown as refused, with the reason, and never with their content.
    """
    hub_address.check_channels(*channels)
    hub_address.check_url(url)
    printer = _JsonPrinter() if as_json else _LinePrinter(max(map(len, channels)))
    try:
        with hub_address.explained(url):
            return asyncio.run(_listen(channels, url, hub_address.read_token(token_file), count, printer))
    except KeyboardInterrupt:
        return 0
    except BrokenPipeError:
        stop_output()  # "| head -1" has had enough, which is no failure
        return 0


async def _listen(
    channels: list[str], url: str, token: str | None, count: int | None, printer: "_LinePrinter | _JsonPrinter"
) -> int:
    from jitterbug.client import Gap, Refused, Status, Unsubscribed, connect  # noqa: PLC0415

    left = set(channels)
    outage = _Outage()
    nothing_left = asyncio.Event()

    def notice(what: "Notice") -> None:
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

    def status(self, status: "Status") -> None:
        if status.state == "waiting" and not self._lasts:
            self._lasts = True
            complain(status.code, "Not connected; this tries again until Ctrl-C.")
        elif status.state == "live" and self._lasts:
            self._lasts = False
            complain("JB_LIVE", "Connected again; what was published meanwhile follows.")


class _LinePrinter:
    """For people."""

    def __init__(self, channel_width: int) -> None:
        self._console = console()
        self._width = channel_width
        self._whole, self._broken = seal(WHOLE), seal(BROKEN)

    def publication(self, publication: "Publication") -> None:
        from rich.text import Text  # noqa: PLC0415

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

    def gap(self, gap: "Gap") -> None:
        text = f"lost up to #{gap.position.offset}: {printable(gap.reason)}"
        self._line(f"{printable(gap.channel):<{self._width}}  {text}", "yellow")

    def refused(self, refused: "Refused") -> None:
        self._line(f"refused: {_REASONS.get(refused.reason, refused.reason)}", "red")

    def _line(self, text: str, style: str) -> None:
        self._console.print(f"{self._broken} {clock_time(SystemClock().now_ms())}  {text}", style=style)


class _JsonPrinter:
    """For programs. ``t`` is ``msg``, ``gap`` or ``refused``; members as in PROTOCOL §4."""

    def publication(self, publication: "Publication") -> None:
        self._write(
            "msg",
            ch=publication.channel,
            pos=publication.position.to_json(),
            ts=publication.ts,
            re=publication.recovered,
            data=publication.data,
        )

    def gap(self, gap: "Gap") -> None:
        self._write("gap", ch=gap.channel, pos=gap.position.to_json(), reason=gap.reason)

    def refused(self, refused: "Refused") -> None:
        self._write("refused", reason=str(refused.reason))

    @staticmethod
    def _write(kind: str, **members: Any) -> None:
        write_json({"t": kind, **members})
