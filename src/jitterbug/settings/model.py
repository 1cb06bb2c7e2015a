"""What a process needs to know beside the hub's own :class:`~jitterbug.config.Config`."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from jitterbug.config import Config, Secret

DEFAULT_BIND: Final = ("127.0.0.1", 8440)
DEFAULT_ADMIN_BIND: Final = ("127.0.0.1", 8441)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Settings of one process, checked. No repr shows a secret.

    Attributes:
        config: The hub's limits and root keys.
        profile: Name of the set of defaults in force, ``strict`` or ``realtime``.
        bind, admin_bind: Host and TCP port of the public and of the operator listener; port 0 = any free one.
        engine: URL of the store; ``memory://`` = this process alone, ``sqlite:///`` and a file = this machine, kept
            over a restart. May hold a password.
        tls_cert, tls_key: PEM files; both or neither. None = TLS ends at a proxy, or development.
        audit_file: Where the audit trail is written; None = nowhere.
        jwt_key: Verifies tokens at ``POST BASE/session``: a shared secret or a public key in PEM. None = no tokens.
        jwt_algorithm: The one algorithm accepted; goes with the kind of key.
        alert_webhook_url, alert_webhook_secret: Where alerts are posted, and ``whsec_…`` to sign them; both or neither.
        security_policy: Address of the rules for reporting vulnerabilities, for ``security.txt``; None = left out.
        jwt_audience: The ``aud`` a token must have; None exactly where ``jwt_key`` is.
    """

    config: Config = field(default_factory=Config)
    profile: str = "strict"
    bind: tuple[str, int] = DEFAULT_BIND
    admin_bind: tuple[str, int] = DEFAULT_ADMIN_BIND
    engine: str = field(default="memory://", repr=False)
    tls_cert: Path | None = None
    tls_key: Path | None = None
    audit_file: Path | None = None
    jwt_key: Secret | None = None
    jwt_algorithm: str = "HS256"
    jwt_audience: str | None = None
    security_policy: str | None = None
    alert_webhook_url: str | None = field(default=None, repr=False)
    alert_webhook_secret: Secret | None = None
