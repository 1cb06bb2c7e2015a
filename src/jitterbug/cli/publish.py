"""``jitterbug publish``: one publication, or one a line."""

import sys
from typing import Annotated, Final

import typer

from jitterbug.cli import hub_address
from jitterbug.cli.hub_address import DEFAULT_URL, TokenFile, Url

EPILOG: Final = """
[bold]Examples[/]
  jitterbug publish orders/42 '{"status": "shipped"}'
  tail -f app.log | jitterbug publish logs -

[bold]As whom[/]
With HMAC_KEY_ID and HMAC_SECRET set (environment or .env): as a back end, with a root key of the hub. \
Without them as an anonymous session of a development hub, whose rate limit then holds.
"""
INTERRUPTED: Final = 130


def publish(
    channel: Annotated[str, typer.Argument(metavar="CHANNEL", help="Where to.", show_default=False)],
    data: Annotated[
        str | None,
        typer.Argument(
            metavar="DATA|-",
            help="JSON, or else text. - = one publication a line of standard input.",
            show_default=False,
        ),
    ] = None,
    url: Url = DEFAULT_URL,
    token_file: TokenFile = None,
) -> int:
    """Publish one value, or every line of standard input.

    What parses as JSON is sent as JSON, anything else as text; empty lines are skipped. A line that the hub cannot
    take (too large, for one) is named and counted, the others go on; the exit status is then 1.
    """
    import asyncio

    from jitterbug.cli.counter import Counter
    from jitterbug.cli.publishing import publish_as
    from jitterbug.hub.channels import is_reserved

    hub_address.check_channels(channel)
    hub_address.check_url(url)
    if is_reserved(channel):
        raise typer.BadParameter("Channels that begin with $ are the hub's own")
    if data is None and sys.stdin.isatty():
        raise typer.BadParameter("Give DATA, or - to read lines from standard input")
    as_one = None if data in {None, "-"} else data
    counter = Counter(shown=as_one is None)
    try:
        with hub_address.explained(url):
            return asyncio.run(publish_as(channel, as_one, url, hub_address.read_token(token_file), counter))
    except KeyboardInterrupt:
        return INTERRUPTED
    finally:
        counter.finish()
