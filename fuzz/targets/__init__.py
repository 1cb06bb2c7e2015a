"""One module a target, each with ``check(data: bytes) -> None``: returns when all is well, raises on a finding."""

import importlib
import pkgutil
from collections.abc import Callable

Check = Callable[[bytes], None]


def names() -> list[str]:
    """Every target, by the name of its module."""
    return sorted(module.name for module in pkgutil.iter_modules(__path__))


def check_of(name: str) -> Check:
    """The check of a target. Raises ModuleNotFoundError for a name that is not one."""
    check: Check = importlib.import_module(f"{__name__}.{name}").check
    return check
