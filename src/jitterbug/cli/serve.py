"""``jitterbug serve`` and ``jitterbug check``: production rules."""

import os
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from jitterbug.cli.flags import MISSING_SERVER, AdminBind, Bind, Profile, Set, flags
from jitterbug.cli.output import complain, console, write_json

if TYPE_CHECKING:
    from jitterbug.server.run import Listening

EPILOG: Final = """
[bold]Examples[/]
  jitterbug keys new >> .env
  jitterbug check && jitterbug serve
  jitterbug serve --bind 0.0.0.0:8443 --log json

Needed: HMAC_KEY_ID and HMAC_SECRET; JITTERBUG_TLS_CERT and _KEY, or JITTERBUG_TRUSTED_PROXIES;
JITTERBUG_JWT_KEY and _AUDIENCE. Advised: JITTERBUG_AUDIT_FILE. Exit status 78 when something is missing or weak.
"""
CHECK_EPILOG: Final = """
[bold]Example[/]
  jitterbug check --set TLS_CERT=cert.pem --set TLS_KEY=key.pem
"""
Log = Annotated[str, typer.Option("--log", metavar="FORM", help="Log lines as text or as json.")]


def serve(
    bind: Bind = None, admin_bind: AdminBind = None, profile: Profile = None, set_: Set = None, log: Log = "text"
) -> int:
    """Run a hub by production rules: everything signed, everything over HTTPS, nobody without a login.

    It refuses to start, before it listens, when anything required is missing or weak, and names the setting and the
    remedy. SIGTERM ends it in order: streams are told when to come back, spread over JITTERBUG_DRAIN_S seconds.

    SIGHUP reads .env and jitterbug.toml again: root keys and allowed origins change with every stream left open. What
    is too weak is refused and the old settings stay. Anything else needs a restart, and the log names it.
    """
    from jitterbug.settings import load

    read = partial(load, flags(set_, bind, admin_bind, profile), environ=os.environ, cwd=Path.cwd())
    settings = read()
    if log not in {"text", "json"}:
        raise typer.BadParameter("--log takes text or json")
    try:
        from jitterbug.cli import logs
        from jitterbug.server.run import run
    except ModuleNotFoundError as error:
        complain("JB_MISSING", f"{error.name} {MISSING_SERVER}")
        return 1
    logs.set_up(as_json=log == "json")

    def ready(listening: "Listening") -> None:
        write_json({"url": listening.url, "admin_url": listening.admin_url})

    try:
        return run(settings, on_ready=ready, read=read)
    except SystemExit:
        # The server's way of saying so; its log has the system's own words.
        complain("JB_LISTEN", "A listener could not start. Is its port taken? Choose others: --bind, --admin-bind.")
        return 1


def check(bind: Bind = None, admin_bind: AdminBind = None, profile: Profile = None, set_: Set = None) -> int:
    """Say whether `jitterbug serve` would start with these settings, without starting it.

    Exit status 0 when it would, 78 with the setting and the remedy when it would not. No value is ever printed.
    """
    from jitterbug.settings import load

    settings = load(flags(set_, bind, admin_bind, profile), environ=os.environ, cwd=Path.cwd())
    try:
        from jitterbug.server.rules import check_rules
    except ModuleNotFoundError as error:
        complain("JB_MISSING", f"{error.name} {MISSING_SERVER}")
        return 1
    check_rules(settings)
    out = console()
    out.print("The settings hold.")
    if settings.audit_file is None:
        out.print("Advice: JITTERBUG_AUDIT_FILE is not set, so nothing is recorded for later.")
    return 0
