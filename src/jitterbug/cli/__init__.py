"""The command line: parses, calls, prints. Server and client code is imported inside the commands that need it."""

from jitterbug.cli.app import run

__all__ = ["run"]
