"""``jitterbug audit``: beginning a trail, and reading it back."""

from pathlib import Path
from typing import Annotated, Final

import typer

from jitterbug.cli.help import Command, Group
from jitterbug.cli.output import complain, console, paragraphs, write_json
from jitterbug.errors import JitterbugError

app: Final = typer.Typer(cls=Group, no_args_is_help=True, rich_markup_mode=None)
EPILOG: Final = """
[bold]Examples[/]
  jitterbug audit verify audit.jsonl
  jitterbug audit verify audit.jsonl --checkpoint 1000:3f2a…
  jitterbug audit verify audit.jsonl --key-file first.key
"""
INIT_EPILOG: Final = """
[bold]Example[/], on the hub's host, the key kept elsewhere:
  ssh hub jitterbug audit init audit.jsonl > first.key
"""
_MAX_DIGITS: Final = 18


def init(file: Annotated[Path, typer.Argument(metavar="FILE", help="The trail that a hub will write.")]) -> int:
    """Begin an audit trail, and print the key of its first record: the one thing that verifies every MAC later.

    Keep the key away from the host. Nothing there holds it: the hub goes on with keys made from it that cannot be
    turned back. Without this command a hub begins its trail itself, and only the chain can be verified.
    """
    from jitterbug.protocol import base64
    from jitterbug.telemetry.audit import seal_file

    try:
        key = seal_file.begin(file)
    except OSError as error:
        raise JitterbugError(f"{error.filename} cannot be made ({error.strerror}).") from None
    typer.echo(base64.encode(key).decode())
    return 0


def verify(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The trail, one JSON object a line.")],
    checkpoint: Annotated[
        str | None,
        typer.Option(metavar="RECORDS:HEAD", help="A checkpoint from the log, kept away from the host."),
    ] = None,
    key_file: Annotated[
        Path | None, typer.Option(metavar="FILE", help="The key that `audit init` printed: verifies every MAC too.")
    ] = None,
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as one JSON object.")] = False,
) -> int:
    """Check every record of an audit trail against the one before it, and name the first bad place.

    Finds records that were changed, taken out, put in, moved or cut off. Whether records were cut off at the end shows
    by the .seal file beside the trail, or by a checkpoint that was copied off the host. Exit status 0 = whole, 1 = not.
    """
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    from jitterbug.telemetry.audit.verify import verify as verify_trail

    wanted, key = _checkpoint(checkpoint), _key(key_file)
    try:
        size = file.stat().st_size
        errors = console(stderr=True)
        columns = TextColumn("verifying"), BarColumn(), TimeRemainingColumn()
        # Where there is no terminal it would still print an empty line.
        with Progress(*columns, console=errors, transient=True, disable=not errors.is_terminal) as progress:
            task = progress.add_task("", total=size)
            report = verify_trail(
                file, key=key, checkpoint=wanted, progress=lambda offset: progress.update(task, completed=offset)
            )
    except OSError as error:
        raise JitterbugError(f"{error.filename or file} cannot be read ({error.strerror}).") from None
    except ValueError:
        raise JitterbugError(f"{file}.seal cannot be read: it was changed, or is no seal.") from None
    if as_json:
        found = {"records": report.records, "head": report.head, "line": report.line, "offset": report.offset}
        write_json({"whole": report.fault is None, "fault": report.fault, **found})
    elif report.fault is None:
        console().print(f"Whole: {report.records:,} records. Checkpoint {report.records}:{report.head}")
    if report.fault is not None:
        if not as_json:
            complain("JB_AUDIT", f"{report.fault} {report.records:,} records before it are good.")
        return 1
    return 0


def _checkpoint(text: str | None) -> tuple[int, str] | None:
    if text is None:
        return None
    records, colon, head = text.partition(":")
    is_number = records.isascii() and records.isdigit() and len(records) <= _MAX_DIGITS
    if not colon or not is_number or len(head) != 64:
        raise typer.BadParameter("Write --checkpoint RECORDS:HEAD, as the log or `audit verify` prints it")
    return int(records), head


def _key(file: Path | None) -> bytes | None:
    from jitterbug.protocol import base64

    if file is None:
        return None
    try:
        text = file.read_text("ascii").strip()
        if base64.is_32(text):
            return base64.decode(text)
    except OSError as error:
        raise JitterbugError(f"{file} cannot be read ({error.strerror}).") from None
    except ValueError:
        pass
    raise JitterbugError(f"{file} holds no key as `jitterbug audit init` prints it.")


def _audit() -> None:
    """Begin an audit trail, and read it back."""


app.command("init", cls=Command, help=paragraphs(init), epilog=INIT_EPILOG)(init)
app.command("verify", cls=Command, help=paragraphs(verify), epilog=EPILOG)(verify)
app.callback()(_audit)
