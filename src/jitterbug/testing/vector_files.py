"""The conformance vectors: the wire contract as data, run by every implementation alike (``vectors/*.json``)."""

import json
from pathlib import Path
from typing import Any, Final

_FOLDER: Final = Path(__file__).resolve().parents[3] / "vectors"


def vectors(name: str) -> Any:
    """Load one file of vectors from a checkout of the repository.

    Args:
        name: Its name without folder and suffix: ``canonical``, ``frames``, ``keys`` or ``sse``.

    Returns:
        What the JSON text holds, read afresh, so a test may change it.

    Raises:
        FileNotFoundError: There is no such file, or no ``vectors`` folder, as in an installed package.
    """
    known = sorted(path.stem for path in _FOLDER.glob("*.json"))
    if not known:
        raise FileNotFoundError(
            f"There are no vectors in {_FOLDER}: they come with the repository, not with the package."
        )
    if name not in known:
        raise FileNotFoundError(f"There is no vector file {name!r}; there are {', '.join(known)}.")
    return json.loads((_FOLDER / f"{name}.json").read_text(encoding="utf-8"))
