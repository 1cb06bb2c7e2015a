"""``jitterbug dev``: a hub for this machine."""

import os
import webbrowser
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from jitterbug.cli.output import complain, console, write_json
from jitterbug.settings import Settings, load, names

if TYPE_CHECKING:
    from jitterbug.server.run import Listening

EPILOG: Final = """
[bold]Examples[/]
  jitterbug dev
  jitterbug dev --profile realtime --bind 127.0.0.1:9000
  jitterbug dev --set KEY_TTL_S=5 --set HISTORY_SIZE=1000

Every setting can also stand in the environment, in .env or in jitterbug.toml; flags win, then the environment.
"""


def dev(
    bind: Annotated[
        str | None,
        typer.Option(metavar="HOST:PORT", help="Where pages and clients connect; port 0 = any. JITTERBUG_BIND"),
    ] = None,
    admin_bind: Annotated[
        str | None,
        typer.Option(metavar="HOST:PORT", help="Where metrics and health are. JITTERBUG_ADMIN_BIND"),
    ] = None,
    profile: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Limits: strict (default) or realtime. JITTERBUG_PROFILE"),
    ] = None,
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="NAME=VALUE", help="Any setting, JITTERBUG_ left out. Can be repeated."),
    ] = None,
    *,
    open_page: Annotated[
        bool, typer.Option("--open/--no-open", help="Open the live page in a browser once the hub listens.")
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one line of JSON with url and admin_url once the hub listens.")
    ] = False,
) -> int:
    """Run a hub on this machine, for development: loopback only, nothing to set up.

    Anybody on this machine gets a session and may read and publish. History is in memory. Without HMAC_KEY_ID and
    HMAC_SECRET the root key is random and lives as long as the process. The live page is at the address it prints.
    """
    flags = _flags(set_ or [], {names.BIND: bind, names.ADMIN_BIND: admin_bind, names.PROFILE: profile})
    settings = load(flags, environ=os.environ, cwd=Path.cwd(), development=True)
    try:
        from jitterbug.server.run import Listening, run  # noqa: PLC0415
    except ModuleNotFoundError as error:
        complain("JB_MISSING", f'{error.name} is not installed. Run: pip install "jitterbug-push[server]"')
        return 1

    def ready(listening: Listening) -> None:
        if as_json:
            write_json({"url": listening.url, "admin_url": listening.admin_url})
        else:
            _welcome(listening, settings)
        if open_page:
            webbrowser.open(listening.url)

    try:
        return run(settings, on_ready=ready)
    except SystemExit:
        # The server's way of saying so; its log has the system's own words.
        complain("JB_LISTEN", "A listener could not start. Is its port taken? Choose others: --bind, --admin-bind.")
        return 1


def _flags(pairs: list[str], named: dict[str, str | None]) -> dict[str, str]:
    """Flags by the full names of the settings."""
    flags: dict[str, str] = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals:
            raise typer.BadParameter("Write --set NAME=VALUE, like --set KEY_TTL_S=60")
        flags[name if names.is_ours(name) else names.full(name)] = value
    return flags | {name: value for name, value in named.items() if value is not None}


def _welcome(listening: "Listening", settings: Settings) -> None:
    """A few lines: where it is, what it allows, what to type next."""
    from rich.panel import Panel  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

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
