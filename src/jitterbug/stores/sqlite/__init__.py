"""Durable history of a single node in one SQLite file."""

from jitterbug.stores.sqlite.store import SqliteStore

__all__ = ["SqliteStore"]
