"""What ``jitterbug publish`` does once its arguments are read: as whom it publishes, and line by line."""

import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final, Protocol

from jitterbug.cli.counter import Counter
from jitterbug.cli.data import read_data
from jitterbug.cli.lines import Line, read_lines
from jitterbug.cli.output import WHOLE, console, seal
from jitterbug.client import InvalidRequestError, Notice, Paced, Publisher, TooLargeError, UnauthorizedError, connect
from jitterbug.errors import CanonicalError, PublishError
from jitterbug.protocol.position import Position
from jitterbug.settings import root_key

_SLOW: Final = (
    "The hub limits how fast a session publishes: this waits, nothing is lost. Faster: jitterbug dev --profile "
    "realtime, or set HMAC_KEY_ID and HMAC_SECRET for the hub and here."
)
_SAME_KEY: Final = (
    "The hub must have the same HMAC_KEY_ID and HMAC_SECRET and its clock agree within 5 s; unset both here to publish "
    "as an anonymous session of a development hub."
)
_GIVE_UP_AFTER_S: Final = 5.0


class Target(Protocol):
    """Where publications go: a stream, or a back end's publisher."""

    async def publish(self, channel: str, data: Any) -> Position:
        """Publish; raises JitterbugError."""
        ...


async def publish_as(channel: str, data: str | None, url: str, token: str | None, counter: Counter) -> int:
    """Publish one value, or what comes in.

    Args:
        channel: Where to.
        data: The value as it was typed; None = each line of standard input.
        url: The hub.
        token: JWT that opens a session; None = a root key where there is one, else an anonymous session.
        counter: Told of each.

    Returns:
        The exit status.
    """
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

    def notice(what: Notice) -> None:
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
