"""Every name a setting can have, and what it is near to when misspelt (PROTOCOL §9)."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from difflib import get_close_matches
from typing import Final

from jitterbug.config import Config
from jitterbug.errors import SettingError

PREFIX: Final = "JITTERBUG_"
SEED_PREFIX: Final = "HMAC_"
"""The security model's own names keep its prefix."""

HMAC_KEY_ID: Final = "HMAC_KEY_ID"
HMAC_SECRET: Final = "HMAC_SECRET"  # noqa: S105 - a name
HMAC_PREVIOUS_KEYS: Final = "HMAC_PREVIOUS_KEYS"
PUBLISHER_KEYS: Final = PREFIX + "PUBLISHER_KEYS"
BIND: Final = PREFIX + "BIND"
ADMIN_BIND: Final = PREFIX + "ADMIN_BIND"
ENGINE: Final = PREFIX + "ENGINE"
TLS_CERT: Final = PREFIX + "TLS_CERT"
TLS_KEY: Final = PREFIX + "TLS_KEY"
TRUSTED_PROXIES: Final = PREFIX + "TRUSTED_PROXIES"
ALLOWED_ORIGINS: Final = PREFIX + "ALLOWED_ORIGINS"
HISTORY_RULES: Final = PREFIX + "HISTORY_RULES"
PRESENCE: Final = PREFIX + "PRESENCE"
SUBSCRIBE: Final = PREFIX + "SUBSCRIBE"
PUBLISH: Final = PREFIX + "PUBLISH"
AUDIT_FILE: Final = PREFIX + "AUDIT_FILE"
JWT_KEY: Final = PREFIX + "JWT_KEY"
JWT_ALGORITHM: Final = PREFIX + "JWT_ALGORITHM"
JWT_AUDIENCE: Final = PREFIX + "JWT_AUDIENCE"
PROFILE: Final = PREFIX + "PROFILE"
SECURITY_POLICY: Final = PREFIX + "SECURITY_POLICY"
ALERT_WEBHOOK_URL: Final = PREFIX + "ALERT_WEBHOOK_URL"
ALERT_WEBHOOK_SECRET: Final = PREFIX + "ALERT_WEBHOOK_SECRET"

SECRETS: Final = frozenset({HMAC_SECRET, HMAC_PREVIOUS_KEYS, PUBLISHER_KEYS, JWT_KEY, ALERT_WEBHOOK_SECRET})
"""Come from the environment or ``.env`` only: flags show in process lists, ``jitterbug.toml`` in repositories."""


@dataclass(frozen=True, slots=True)
class Number:
    """A numeric setting: the field of Config it fills, and whether a fraction is refused."""

    field: str
    whole: bool


def full(name: str) -> str:
    """The environment's name of a setting as :class:`~jitterbug.config.Config` calls it."""
    return name if name.startswith(SEED_PREFIX) else PREFIX + name


NUMBERS: Final[Mapping[str, Number]] = {
    full(item.metadata["setting"]): Number(item.name, whole=item.type is int)
    for item in fields(Config)
    if "setting" in item.metadata
}

KNOWN: Final = frozenset({
    HMAC_KEY_ID, HMAC_SECRET, HMAC_PREVIOUS_KEYS, BIND, ADMIN_BIND, ENGINE, TLS_CERT, TLS_KEY, TRUSTED_PROXIES,
    ALLOWED_ORIGINS, AUDIT_FILE, JWT_KEY, JWT_ALGORITHM, JWT_AUDIENCE, PROFILE,
    SECURITY_POLICY, ALERT_WEBHOOK_URL, ALERT_WEBHOOK_SECRET, HISTORY_RULES, PRESENCE, SUBSCRIBE, PUBLISH,
    PUBLISHER_KEYS, *NUMBERS,
})  # fmt: skip


def is_ours(name: str) -> bool:
    """Tell whether a variable claims to be a setting of the hub, in whatever case."""
    return name.upper().startswith((PREFIX, SEED_PREFIX))


def require_known(name: str, source: str) -> None:
    """Refuse a name that no setting has.

    Raises:
        SettingError: Names it, and the nearest setting if one is near.
    """
    if name in KNOWN:
        return
    upper = name.upper()
    bare = upper.removeprefix(PREFIX).removeprefix(SEED_PREFIX)
    moved = [found for found in (upper, SEED_PREFIX + bare, PREFIX + bare) if found in KNOWN]
    near = moved or get_close_matches(upper, KNOWN, n=1)
    remedy = f"Did you mean {near[0]}?" if near else "Remove it; the names are in the documentation."
    raise SettingError(name, f"is not a setting ({source})", remedy=remedy)
