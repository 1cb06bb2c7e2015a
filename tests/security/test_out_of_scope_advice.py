"""What is out of scope is said, with what to do about it instead (R21, T8-T10)."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
ADVICE = {
    "T8": ("certificate authority", "pin", "native", "HSTS", "CAA"),
    "T9": ("browser", "script", "Content-Security-Policy"),
    "T10": ("server", "root key", "user of its own"),
}


@pytest.mark.parametrize("threat", ADVICE)
def test_r21_each_threat_that_is_not_met_comes_with_advice(threat: str) -> None:
    """SECURITY.md tells an operator what a signed frame does not help against, and what does."""
    text = (ROOT / "SECURITY.md").read_text(encoding="utf-8")
    found = re.search(rf"^- \*\*{threat},.*?(?=^- \*\*|^#|\Z)", text, re.MULTILINE | re.DOTALL)
    assert found is not None, f"{threat} is not named"
    said = " ".join(found[0].split())
    for word in ADVICE[threat]:
        assert word in said, f"{threat}: nothing about {word}"
