"""``jitterbug keys``: making root keys."""

import base64
import secrets
import sys
from typing import Final

import typer

from jitterbug.cli.help import Command, Group
from jitterbug.cli.output import paragraphs

app: Final = typer.Typer(cls=Group, no_args_is_help=True, rich_markup_mode=None)

EPILOG: Final = """
[bold]Examples[/]
  jitterbug keys new >> .env
  eval "$(jitterbug keys new | sed 's/^/export /')"
"""
_ADVICE: Final = """\
Give both lines to every node of the hub and to the back ends that publish, through the environment or a .env file.
Keep them out of repositories, images and logs. To rotate: make a new pair, put the old one into HMAC_PREVIOUS_KEYS
as HMAC_KEY_ID:HMAC_SECRET; restart the nodes, or send them SIGHUP where both stand in .env; then the back ends; take
the old one out when nothing signs with it.
"""


def new() -> None:
    """Make a root key and print it as two lines for an env file.

    HMAC_KEY_ID names the key in frames, HMAC_SECRET is 256 random bits in base64. Standard output has these two lines
    and nothing else; what to do with them goes to standard error. Nothing is written anywhere.
    """
    from jitterbug.protocol.signing import SECRET_BYTES

    secret = base64.b64encode(secrets.token_bytes(SECRET_BYTES)).decode()
    sys.stdout.write(f"HMAC_KEY_ID=root_{secrets.token_hex(8)}\nHMAC_SECRET={secret}\n")
    sys.stdout.flush()
    sys.stderr.write(_ADVICE)


def _keys() -> None:
    """Make root keys, which sign for the hub and its back ends."""


app.command("new", cls=Command, help=paragraphs(new), epilog=EPILOG)(new)
app.callback()(_keys)
