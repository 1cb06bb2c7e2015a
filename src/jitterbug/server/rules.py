"""What must hold before a hub listens (R5, R10, R13, R72-R76; PROTOCOL §9). Each failure names setting and remedy."""

import os
import ssl

from jitterbug.errors import SettingError
from jitterbug.server.webhook import webhook_key
from jitterbug.settings import Settings
from jitterbug.stores.open_store import check_engine


def check_rules(settings: Settings) -> None:
    """Check that a production hub has everything it needs. A development hub needs nothing.

    What each setting must be by itself was checked when it was read.

    Raises:
        SettingError: The first thing that is missing or too weak.
    """
    if settings.config.development:
        return
    config = settings.config
    if config.hmac_secret is None or config.hmac_key_id is None:
        raise SettingError("HMAC_SECRET", "is missing", remedy="Make one with `jitterbug keys new`.")
    if settings.tls_cert is None and not config.trusted_proxies:
        raise SettingError(
            "JITTERBUG_TLS_CERT",
            "is missing, and so is JITTERBUG_TRUSTED_PROXIES: nothing would move over HTTPS",
            remedy="Give certificate and key files, or list the proxy that ends TLS in front of the hub.",
        )
    if settings.tls_cert is not None and settings.tls_key is not None:
        _check_certificate(settings)
    if settings.jwt_key is None:
        raise SettingError(
            "JITTERBUG_JWT_KEY",
            "is missing: nobody could log in",
            remedy="Set the key, algorithm and audience of the tokens your application issues.",
        )
    if settings.alert_webhook_secret is not None:
        webhook_key(settings.alert_webhook_secret)
    if settings.audit_file is not None and not os.access(settings.audit_file.parent, os.W_OK | os.X_OK):
        raise SettingError(
            "JITTERBUG_AUDIT_FILE",
            "is in a folder that is not there or cannot be written to",
            remedy="Make the folder, or give the hub's user the right to write to it.",
        )
    check_engine(settings.engine)


def _check_certificate(settings: Settings) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        # A password, so that nobody is asked for one: a key that needs one cannot be used unattended.
        context.load_cert_chain(str(settings.tls_cert), str(settings.tls_key), password="")
    except (OSError, ssl.SSLError):
        raise SettingError(
            "JITTERBUG_TLS_CERT",
            "and JITTERBUG_TLS_KEY are no certificate and its key in PEM",
            remedy="Check both files: openssl x509 -in CERT -noout -subject; openssl pkey -in KEY -noout.",
        ) from None
