"""The help page of a command, in plain text: a page of help is not worth loading what draws tables.

Typer's own page needs rich with all its Markdown, syntax and traceback modules: more than half a second on a slow
machine. This one has headings, columns and paragraphs that end where the terminal does.
"""

import os
import re
import shutil
import textwrap
from collections.abc import Iterable, Iterator
from typing import Any, Final

import typer
from typer.core import TyperCommand, TyperGroup

WRONG_USAGE: Final = 2
_MOST_COLUMNS: Final = 100
_LEAST_COLUMNS: Final = 50
_WIDEST_NAME: Final = 30
_INDENT: Final = "  "
_BOLD: Final = re.compile(r"\[bold\](.*?)\[/\]")


class Command(TyperCommand):
    """A command with a page of ours."""

    def get_help_option(self, ctx: Any) -> Any:
        """Its ``--help``."""
        return _light(super().get_help_option(ctx))

    def get_help(self, ctx: Any) -> str:
        """Its page, with headings in bold; typer takes that out where the output is no terminal."""
        return _page(self, ctx, {})


class Group(TyperGroup):
    """Commands under one name."""

    def get_help_option(self, ctx: Any) -> Any:
        """Its ``--help``."""
        return _light(super().get_help_option(ctx))

    def get_help(self, ctx: Any) -> str:
        """Its page, with each command's first sentence."""
        named = {name: self.get_command(ctx, name) for name in self.list_commands(ctx)}
        return _page(self, ctx, {name: (command.help or "").partition("\n\n")[0] for name, command in named.items()})  # type: ignore[union-attr]

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Read the command's name. Without one the answer is the page."""
        if not args and self.no_args_is_help:
            typer.echo(ctx.get_help())
            raise typer.Exit(WRONG_USAGE)
        return super().parse_args(ctx, args)


def _light(option: Any) -> Any:
    """An option that is off by default, not None: to tell what kind of None that is, typer would load pydantic."""
    option.default = False
    return option


def _page(command: Any, ctx: Any, commands: dict[str, str]) -> str:
    columns = max(min(shutil.get_terminal_size().columns, _MOST_COLUMNS), _LEAST_COLUMNS)
    bold = "\\1" if os.environ.get("TERM") == "dumb" else typer.style("\\1", bold=True)
    usage = f"[bold]Usage[/]  {ctx.command_path} {' '.join(command.collect_usage_pieces(ctx))}"
    parts = [usage, *_text(command.help or "", columns)]
    rows: dict[str, list[tuple[str, str]]] = {"Arguments": [], "Options": [], "Commands": list(commands.items())}
    for parameter in command.get_params(ctx):
        record = parameter.get_help_record(ctx)
        rows["Options" if parameter.param_type_name == "option" else "Arguments"].append(record)
    parts += [_section(heading, found, columns) for heading, found in rows.items() if found]
    parts += _text(command.epilog or "", columns)
    return _BOLD.sub(bold, "\n\n".join(parts))


def _text(text: str, columns: int) -> Iterator[str]:
    """Paragraphs; a line that is indented or bold stands by itself."""
    for paragraph in text.strip("\n").split("\n\n"):
        kept: list[str] = []
        flowing: list[str] = []
        for line in paragraph.splitlines():
            if line.startswith((_INDENT, "[bold]")) and not flowing:
                kept.append(line)
            else:
                flowing.append(line)
        if kept or flowing:
            yield "\n".join([*kept, *_wrapped(" ".join(flowing), columns)])


def _section(heading: str, rows: Iterable[tuple[str, str]], columns: int) -> str:
    """A heading and two columns; a name that is too long for its column stands on a line of its own."""
    rows = list(rows)
    width = min(max(len(name) for name, _ in rows), _WIDEST_NAME)
    lines = [f"[bold]{heading}[/]"]
    for name, text in rows:
        first, *others = _wrapped(text, columns - width - 2 * len(_INDENT)) or [""]
        if len(name) > width:
            lines.append(_INDENT + name)
            name = ""  # noqa: PLW2901 - it stands above
        lines.append(f"{_INDENT}{name:<{width}}{_INDENT}{first}".rstrip())
        lines += [" " * (width + 2 * len(_INDENT)) + other for other in others]
    return "\n".join(lines)


def _wrapped(text: str, columns: int) -> list[str]:
    return textwrap.wrap(text, columns, break_long_words=False, break_on_hyphens=False)
