"""Every line and branch that signs, verifies, keeps keys or remembers nonces is run by the tests of its own (R70)."""

import json
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
CORE = ("base64", "canonical", "frames", "keys", "replay", "signing", "verifying")


def test_r70_every_branch_of_the_core_is_covered(tmp_path: Path) -> None:
    """A run of its own, with few examples: what they do not reach, an ordinary test must."""
    tests = [str(path) for name in CORE for path in sorted((ROOT / "tests/protocol").glob(f"test_{name}*.py"))]
    environ = {**os.environ, "HYPOTHESIS_PROFILE": "mutation", "COVERAGE_FILE": str(tmp_path / "coverage")}
    environ.pop("COV_CORE_SOURCE", None)
    command = [
        sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--cov=jitterbug.protocol", "--cov-branch",
        f"--cov-report=json:{tmp_path / 'coverage.json'}", "-k", "not hundred_thousand", *tests,
    ]  # fmt: skip
    done = subprocess.run(command, cwd=ROOT, env=environ, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-2_000:]
    files = json.loads((tmp_path / "coverage.json").read_text())["files"]
    for name in CORE:
        figures = files[f"src/jitterbug/protocol/{name}.py"]
        assert figures["missing_lines"] == [], name
        assert figures.get("missing_branches", []) == [], name
        assert figures["summary"]["num_statements"] > 10
