"""Settings from files and texts: read, or refused by name without a word of the value (PROTOCOL §9, R73, R76)."""

import atexit
import inspect
import shutil
import tempfile
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import Any

from jitterbug.errors import SettingError
from jitterbug.settings import load, names, public_keys, secrets, tokens, values, weak

_FOLDER = Path(tempfile.mkdtemp(prefix="jitterbug-fuzz-"))
atexit.register(shutil.rmtree, _FOLDER, ignore_errors=True)
_NAME = "JITTERBUG_FUZZED"
_OWN_WORDS = "\n".join([*map(inspect.getsource, (names, public_keys, secrets, tokens, values, weak)), *names.KNOWN])
"""What a message may say whatever the value is."""
_TELLING_CHARS = 8
"""A shorter text may stand in a remark by chance."""
_READERS: tuple[Callable[[str], Any], ...] = (
    lambda text: values.number(_NAME, text, whole=True),
    lambda text: values.number(_NAME, text, whole=False),
    partial(values.address, _NAME),
    partial(values.origins, _NAME),
    partial(values.networks, _NAME),
    partial(values.engine, _NAME, cwd=_FOLDER),
    partial(values.web_address, _NAME),
    partial(secrets.key_id, _NAME),
    partial(secrets.secret, _NAME),
    lambda text: secrets.previous(_NAME, text, "current_key"),
    lambda text: tokens.token_key(text.encode(), "HS256", key_name=_NAME, algorithm_name=_NAME),
)


def check(data: bytes) -> None:
    """The bytes as a value of every kind, as an ``.env``, as a ``jitterbug.toml`` and as flags."""
    # An environment may hold bytes that are not UTF-8, but a value of ours never does.
    text = data.decode("utf-8", "replace")
    for reader in _READERS:
        _read(reader, text)
    _file(".env", data)
    _file("jitterbug.toml", data)
    name, _, value = text.partition("=")
    _load({name: value}, {})
    _load({}, {f"{names.PREFIX}{name.strip()}": value, "HMAC_SECRET": value})


def _read(reader: Callable[[str], Any], text: str) -> None:
    try:
        found = reader(text)
    except SettingError as error:
        _says_nothing(error, text)
        return
    if isinstance(found, (int, float)):
        assert text.isascii() and text[0].isdigit() and text[-1].isdigit(), "read what is not a plain number"
        assert found == float(text)
    if isinstance(found, tuple) and len(found) == 2 and isinstance(found[1], int):
        assert 0 <= found[1] <= 65_535 and text.endswith(str(found[1])), "another port"


def _file(name: str, data: bytes) -> None:
    path = _FOLDER / name
    path.write_bytes(data)
    lines = [line.partition("=")[2].strip("\"' ") for line in data.decode("utf-8", "replace").splitlines()]
    try:
        _load({}, {}, lines)
    finally:
        path.unlink()


def _load(flags: dict[str, str], environ: dict[str, str], further: Iterable[str] = ()) -> None:
    try:
        settings = load(flags, environ=environ, cwd=_FOLDER, development=True)
    except SettingError as error:
        for value in (*flags.values(), *environ.values(), *further):
            _says_nothing(error, value)
        return
    assert settings.config.replay_window_ms >= 2 * settings.config.skew_ms
    assert values.is_loopback(settings.bind[0]), "a development hub that strangers reach"
    assert "*" not in "".join(settings.config.allowed_origins), "a wildcard origin"


def _says_nothing(error: SettingError, text: str) -> None:
    """No message, remedy or cause repeats a value."""
    if len(text) < _TELLING_CHARS or text in _OWN_WORDS or text in error.setting:
        return
    assert text not in f"{error} {error.remedy}", "the value is told"
    assert error.__cause__ is None, "the cause is told"
