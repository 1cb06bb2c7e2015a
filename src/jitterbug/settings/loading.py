"""From texts to checked :class:`Settings`."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from jitterbug.config import Config, Secret
from jitterbug.errors import SettingError
from jitterbug.settings import names, secrets, sources, tokens, values
from jitterbug.settings.model import Settings

_MAY_BE_EMPTY: Final = frozenset(
    {
        names.TRUSTED_PROXIES,
        names.ALLOWED_ORIGINS,
        names.HMAC_PREVIOUS_KEYS,
        names.PUBLISHER_KEYS,
        names.HISTORY_RULES,
        names.PRESENCE,
        names.SUBSCRIBE,
        names.PUBLISH,
    }
)
"""Lists: an empty one says that there are none."""


def load(flags: Mapping[str, str], *, environ: Mapping[str, str], cwd: Path, development: bool = False) -> Settings:
    """Read every source and check the whole.

    Args:
        flags: Settings from the command line, by full name (``JITTERBUG_BIND``). They win.
        environ: The environment.
        cwd: Where ``.env`` and ``jitterbug.toml`` are looked for and relative paths start.
        development: True for a loopback hub that may do without a root key (R13).

    Raises:
        SettingError: A setting is missing, unknown, malformed or too weak. Names it, never its value (R73).
    """
    given = sources.gather(flags, environ=environ, cwd=cwd)
    for name, value in given.items():
        if not value.text and name not in _MAY_BE_EMPTY:
            remedy = secrets.REMEDY if name == names.HMAC_SECRET else "Give it a value, or leave it out."
            raise SettingError(name, f"is empty in {value.source}", remedy=remedy)
    texts = {name: value.text for name, value in given.items()}
    settings = Settings(config=_config(texts, development=development), **_process(texts, cwd))
    _check_together(settings)
    return settings


def root_key(*, environ: Mapping[str, str], cwd: Path) -> tuple[str, Secret] | None:
    """Read only the root key, as a back end needs that publishes; None when there is none.

    Raises:
        SettingError: Half of it is missing, or it is weak.
    """
    given = sources.gather({}, environ=environ, cwd=cwd)
    return _root({name: value.text for name, value in given.items()}, required=False)


def _root(texts: Mapping[str, str], *, required: bool) -> tuple[str, Secret] | None:
    kid, secret = texts.get(names.HMAC_KEY_ID), texts.get(names.HMAC_SECRET)
    if kid is None and secret is None and not required:
        return None
    if kid is None:
        raise SettingError(names.HMAC_KEY_ID, "is missing", remedy=secrets.REMEDY)
    if secret is None:
        raise SettingError(names.HMAC_SECRET, "is missing", remedy=secrets.REMEDY)
    return secrets.key_id(names.HMAC_KEY_ID, kid), secrets.secret(names.HMAC_SECRET, secret)


def _config(texts: Mapping[str, str], *, development: bool) -> Config:
    changes: dict[str, Any] = {
        number.field: values.number(name, texts[name], whole=number.whole)
        for name, number in names.NUMBERS.items()
        if name in texts
    }
    root = _root(texts, required=not development)
    if root is not None:
        changes["hmac_key_id"], changes["hmac_secret"] = root
    changes["hmac_previous_keys"] = secrets.previous(
        names.HMAC_PREVIOUS_KEYS, texts.get(names.HMAC_PREVIOUS_KEYS, ""), root[0] if root else None
    )
    changes["publisher_keys"] = secrets.publishers(names.PUBLISHER_KEYS, texts.get(names.PUBLISHER_KEYS, ""))
    changes["allowed_origins"] = values.origins(names.ALLOWED_ORIGINS, texts.get(names.ALLOWED_ORIGINS, ""))
    changes["trusted_proxies"] = values.networks(names.TRUSTED_PROXIES, texts.get(names.TRUSTED_PROXIES, ""))
    changes["history_rules"] = values.history_rules(names.HISTORY_RULES, texts.get(names.HISTORY_RULES, ""))
    for field, name in (("presence", names.PRESENCE), ("subscribe", names.SUBSCRIBE), ("publish", names.PUBLISH)):
        changes[field] = tuple(values.items(texts.get(name, "")))
    try:
        return Config.profile(texts.get(names.PROFILE, "strict"), development=development, **changes)
    except SettingError as error:
        raise _under_full_name(error) from None


def _under_full_name(error: SettingError) -> SettingError:
    """Config leaves the prefix out of its names; whoever set a variable looks for the whole of it."""
    problem = str(error.args[0]).removeprefix(f"{error.setting}: ").removesuffix(".")
    return SettingError(names.full(error.setting), problem, remedy=error.remedy)


def _process(texts: Mapping[str, str], cwd: Path) -> dict[str, Any]:
    """The settings that are not the hub's."""
    read: dict[str, Any] = {"profile": texts.get(names.PROFILE, "strict")}
    for field, name in (("bind", names.BIND), ("admin_bind", names.ADMIN_BIND)):
        if name in texts:
            read[field] = values.address(name, texts[name])
    for field, name in (("tls_cert", names.TLS_CERT), ("tls_key", names.TLS_KEY)):
        if name in texts:
            read[field] = values.readable(name, texts[name], cwd)
    if names.ENGINE in texts:
        read["engine"] = values.engine(names.ENGINE, texts[names.ENGINE], cwd)
    if names.AUDIT_FILE in texts:
        read["audit_file"] = values.path(texts[names.AUDIT_FILE], cwd)
    if names.SECURITY_POLICY in texts:
        read["security_policy"] = values.web_address(names.SECURITY_POLICY, texts[names.SECURITY_POLICY])
    return read | _tokens(texts) | _webhook(texts)


def _tokens(texts: Mapping[str, str]) -> dict[str, Any]:
    """Key, algorithm and audience of tokens, which only make sense together (RFC 8725 §3.1, §3.5, §3.9)."""
    key, audience = texts.get(names.JWT_KEY), texts.get(names.JWT_AUDIENCE)
    algorithm = texts.get(names.JWT_ALGORITHM, "HS256")
    tokens.check_algorithm(names.JWT_ALGORITHM, algorithm)
    if key is None:
        for name in (names.JWT_AUDIENCE, names.JWT_ALGORITHM):
            if name in texts:
                raise SettingError(name, f"is set without {names.JWT_KEY}", remedy="Set both, or neither.")
        return {}
    if audience is None:
        raise SettingError(
            names.JWT_AUDIENCE, "is missing", remedy="Set it to the aud claim that tokens for this hub carry."
        )
    secret = tokens.token_key(key.encode(), algorithm, key_name=names.JWT_KEY, algorithm_name=names.JWT_ALGORITHM)
    return {"jwt_key": secret, "jwt_algorithm": algorithm, "jwt_audience": audience}


def _webhook(texts: Mapping[str, str]) -> dict[str, Any]:
    """Where alerts go, which needs a secret to sign them."""
    url, secret = texts.get(names.ALERT_WEBHOOK_URL), texts.get(names.ALERT_WEBHOOK_SECRET)
    if url is None and secret is None:
        return {}
    if url is None or secret is None:
        missing = names.ALERT_WEBHOOK_URL if url is None else names.ALERT_WEBHOOK_SECRET
        raise SettingError(missing, "is missing", remedy="Address and secret of the alert webhook go together.")
    return {
        "alert_webhook_url": values.web_address(names.ALERT_WEBHOOK_URL, url),
        "alert_webhook_secret": Secret(secret.encode()),
    }


def _check_together(settings: Settings) -> None:
    """What no single setting can say."""
    if (settings.tls_cert is None) != (settings.tls_key is None):
        missing = names.TLS_CERT if settings.tls_cert is None else names.TLS_KEY
        raise SettingError(missing, "is missing", remedy="Certificate and key go together.")
    if settings.bind == settings.admin_bind and settings.bind[1]:
        raise SettingError(names.ADMIN_BIND, f"is the same as {names.BIND}", remedy="Give it a port of its own.")
    if not settings.config.development:
        return
    for name, (host, _) in ((names.BIND, settings.bind), (names.ADMIN_BIND, settings.admin_bind)):
        if not values.is_loopback(host):
            raise SettingError(
                name, "is not a loopback address", remedy="A development hub is for this machine: 127.0.0.1 or [::1]."
            )
