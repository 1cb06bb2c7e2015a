"""Settings that no production hub starts with, each with the name its message must have (R10, R13, R20, R72-R76)."""

import base64
import hashlib
from pathlib import Path

import trustme
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)

from jitterbug.settings.secrets import DOCUMENTATION_SAMPLE
from tests.server.production import Authority

Changes = dict[str, str | None]
"""None takes a setting away."""


def _secret(data: bytes) -> str:
    return base64.b64encode(data).decode()


_GOOD = _secret(hashlib.sha256(b"a secret that looks like one").digest())
_NO_TLS: Changes = {"JITTERBUG_TLS_CERT": None, "JITTERBUG_TLS_KEY": None}


def _of(name: str, *texts: str | None) -> list[tuple[str, Changes]]:
    return [(name, {name: text}) for text in texts]


CASES: list[tuple[str, Changes]] = [
    *_of("HMAC_SECRET", None, "", _secret(b"short"), _secret(bytes(range(31))), DOCUMENTATION_SAMPLE),
    *_of("HMAC_SECRET", _secret(bytes(32)), _secret(b"changeme" * 8), _secret(bytes(range(100, 164)))),
    *_of("HMAC_SECRET", "correct horse battery staple, four words!", _GOOD.rstrip("="), _GOOD[:-2] + "B="),
    *_of("HMAC_KEY_ID", None, "", "abc", "two words", "root:one", "x" * 65, "schlüssel"),
    *_of("HMAC_PREVIOUS_KEYS", "old_one", f"old:{_GOOD}", "old_one:c2hvcnQ=", f"root_one:{_GOOD}"),
    *_of("HMAC_PREVIOUS_KEYS", f"old_one:{_GOOD},old_one:{_GOOD}"),
    *_of("JITTERBUG_PUBLISHER_KEYS", "back_end", f"back_end:{_GOOD}", f"back_end:{_GOOD}:", f"back_end:{_GOOD}:a b"),
    *_of(
        "JITTERBUG_PUBLISHER_KEYS",
        f"bac:{_GOOD}:a",
        "back_end:c2hvcnQ=:a",
        f"root_one:{_GOOD}:a",
        f"back_end:{_GOOD}:a|",
    ),
    *_of("JITTERBUG_PUBLISHER_KEYS", f"back_end:{_GOOD}:a,back_end:{_GOOD}:b"),
    *_of("HMAC_ALGORITHM", "sha512", "md5", "none", "sha256"),
    *_of("HMAC_ENABLED", "false", "true"),
    *_of("JITTERBUG_DEVELOPMENT", "true"),
    *_of(
        "HMAC_CLOCK_SKEW_MS",
        "-1",
        "five",
        "5_000",
        "\uff15\uff10\uff10\uff10",
        " 6000",
        "5e3",
        "0x10",
        "5000.0",
        "+5",
        "300001",
    ),
    *_of("HMAC_REPLAY_WINDOW_MS", "0", "-10000", "10_000", "\uff11\uff10\uff10\uff10\uff10", "9999", "soon"),
    ("HMAC_REPLAY_WINDOW_MS", {"HMAC_CLOCK_SKEW_MS": "5001"}),
    *_of("JITTERBUG_KEYTTL_S", "60"),
    *_of("HMAC_SECRETS", _GOOD),
    *_of("jitterbug_bind", "127.0.0.1:0"),
    ("JITTERBUG_TLS_CERT", _NO_TLS),
    ("JITTERBUG_TLS_CERT", {**_NO_TLS, "JITTERBUG_TRUSTED_PROXIES": ""}),
    *_of("JITTERBUG_TLS_CERT", None, "missing.pem", "garbage.pem", "other-cert.pem", "key.pem"),
    *_of("JITTERBUG_TLS_KEY", None, "missing.pem"),
    ("JITTERBUG_TLS_CERT", {"JITTERBUG_TLS_KEY": "garbage.pem"}),
    ("JITTERBUG_TLS_CERT", {"JITTERBUG_TLS_KEY": "locked-key.pem"}),
    ("JITTERBUG_JWT_KEY", {"JITTERBUG_JWT_KEY": None, "JITTERBUG_JWT_AUDIENCE": None}),
    *_of("JITTERBUG_JWT_KEY", "too short to be a key", "changeme" * 8, "", "a-string-secret-at-least-256-bits-long"),
    (
        "JITTERBUG_JWT_KEY",
        {"JITTERBUG_JWT_ALGORITHM": "RS256", "JITTERBUG_JWT_KEY": "-----BEGIN PUBLIC KEY-----\nbm90IG9uZQ==\n"},
    ),
    *_of("JITTERBUG_JWT_AUDIENCE", None),
    *_of("JITTERBUG_JWT_ALGORITHM", "none", "HS1", "hs256", "RS256"),
    *_of("JITTERBUG_ALLOWED_ORIGINS", "*", "null", "https://*.example.org", "https://a.example,*", "hub.example"),
    *_of("JITTERBUG_ALLOWED_ORIGINS", "https://a.example/", "https://A.example"),
    *_of("JITTERBUG_TRUSTED_PROXIES", "*", "0.0.0.0/0", "::/0", "10.0.0.0/8,::/0", "0.0.0.0/1,128.0.0.0/1"),
    *_of("JITTERBUG_TRUSTED_PROXIES", "10.0.0.1/8", "proxy.internal", "::/1, 8000::/1"),
    *_of("JITTERBUG_ENGINE", "redis://127.0.0.1:6379/0", "file:///x"),
    *_of("JITTERBUG_AUDIT_FILE", "no/such/folder/audit.jsonl"),
    *_of(
        "JITTERBUG_SECURITY_POLICY", "http://example.org/policy", "https://example.org/\nContact: mailto:x@example.org"
    ),
    (
        "JITTERBUG_ALERT_WEBHOOK_SECRET",
        {"JITTERBUG_ALERT_WEBHOOK_URL": "https://a.example", "JITTERBUG_ALERT_WEBHOOK_SECRET": "whsec_c2hvcnQ="},
    ),
]


def write_files(folder: Path, authority: Authority) -> None:
    """The broken certificates and keys that the cases name."""
    (folder / "garbage.pem").write_text("-----BEGIN CERTIFICATE-----\nbm90IG9uZQ==\n-----END CERTIFICATE-----\n")
    trustme.CA().issue_cert("127.0.0.1").cert_chain_pems[0].write_to_path(folder / "other-cert.pem")
    key = authority.key.read_bytes()
    (folder / "key.pem").write_bytes(key)
    locked = load_pem_private_key(key, password=None).private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"password")
    )
    (folder / "locked-key.pem").write_bytes(locked)
