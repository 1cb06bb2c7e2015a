"""All commands, and what becomes of their errors: one line, and an exit status that means something."""

from collections.abc import Sequence
from typing import Annotated, Final

import typer
from typer.exceptions import Abort, TyperException

from jitterbug.cli import audit, dev, keys, listen, publish, serve
from jitterbug.cli.help import Command, Group
from jitterbug.cli.output import complain, paragraphs
from jitterbug.errors import JitterbugError, SettingError

OK: Final = 0
FAILED: Final = 1
EX_CONFIG: Final = 78
"""``sysexits.h``: something was found in a misconfigured state."""

app: Final = typer.Typer(
    name="jitterbug",
    no_args_is_help=True,
    add_completion=False,
    cls=Group,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Exit status: 0 done, 1 failed, 2 wrong usage, 78 a setting is missing or weak.",
)


def _show_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"jitterbug {version('jitterbug-push')}")
        raise typer.Exit


def _main(
    *,
    _version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Real-time push in which every frame is signed and verified.

    Start a hub with [bold]jitterbug dev[/], then listen and publish from two other terminals.
    """


app.callback(help=paragraphs(_main))(_main)
app.command("dev", cls=Command, help=paragraphs(dev.dev), epilog=dev.EPILOG)(dev.dev)
app.command("publish", cls=Command, help=paragraphs(publish.publish), epilog=publish.EPILOG)(publish.publish)
app.command("listen", cls=Command, help=paragraphs(listen.listen), epilog=listen.EPILOG)(listen.listen)
app.command("serve", cls=Command, help=paragraphs(serve.serve), epilog=serve.EPILOG)(serve.serve)
app.command("check", cls=Command, help=paragraphs(serve.check), epilog=serve.CHECK_EPILOG)(serve.check)
app.add_typer(keys.app, name="keys")
app.add_typer(audit.app, name="audit")


def _help_of(error: TyperException) -> str:
    """How to get the help of the command that was used wrongly."""
    context = getattr(error, "ctx", None)
    return f"{context.command_path if context else 'jitterbug'} --help"


def run(arguments: Sequence[str]) -> int:
    """Run one command.

    Returns:
        The exit status: 0 done, 1 failed, 2 wrong usage, 78 (EX_CONFIG) a setting is missing or weak, 130 interrupted.
    """
    command = typer.main.get_command(app)
    try:
        return int(command.main(args=list(arguments), prog_name="jitterbug", standalone_mode=False) or OK)
    except SettingError as error:
        complain(error.code, str(error))
        return EX_CONFIG
    except JitterbugError as error:
        complain(error.code, str(error))
        return FAILED
    except TyperException as error:
        complain("JB_USAGE", f"{error.format_message().removesuffix('.')} (see {_help_of(error)})")
        return error.exit_code
    except Abort:
        return FAILED
