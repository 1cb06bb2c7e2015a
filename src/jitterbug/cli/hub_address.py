"""What ``listen`` and ``publish`` have in common: which hub, and as whom."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Final
from urllib.parse import urlsplit

import typer

from jitterbug.errors import SettingError

DEFAULT_URL: Final = "http://127.0.0.1:8440"

Url = Annotated[str, typer.Option(metavar="URL", help="The hub, or its base path.")]
TokenFile = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="File with the JWT that opens a session. Not needed at a development hub."),
]


def read_token(path: Path | None) -> str | None:
    """The token in a file; None without one.

    Raises:
        SettingError: The file cannot be read.
    """
    if path is None:
        return None
    try:
        return path.read_text("ascii").strip()
    except (OSError, UnicodeDecodeError):
        raise SettingError("--token-file", "cannot be read", remedy="Check path and permissions.") from None


def check_channels(*channels: str) -> None:
    """Refuse what can name no channel (PROTOCOL §4), as wrong usage."""
    from jitterbug.hub.channels import is_channel

    for channel in channels:
        if not is_channel(channel):
            raise typer.BadParameter("A channel has 1 to 128 of A-Z a-z 0-9 _ - . / in its name")


@contextmanager
def explained(url: str) -> Iterator[None]:
    """Say more about a hub that does not answer on this machine: most likely nobody started it."""
    from jitterbug.client import NetworkError
    from jitterbug.client.transport import is_loopback

    try:
        yield
    except NetworkError as error:
        if not error.sent and is_loopback(urlsplit(url).hostname or ""):
            raise NetworkError(
                f"No hub answers at {url}.", sent=False, remedy="Start one with: jitterbug dev"
            ) from None
        raise


def check_url(url: str) -> None:
    """Refuse what is no address of a hub, as wrong usage."""
    from jitterbug.client.transport import base_url

    try:
        base_url(url)
    except ValueError as error:
        raise typer.BadParameter(f"--url: {error}") from None
