"""``jitterbug publish``: one publication, or one a line."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, Protocol

import typer

from jitterbug.cli import hub_address
from jitterbug.cli.counter import Counter
from jitterbug.cli.data import read_data
from jitterbug.cli.hub_address import DEFAULT_URL, TokenFile, Url
from jitterbug.cli.lines import Line, read_lines
from jitterbug.cli.output import WHOLE, console, seal
from jitterbug.errors import CanonicalError, PublishError
from jitterbug.hub.channels import is_reserved
from jitterbug.settings import root_key

if TYPE_CHECKING:
    from jitterbug.client import Notice
    from jitterbug.protocol.position import Position

EPILOG: Final = """
[bold]Examples[/]
  jitterbug publish orders/42 '{"status": "shipped"}'
  tail -f app.log | jitterbug publish logs -

[bold]As whom[/]
With HMAC_KEY_ID and HMAC_SECRET set (environment or .env): as a back end, with a root key of the hub. \
Without them as an anonymous session of a development hub, whose rate limit then holds.
"""
_SLOW: Final = (
    "The hub limits how fast a session publishes: this waits, nothing is lost. Faster: jitterbug dev --profile "
    "realtime, or set HMAC_KEY_ID and HMAC_SECRET for the hub and here."
)
_SAME_KEY: Final = (
    "The hub must have the same HMAC_KEY_ID and HMAC_SECRET and its clock agree within 5 s; unset both here to publish "
    "as an anonymous session of a development hub."
)
_GIVE_UP_AFTER_S: Final = 5.0
INTERRUPTED: Final = 130


class Target(Protocol):
    """Where publications go: a stream, or a back end's publisher."""

    async def publish(self, channel: str, data: Any) -> "Position":
        """Publish; raises JitterbugError."""
        ...


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
            return asyncio.run(_publish(channel, as_one, url, hub_address.read_token(token_file), counter))
    except KeyboardInterrupt:
        return INTERRUPTED
    finally:
        counter.finish()


async def _publish(channel: str, data: str | None, url: str, token: str | None, counter: Counter) -> int:
    async with _target(url, token, counter) as target:
        if data is not None:
            position = await target.publish(channel, read_data(data.encode()))
            console().print(f"{seal(WHOLE)} {channel}  #{position.offset}")
            return 0
        async for line in read_lines(sys.stdin.fileno()):
            counter.at_line = line.number
            await _publish_line(target, channel, line, counter)
            counter.at_line = 0
    return int(counter.refused > 0)


async def _publish_line(target: Target, channel: str, line: Line, counter: Counter) -> None:
    """Publish a line; a fault of the line is told and counted, any other ends the command."""
    from jitterbug.client import InvalidRequestError, TooLargeError  # noqa: PLC0415

    if line.data is None:
        counter.refuse(f"line {line.number}: {TooLargeError()}", TooLargeError.code)
        return
    if not line.data.strip():
        return
    try:
        await target.publish(channel, read_data(line.data))
    except (CanonicalError, PublishError, TooLargeError, InvalidRequestError) as error:
        counter.refuse(f"line {line.number}: {error}", error.code)
    else:
        counter.publish()


@asynccontextmanager
async def _target(url: str, token: str | None, counter: Counter) -> AsyncIterator[Target]:
    """A back end's publisher where there is a root key, else a session's stream."""
    from jitterbug.client import Paced, Publisher, UnauthorizedError, connect  # noqa: PLC0415

    def notice(what: "Notice") -> None:
        if isinstance(what, Paced):
            counter.say_once("JB_RATE_LIMITED", _SLOW)

    root = None if token else root_key(environ=os.environ, cwd=Path.cwd())
    if root is not None:
        kid, secret = root
        async with Publisher(url, kid, secret.reveal(), on_paced=notice, give_up_after_s=_GIVE_UP_AFTER_S) as publisher:
            try:
                yield publisher
            except UnauthorizedError as error:
                error.remedy = _SAME_KEY
                raise
    else:
        async with connect(url, token=token, on_notice=notice, open_timeout_s=0) as stream:
            yield stream
