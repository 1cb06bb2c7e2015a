"""Public keys of tokens: of the algorithm's own kind, strong, and public (RFC 7518 §3.3, RFC 8037, RFC 8725 §3.5)."""

from typing import Any, Final

from jitterbug.errors import SettingError

_LEAST_RSA_BITS: Final = 2_048
_REMEDY: Final = "Give it in PEM: openssl pkey -in KEY -pubout; look at it: openssl pkey -pubin -in FILE -text -noout."


def check_public_key(name: str, pem: bytes, algorithm: str) -> None:
    """Check that a key verifies what an algorithm signs.

    Args:
        name: The setting, for messages.
        pem: A public key in PEM.
        algorithm: Of RFC 7518 or RFC 8037, no HMAC.

    Raises:
        SettingError: It is none, a private one, of another kind, or too weak.
    """
    if b"PRIVATE KEY" in pem:
        raise SettingError(
            name, "is a private key", remedy="Give the public one: who has the other can issue any token."
        )
    problem = _problem(_load(name, pem), algorithm)
    if problem is not None:
        raise SettingError(name, problem, remedy=_REMEDY)


def _load(name: str, pem: bytes) -> Any:
    try:
        from cryptography.hazmat.primitives.serialization import (  # noqa: PLC0415 - for those who take tokens
            load_pem_public_key,
        )
    except ImportError:
        remedy = 'Install it: pip install "jitterbug-push[server]".'
        raise SettingError(name, "needs the package cryptography", remedy=remedy) from None
    try:
        return load_pem_public_key(pem)
    except Exception:
        # Whatever the library says, the cause would carry the text.
        raise SettingError(name, "is no public key in PEM", remedy=_REMEDY) from None


def _problem(key: Any, algorithm: str) -> str | None:
    from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa  # noqa: PLC0415

    if algorithm.startswith(("RS", "PS")):
        if not isinstance(key, rsa.RSAPublicKey):
            return f"is no RSA key, as {algorithm} needs one"
        return f"has fewer than {_LEAST_RSA_BITS} bits" if key.key_size < _LEAST_RSA_BITS else None
    if algorithm.startswith("ES"):
        curve = {"ES256": ec.SECP256R1, "ES384": ec.SECP384R1}[algorithm]
        is_right = isinstance(key, ec.EllipticCurvePublicKey) and isinstance(key.curve, curve)
        return None if is_right else f"is no key on the curve of {algorithm}"
    is_right = isinstance(key, (ed25519.Ed25519PublicKey, ed448.Ed448PublicKey))
    return None if is_right else f"is no Ed25519 or Ed448 key, as {algorithm} needs one"
