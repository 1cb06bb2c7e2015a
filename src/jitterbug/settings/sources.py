"""Where settings come from, strongest first; each gives plain text for a name (PROTOCOL §9)."""

import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from io import StringIO
from pathlib import Path
from typing import Any, Final

from jitterbug.errors import SettingError
from jitterbug.settings import names

FLAGS: Final = "a flag"
ENVIRONMENT: Final = "the environment"
ENV_FILE: Final = ".env"
TOML_FILE: Final = "jitterbug.toml"


@dataclass(frozen=True, slots=True)
class Given:
    """What somebody set: the text, kept out of reprs as it may be a secret, and where it stood."""

    text: str = field(repr=False)
    source: str


def gather(flags: Mapping[str, str], *, environ: Mapping[str, str], cwd: Path) -> dict[str, Given]:
    """Collect every setting that was given, by its full name.

    Args:
        flags: By full name, such as ``JITTERBUG_BIND``.
        environ: The environment. What is not ours by its prefix is left alone.
        cwd: Where ``.env`` and ``jitterbug.toml`` are looked for; either may be missing.

    Raises:
        SettingError: A name is unknown, a file cannot be read, or a secret stands where it does not belong.
    """
    given: dict[str, Given] = {}
    for source, pairs in (
        (TOML_FILE, _toml(cwd / TOML_FILE)),
        (ENV_FILE, _dotenv(cwd / ENV_FILE)),
        (ENVIRONMENT, ((name, text) for name, text in environ.items() if names.is_ours(name))),
        (FLAGS, iter(flags.items())),
    ):
        for name, text in pairs:
            names.require_known(name, f"in {source}")
            if name in names.SECRETS and source in {FLAGS, TOML_FILE}:
                raise SettingError(
                    name, f"is a secret and does not belong in {source}", remedy="Set it in the environment or in .env."
                )
            given[name] = Given(text, source)
    return given


def _read(path: Path) -> str | None:
    """The text of a file, None when there is none."""
    try:
        return path.read_text("utf-8-sig")
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError):
        # "from None": the cause would carry the whole file, secrets and all.
        raise SettingError(path.name, "cannot be read as UTF-8 text", remedy="Check its permissions.") from None


def _dotenv(path: Path) -> Iterator[tuple[str, str]]:
    """Our pairs of an ``.env`` file. Nothing is interpolated, and no line is skipped because it could not be read."""
    text = _read(path)
    if text is None:
        return
    from dotenv.parser import parse_stream  # noqa: PLC0415 - for those who have the file

    for line in parse_stream(StringIO(text, newline="")):
        if line.error:
            raise SettingError(
                path.name, f"line {line.original.line} cannot be read", remedy="Write NAME=value, or quote the value."
            )
        if line.key is not None and names.is_ours(line.key):
            yield line.key, line.value or ""


def _toml(path: Path) -> Iterator[tuple[str, str]]:
    """Pairs of a ``jitterbug.toml``: all of it is ours. ``bind``, ``BIND`` and ``JITTERBUG_BIND`` are one name."""
    text = _read(path)
    if text is None:
        return
    try:
        # The text of a fraction is kept, so that TOML's other spellings (1e3, inf) meet the same grammar.
        values = tomllib.loads(text, parse_float=str)
    except tomllib.TOMLDecodeError as error:
        raise SettingError(path.name, "is not TOML", remedy=f"Look here: {_place(error)}.") from None
    seen: set[str] = set()
    for key, value in values.items():
        name = key.upper() if names.is_ours(key) else names.full(key.upper())
        if name in seen:
            raise SettingError(name, f"is set twice in {path.name}", remedy="Keep one.")
        seen.add(name)
        yield name, _as_text(name, value)


def _place(error: tomllib.TOMLDecodeError) -> str:
    """Where the parser stopped, without the text it stopped at, which may be a secret."""
    place = re.search(r"\(at (line [0-9]+, column [0-9]+|end of document)\)", str(error))
    return place[1] if place else "the whole file"


def _as_text(name: str, value: Any) -> str:
    """A TOML value as the environment would have it."""
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        return ",".join(value)
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if isinstance(value, str):
        return value
    raise SettingError(name, f"is not text, a number or a list of texts in {TOML_FILE}")
