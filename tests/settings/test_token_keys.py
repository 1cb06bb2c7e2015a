"""Keys of tokens: strong, of the algorithm's kind, and public where they can be (RFC 8725 §3.5, R73)."""

import base64
import os

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from hypothesis import given
from hypothesis import strategies as st

from jitterbug.errors import SettingError
from jitterbug.settings.tokens import token_key
from jitterbug.settings.weak import weakness

RSA = rsa.generate_private_key(65_537, 2_048)
KEYS = {
    "rsa": RSA,
    "p256": ec.generate_private_key(ec.SECP256R1()),
    "p384": ec.generate_private_key(ec.SECP384R1()),
    "k256": ec.generate_private_key(ec.SECP256K1()),
    "ed25519": ed25519.Ed25519PrivateKey.generate(),
    "ed448": ed448.Ed448PrivateKey.generate(),
}
RIGHT = {
    "RS256": {"rsa"}, "RS384": {"rsa"}, "RS512": {"rsa"}, "PS256": {"rsa"}, "PS384": {"rsa"}, "PS512": {"rsa"},
    "ES256": {"p256"}, "ES384": {"p384"}, "EdDSA": {"ed25519", "ed448"},
}  # fmt: skip


def public_pem(key: object) -> bytes:
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)  # type: ignore[attr-defined]


def private_pem(key: object, form: PrivateFormat = PrivateFormat.PKCS8) -> bytes:
    return key.private_bytes(Encoding.PEM, form, NoEncryption())  # type: ignore[attr-defined]


def refusal(key: bytes, algorithm: str) -> SettingError:
    with pytest.raises(SettingError) as caught:
        token_key(key, algorithm, key_name="JWT_KEY", algorithm_name="JWT_ALGORITHM")
    assert caught.value.setting == "JWT_KEY"
    assert caught.value.remedy
    assert key.decode() not in str(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__ or caught.value.__context__ is None
    return caught.value


@pytest.mark.parametrize("name", KEYS)
@pytest.mark.parametrize("algorithm", RIGHT)
def test_a_public_key_goes_with_the_algorithms_of_its_kind_and_no_other(algorithm: str, name: str) -> None:
    pem = public_pem(KEYS[name])
    if name in RIGHT[algorithm]:
        assert token_key(pem, algorithm, key_name="k", algorithm_name="a").reveal() == pem
    else:
        refusal(pem, algorithm)


def test_rsa_of_fewer_than_2048_bits_is_refused() -> None:
    """RFC 7518 §3.3: 2,048 bits or more."""
    assert "2048 bits" in str(refusal(public_pem(rsa.generate_private_key(65_537, 1_024)), "RS256"))


@pytest.mark.parametrize("algorithm", ["RS256", "PS256"])
@pytest.mark.parametrize("form", [PrivateFormat.PKCS8, PrivateFormat.TraditionalOpenSSL])
def test_a_private_key_is_refused_also_behind_a_public_one(form: PrivateFormat, algorithm: str) -> None:
    for pem in (private_pem(RSA, form), public_pem(RSA) + private_pem(RSA, form)):
        assert "private key" in str(refusal(pem, algorithm))


@pytest.mark.parametrize(
    "pem",
    [
        b"-----BEGIN PUBLIC KEY-----\nx",
        b"-----BEGIN PUBLIC KEY-----\nbm90IG9uZQ==\n-----END PUBLIC KEY-----\n",
        b"-----BEGIN CERTIFICATE-----\nbm90IG9uZQ==\n-----END CERTIFICATE-----\n",
        public_pem(RSA)[:-60],
    ],
)
@pytest.mark.parametrize("algorithm", ["RS256", "ES256", "EdDSA"])
def test_what_is_no_public_key_is_refused_at_the_start(algorithm: str, pem: bytes) -> None:
    refusal(pem, algorithm)


SAMPLES = [
    "a-string-secret-at-least-256-bits-long",
    "a-string-secret-at-least-512-bits-long-which-is-this-very-string-and-not-any-other"[:38],
    "your-256-bit-secret-your-256-bit-secret-key",
    "mysupersecretkeythatislongenough12",
    "this is the documentation sample",
    "please-change-me-in-production-please",
    "secret_key_for_development_do_not_use",
]


@pytest.mark.parametrize("text", SAMPLES)
@pytest.mark.parametrize("form", ["itself", "base64", "hexadecimal"])
def test_samples_of_documentation_are_refused_in_every_form(form: str, text: str) -> None:
    """R73, RFC 8725 §3.5: everybody knows them."""
    data = {
        "itself": text.encode(),
        "base64": base64.b64encode(text.encode()),
        "hexadecimal": text.encode().hex().encode(),
    }[form]
    assert "sample" in str(refusal(data, "HS256"))


@pytest.mark.parametrize(
    "data",
    [bytes(range(32)), bytes(40), b"changeme" * 5, bytes(range(0, 256, 5)), b"abcdefghijklmnopqrstuvwxyz0123456789"],
)
def test_repetitive_secrets_are_refused_in_every_form(data: bytes) -> None:
    """R73: also as the base64 or the hexadecimal text of a pattern."""
    for text in (base64.b64encode(data), data.hex().encode()):
        assert "repeats" in str(refusal(text, "HS256"))


@given(st.integers(32, 64))
def test_random_secrets_pass_in_every_form(length: int) -> None:
    """Nobody is told that a generator's output is weak."""
    data = os.urandom(length)
    for form in (data, base64.b64encode(data), base64.urlsafe_b64encode(data), data.hex().encode()):
        assert weakness(form, 32) is None


def test_a_phrase_of_words_that_no_sample_has_passes() -> None:
    """Length is judged elsewhere; a phrase that somebody made up for the purpose is not everybody's."""
    assert weakness(b"velvet harbour nineteen copper lanterns drift sideways", 32) is None
