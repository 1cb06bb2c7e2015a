"""``jitterbug listen``: verified frames, as they come."""

from typing import Annotated, Final

import typer

from jitterbug.cli import hub_address
from jitterbug.cli.hub_address import DEFAULT_URL, TokenFile, Url

EPILOG: Final = """
[bold]Examples[/]
  jitterbug listen orders/42 '$sys/telemetry'
  jitterbug listen --json demo | jq .data

Ends with Ctrl-C. A broken connection is opened again and goes on where it stopped.
"""


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
    import asyncio

    from jitterbug.cli.listening import JsonPrinter, LinePrinter, listen_as
    from jitterbug.cli.output import stop_output

    hub_address.check_channels(*channels)
    hub_address.check_url(url)
    printer = JsonPrinter() if as_json else LinePrinter(max(map(len, channels)))
    try:
        with hub_address.explained(url):
            return asyncio.run(listen_as(channels, url, hub_address.read_token(token_file), count, printer))
    except KeyboardInterrupt:
        return 0
    except BrokenPipeError:
        stop_output()  # "| head -1" has had enough, which is no failure
        return 0
