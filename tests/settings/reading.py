"""Ways of reading settings, and two root keys nobody uses."""

import base64
from collections.abc import Mapping
from pathlib import Path

import pytest

from jitterbug.errors import SettingError
from jitterbug.settings import Settings, load

GOOD = base64.b64encode(bytes.fromhex("8f3a1c5e97b20d4466e1fa0b73c8952d1e40b7a95cd36f82ab1774903ee5c86b")).decode()
OTHER = base64.b64encode(bytes.fromhex("0b61d7f4a3925e8cb07d1f36e948a25c7719c4ed830f5ab6e2d0943a6cf18b57")).decode()
ROOT = {"HMAC_KEY_ID": "root_one", "HMAC_SECRET": GOOD}


def read(
    environ: Mapping[str, str] | None = None,
    flags: Mapping[str, str] | None = None,
    cwd: Path = Path("/nonexistent"),
    *,
    development: bool = True,
) -> Settings:
    return load(flags or {}, environ=environ or {}, cwd=cwd, development=development)


def refusal(environ: Mapping[str, str], *, development: bool = True) -> SettingError:
    with pytest.raises(SettingError) as caught:
        read(environ, development=development)
    return caught.value


def attempt(environ: Mapping[str, str]) -> Settings | SettingError:
    try:
        return read(environ)
    except SettingError as error:
        return error
