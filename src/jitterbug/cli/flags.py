"""Settings given on the command line, shared by the commands that start or check a hub."""

from typing import Annotated, Final

import typer

Bind = Annotated[
    str | None,
    typer.Option(metavar="HOST:PORT", help="Where pages and clients connect; port 0 = any. JITTERBUG_BIND"),
]
AdminBind = Annotated[
    str | None, typer.Option(metavar="HOST:PORT", help="Where metrics and health are. JITTERBUG_ADMIN_BIND")
]
Profile = Annotated[
    str | None, typer.Option(metavar="NAME", help="Limits: strict (default) or realtime. JITTERBUG_PROFILE")
]
Set = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="NAME=VALUE", help="Any setting, JITTERBUG_ left out. Can be repeated."),
]
MISSING_SERVER: Final = 'is not installed. Run: pip install "jitterbug-push[server]"'


def flags(pairs: list[str] | None, bind: str | None, admin_bind: str | None, profile: str | None) -> dict[str, str]:
    """Flags by the full names of the settings. Raises typer.BadParameter for a pair without ``=``."""
    from jitterbug.settings import names

    found: dict[str, str] = {}
    for pair in pairs or []:
        name, equals, value = pair.partition("=")
        if not equals:
            raise typer.BadParameter("Write --set NAME=VALUE, like --set KEY_TTL_S=60")
        found[name if names.is_ours(name) else names.full(name)] = value
    named = {names.BIND: bind, names.ADMIN_BIND: admin_bind, names.PROFILE: profile}
    return found | {name: value for name, value in named.items() if value is not None}
