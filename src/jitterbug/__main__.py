"""Entry point of ``jitterbug`` and ``python -m jitterbug``."""

import sys


def main() -> int:
    """Run the command line. Returns the exit status."""
    try:
        from jitterbug.cli import run  # noqa: PLC0415 - the client and a mounted hub never need it
    except ModuleNotFoundError as error:
        if error.name is None or error.name.startswith("jitterbug"):
            raise
        sys.stderr.write(
            f'jitterbug: JB_MISSING: {error.name} is not installed. Run: pip install "jitterbug-push[server]"\n'
        )
        return 1
    return run(sys.argv[1:])


if __name__ == "__main__":
    sys.exit(main())
