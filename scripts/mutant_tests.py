"""The tests of one module, run once against one mutant of it: the module's own first, the others if those pass.

Run in the root of a copy of the checkout; ``mutation.py`` does. The exit status is pytest's.
"""

import importlib.util
import os
import resource
import sys
from pathlib import Path
from typing import Final

import pytest

NOT_THE_COPY: Final = "The tests would import another jitterbug than the mutated one."
_MEMORY_BYTES: Final = 2 * 2**30
"""A mutant that never stops allocating dies of this instead of taking the machine with it."""

_DRAWN_BY_LOT: Final = "not hundred_thousand"
"""What is slow and differs from run to run stays out: a mutant's fate is to be the same each time."""


TESTS: Final[dict[str, tuple[str, ...]]] = {
    "hub/limits.py": ("tests/hub/test_limits.py",),
    "hub/upstream.py": (
        "tests/hub/test_upstream_wire.py", "tests/hub/test_upstream_confirm.py", "tests/hub/test_upstream_order.py",
        "tests/hub/test_upstream.py",
    ),
    "server/limits.py": ("tests/server/test_limits.py",),
    "settings/secrets.py": ("tests/settings/test_root_keys.py", "tests/settings/test_publisher_keys.py"),
    "settings/values.py": (
        "tests/settings/test_values.py", "tests/settings/test_numbers.py", "tests/settings/test_forms.py",
        "tests/settings/test_history_rules.py",
    ),
    "settings/weak.py": ("tests/settings/test_weak.py",),
    "stores/window.py": ("tests/stores/test_window.py",),
}  # fmt: skip
"""What judges a module beside the protocol's: nothing but its own tests, and each must stand by them alone."""


def tests_of(module: str) -> list[list[Path]]:
    """The tests of ``src/jitterbug/<module>``: groups, the later only run if the earlier pass."""
    if module in TESTS:
        return [[Path(name)] for name in TESTS[module]]
    every = sorted(Path("tests/protocol").glob("test_*.py"))
    own = [path for path in every if path.name.startswith(f"test_{Path(module).stem}")]
    return [own, [path for path in every if path not in own]]


def main(module: str) -> int:
    """Run the tests of ``src/jitterbug/<module>``. Returns the exit status."""
    root = Path.cwd()
    found = importlib.util.find_spec("jitterbug")
    if found is None or found.origin != str(root / "src/jitterbug/__init__.py"):
        print(NOT_THE_COPY)
        return 70
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY_BYTES, _MEMORY_BYTES))
    os.environ["HYPOTHESIS_PROFILE"] = "mutation"
    # Other plugins cost more than most mutants' tests do, and these tests need none of them.
    os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
    return next((status for group in tests_of(module) if group and (status := run(group))), 0)


def run(files: list[Path]) -> int:
    """Run these files up to the first failure. Returns pytest's exit status."""
    plugins = ["-p", "pytest_timeout", "-p", "no:cacheprovider"]
    options = ["-x", "-q", "--tb=line", "--timeout=0", "-k", _DRAWN_BY_LOT]
    return pytest.main([*plugins, *options, *map(str, files)])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
