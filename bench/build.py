"""Compiles the load client and the floor."""

import subprocess
from pathlib import Path
from typing import Final

SOURCES: Final = Path(__file__).resolve().parent
BUILT: Final = SOURCES.parent / ".make" / "bench"


def compiled(name: str, into: Path = BUILT) -> Path:
    """The program made of ``bench/NAME.c``, made anew when the source is newer.

    Raises:
        subprocess.CalledProcessError: It does not compile; the compiler has said why.
    """
    source, program = SOURCES / f"{name}.c", into / name
    if not program.exists() or program.stat().st_mtime < source.stat().st_mtime:
        into.mkdir(parents=True, exist_ok=True)
        flags = ["-O2", "-std=c11", "-Wall", "-Wextra", "-Werror"]
        subprocess.run(["gcc", *flags, "-o", program, source, "-lssl", "-lcrypto"], check=True)
    return program
