"""One target under atheris: ``python -m fuzz.guided TARGET [libFuzzer's arguments]``; a file as argument replays it."""

import sys

import atheris

from fuzz import targets

_INSTRUMENTED = ["jitterbug", "rfc8785", "jwt", "dotenv"]


def main() -> None:
    """Fuzz until libFuzzer ends the process; its exit status is not 0 after a finding."""
    program, target, *arguments = sys.argv
    with atheris.instrument_imports(include=_INSTRUMENTED, enable_loader_override=False):
        check = targets.check_of(target)
    atheris.Setup([program, *arguments], check)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
