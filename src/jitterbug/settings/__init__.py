"""Settings of a process: flags, then environment, then ``.env``, then ``jitterbug.toml``, then defaults (PROTOCOL §9).

Everything is read once, at the edge, and strictly: an unknown name, a number in any spelling but plain digits, or a
weak secret is refused with the name of the setting and the remedy, never the value (R73, R76).
"""

from jitterbug.settings.loading import load, root_key
from jitterbug.settings.model import Settings

__all__ = ["Settings", "load", "root_key"]
