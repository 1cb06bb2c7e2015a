"""``jitterbug audit``: reading a trail back."""

from pathlib import Path
from typing import Annotated, Final

import typer
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from jitterbug.cli.output import complain, console, paragraphs, write_json
from jitterbug.errors import JitterbugError

app: Final = typer.Typer(no_args_is_help=True)
EPILOG: Final = """
[bold]Examples[/]
  jitterbug audit verify audit.jsonl
  jitterbug audit verify audit.jsonl --checkpoint 1000:3f2a…
"""


def verify(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The trail, one JSON object a line.")],
    checkpoint: Annotated[
        str | None,
        typer.Option(metavar="RECORDS:HEAD", help="A checkpoint from the log, kept away from the host."),
    ] = None,
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as one JSON object.")] = False,
) -> int:
    """Check every record of an audit trail against the one before it, and name the first bad place.

    Finds records that were changed, taken out, put in, moved or cut off. Whether records were cut off at the end shows
    by the .seal file beside the trail, or by a checkpoint that was copied off the host. Exit status 0 = whole, 1 = not.
    """
    from jitterbug.telemetry.audit.verify import verify as verify_trail  # noqa: PLC0415

    wanted = _checkpoint(checkpoint)
    try:
        size = file.stat().st_size
        with Progress(
            TextColumn("verifying"), BarColumn(), TimeRemainingColumn(), console=console(stderr=True), transient=True
        ) as progress:
            task = progress.add_task("", total=size)
            report = verify_trail(
                file, checkpoint=wanted, progress=lambda offset: progress.update(task, completed=offset)
            )
    except OSError as error:
        raise JitterbugError(f"{file} cannot be read ({error.strerror}).") from None
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
    if not colon or not records.isascii() or not records.isdigit() or len(head) != 64:
        raise typer.BadParameter("Write --checkpoint RECORDS:HEAD, as the log or `audit verify` prints it")
    return int(records), head


def _audit() -> None:
    """Read the audit trail back."""


app.command("verify", help=paragraphs(verify), epilog=EPILOG)(verify)
app.callback()(_audit)
