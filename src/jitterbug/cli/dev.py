"""``jitterbug dev``: a hub for this machine."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from jitterbug.cli.flags import MISSING_SERVER, AdminBind, Bind, Profile, Set, flags
from jitterbug.cli.output import complain, console, write_json

if TYPE_CHECKING:
    from jitterbug.server.run import Listening
    from jitterbug.settings import Settings

EPILOG: Final = """
[bold]Examples[/]
  jitterbug dev
  jitterbug dev --profile realtime --bind 127.0.0.1:9000
  jitterbug dev --set KEY_TTL_S=5 --set HISTORY_SIZE=1000

Every setting can also stand in the environment, in .env or in jitterbug.toml; flags win, then the environment.
"""


def dev(
    bind: Bind = None,
    admin_bind: AdminBind = None,
    profile: Profile = None,
    set_: Set = None,
    *,
    open_page: Annotated[
        bool, typer.Option("--open/--no-open", help="Open the live page in a browser once the hub listens.")
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one line of JSON with url and admin_url once the hub listens.")
    ] = False,
) -> int:
    """Run a hub on this machine, for development: loopback only, nothing to set up.

    Anybody on this machine gets a session and may read and publish. History is in memory unless ENGINE names a file.
    Without HMAC_KEY_ID and HMAC_SECRET the root key is random and lives as long as the process. The live page is at the
    address it prints.
    """
    from jitterbug.settings import load

    given = flags(set_, bind, admin_bind, profile)
    settings = load(given, environ=os.environ, cwd=Path.cwd(), development=True)
    try:
        from jitterbug.cli import logs
        from jitterbug.server.run import Listening, run
    except ModuleNotFoundError as error:
        complain("JB_MISSING", f"{error.name} {MISSING_SERVER}")
        return 1
    logs.set_up(as_json=False)

    def ready(listening: Listening) -> None:
        if as_json:
            write_json({"url": listening.url, "admin_url": listening.admin_url})
        else:
            _welcome(listening, settings)
        if open_page:
            import webbrowser

            webbrowser.open(listening.url)

    try:
        return run(settings, on_ready=ready)
    except SystemExit:
        # The server's way of saying so; its log has the system's own words.
        complain("JB_LISTEN", "A listener could not start. Is its port taken? Choose others: --bind, --admin-bind.")
        return 1


def _welcome(listening: "Listening", settings: "Settings") -> None:
    """A few lines: where it is, what it allows, what to type next."""
    from rich.panel import Panel
    from rich.text import Text

    config = settings.config
    url = listening.url
    other = "" if url.rstrip("/") == "http://127.0.0.1:8440" else f" --url {url}"
    key = "random, for this process" if config.hmac_secret is None else f"{config.hmac_key_id}, as set"
    text = Text.assemble(
        "hub       ", (url, "bold"), " and the live page\n",
        f"metrics   {listening.admin_url}/metrics\n",
        f"limits    {config.rate_capacity:,} frames at once, then {config.rate_refill_per_s:g} a second; "
        f"{config.max_frame_bytes:,} bytes each ({settings.profile})\n",
        f"root key  {key}\n\n",
        "In two other terminals:\n",
        (f"  jitterbug listen{other} demo\n", "bold"),
        (f"""  jitterbug publish{other} demo '{{"hello": "world"}}'\n""", "bold"),
        "\nCtrl-C ends it.",
    )  # fmt: skip
    console().print(Panel(text, title="jitterbug dev", title_align="left", expand=False, padding=(1, 2)))
