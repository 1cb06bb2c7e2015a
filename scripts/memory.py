"""Print the table of docs/memory.md: what each thing in a hub takes at most, and how many there can be.

    python scripts/memory.py [SOCKETS]

SOCKETS is what ``ulimit -n`` gives the process, 20,480 by default.
"""

import sys

from jitterbug.config import PROFILES, Config
from jitterbug.server.memory import Term, terms

SOCKETS = 20_480


def main() -> None:
    """Write Markdown to standard output."""
    sockets = int(sys.argv[1]) if len(sys.argv) > 1 else SOCKETS
    tables = [terms(Config.profile(name), sockets) for name in PROFILES]
    heads = [f"{name}, one | {name}, all" for name in PROFILES]
    rows = [
        f"| what | at most | because of | {' | '.join(heads)} |",
        "| --- | ---: | --- |" + " ---: |" * len(heads) * 2,
    ]
    rows += [_row(same) for same in zip(*tables, strict=True)]
    sys.stdout.write("\n".join(rows) + "\n")


def _row(same: tuple[Term, ...]) -> str:
    first = same[0]
    most = "no number" if first.most is None else " or ".join(dict.fromkeys(f"{term.most:,}" for term in same))
    cells = [
        f"{_size(term.each_bytes)} | {'-' if term.most is None else _size(term.each_bytes * term.most)}"
        for term in same
    ]
    return f"| {first.name} | {most} | {first.bound} | {' | '.join(cells)} |"


def _size(size_bytes: int) -> str:
    for unit, factor in (("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if size_bytes >= factor:
            return f"{size_bytes / factor:,.1f} {unit}"
    return f"{size_bytes} B"


if __name__ == "__main__":
    main()
