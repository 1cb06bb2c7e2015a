"""What the commands print: one line an error, and nothing that could move a terminal's cursor."""

import inspect
import json
import os
import sys
from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final, TextIO

if TYPE_CHECKING:
    from rich.console import Console

WHOLE: Final = "\N{CHECK MARK}"
BROKEN: Final = "\N{BALLOT X}"
_PLAIN: Final = {WHOLE: "ok", BROKEN: "NO"}


def console(*, stderr: bool = False) -> "Console":
    """What prints in colour, loaded by those who print."""
    from jitterbug.cli.terminal import Terminal

    return Terminal(stderr=stderr)


def complain(code: str, text: str) -> None:
    """Tell one error in one line on standard error."""
    from rich.text import Text

    console(stderr=True).print(Text(f"jitterbug: {code}: {printable(text)}", style="red"))


def seal(sign: str, stream: TextIO | None = None) -> str:
    """The sign of a verified or refused frame, in letters where the terminal has no such character."""
    encoding = (stream or sys.stdout).encoding or "ascii"
    try:
        sign.encode(encoding)
    except UnicodeEncodeError:
        return _PLAIN[sign]
    return sign


def printable(text: str) -> str:
    """Escape what could move the cursor, change colours or reverse the reading order (CWE-150)."""
    return "".join(char if char.isprintable() else _escape(char) for char in text)


def _escape(char: str) -> str:
    """As JSON escapes it, so that JSON stays JSON: beyond the first plane by two surrogates (RFC 8259 §7)."""
    units = char.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[at : at + 2].hex()}" for at in range(0, len(units), 2))


def compact(value: Any) -> str:
    """JSON on one line, safe to print and still JSON."""
    return printable(json.dumps(value, ensure_ascii=False, separators=(",", ":")))


def clock_time(unix_ms: int) -> str:
    """Local time of day with milliseconds."""
    return datetime.fromtimestamp(unix_ms / 1_000).astimezone().strftime("%H:%M:%S.%f")[:-3]


def write_json(value: Any) -> None:
    """One JSON object on one line, at once."""
    sys.stdout.write(json.dumps(value, separators=(",", ":")) + "\n")
    sys.stdout.flush()


def stop_output() -> None:
    """The reader of standard output has gone: let nothing be flushed into the closed pipe at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def paragraphs(command: Callable[..., object]) -> str:
    """A docstring as help text: broken where the terminal ends, not where the source did."""
    return "\n\n".join(" ".join(part.split()) for part in inspect.getdoc(command).split("\n\n"))  # type: ignore[union-attr]
