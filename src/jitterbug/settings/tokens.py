"""Keys of tokens, refused when weak or of another kind than their algorithm (RFC 8725 §3.1, §3.5)."""

from typing import Final

from jitterbug.config import Secret
from jitterbug.errors import SettingError
from jitterbug.settings.public_keys import check_public_key
from jitterbug.settings.weak import weakness

_ALGORITHMS: Final = frozenset({
    "HS256", "HS384", "HS512", "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "EdDSA",
})  # fmt: skip
"""RFC 7518 §3.1 and RFC 8037, without ``none``."""


def check_algorithm(name: str, algorithm: str) -> None:
    """Refuse what is not a signature. Raises SettingError under that name."""
    if algorithm not in _ALGORITHMS:
        raise SettingError(name, f"is not one of {', '.join(sorted(_ALGORITHMS))}")


def token_key(key: bytes, algorithm: str, *, key_name: str, algorithm_name: str) -> Secret:
    """Check a key of tokens.

    Args:
        key: Shared secret, or public key in PEM.
        algorithm: The one it is used with.
        key_name: What the caller's user calls the key.
        algorithm_name: Likewise the algorithm.

    Raises:
        SettingError: Unknown algorithm, a key of the other kind, or a weak one.
    """
    check_algorithm(algorithm_name, algorithm)
    is_pem = b"-----BEGIN" in key
    if is_pem == algorithm.startswith("HS"):
        raise SettingError(
            algorithm_name, f"does not go with the kind of {key_name}", remedy="HS… takes a secret, others PEM."
        )
    if is_pem:
        check_public_key(key_name, key, algorithm)
        return Secret(key)
    least_bytes = int(algorithm.removeprefix("HS")) // 8  # RFC 7518 §3.2: as long as the hash
    problem = weakness(key, least_bytes)
    if problem is not None:
        remedy = f"Use {least_bytes} random bytes or more (openssl rand -base64 64), or a public key in PEM."
        raise SettingError(key_name, problem, remedy=remedy)
    return Secret(key)
