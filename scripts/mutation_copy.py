"""A copy of the checkout in which cosmic-ray may change files; the checkout itself is never changed."""

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Final

from mutant_tests import NOT_THE_COPY
from mutants import PACKAGE

ROOT: Final = Path(__file__).resolve().parents[1]
_LEAST_TIMEOUT_S: Final = 20.0


class MutationCopy:
    """One worker's copy.

    Attributes:
        root: Where it is.
    """

    def __init__(self, root: Path) -> None:
        """Copy what git tracks and what it does not ignore. Raises OSError or CalledProcessError."""
        self.root = root
        listed = subprocess.run(
            ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
            cwd=ROOT, check=True, capture_output=True, text=True,
        ).stdout  # fmt: skip
        for name in filter(None, listed.split("\0")):
            if (ROOT / name).is_file():
                (root / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(ROOT / name, root / name)

    def environment(self) -> dict[str, str]:
        """What every command in the copy is run with, so that it imports the copy."""
        return {**os.environ, "PYTHONPATH": str(self.root / "src"), "PYTHONDONTWRITEBYTECODE": ""}

    @staticmethod
    def test_command(module: str) -> str:
        """The command by which cosmic-ray judges a mutant of a module."""
        return f"{sys.executable} scripts/mutant_tests.py {module}"

    def prove(self, module: str) -> float:
        """Make sure that the tests pass here, and that they fail when this copy of the module is broken.

        Returns:
            Seconds after which a mutant's tests count as endless.

        Raises:
            ValueError: Either is not so; no result from this copy would mean anything.
        """
        self._test(module)  # leaves compiled tests behind, so what follows is as fast as the mutants' runs
        start_s = time.monotonic()
        before = self._test(module)
        took_s = time.monotonic() - start_s
        if before.returncode != 0 or NOT_THE_COPY in before.stdout:
            raise ValueError(f"The tests of {module} fail before anything is mutated:\n{before.stdout}")
        path = self.root / PACKAGE / module
        source = path.read_bytes()
        path.write_bytes(source + b"\nraise RuntimeError('planted')\n")
        planted = self._test(module)
        path.write_bytes(source)
        if planted.returncode == 0 or "planted" not in planted.stdout + planted.stderr:
            raise ValueError(f"The tests do not import the copy of {module}.")
        # Compiled code is told from its source by size and second alone; a mutant may have both from the one before.
        shutil.rmtree(path.parent / "__pycache__")
        return max(_LEAST_TIMEOUT_S, 4 * took_s)

    def _test(self, module: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self.test_command(module).split(),
            cwd=self.root, env=self.environment(), check=False, capture_output=True, text=True,
        )  # fmt: skip
