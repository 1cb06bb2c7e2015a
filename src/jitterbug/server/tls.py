"""TLS by the hub itself: version 1.2 at least, forward secrecy, no compression (PROTOCOL §3; ASVS 12.1)."""

import ssl
from collections.abc import Callable

import uvicorn


def tls_context(_config: uvicorn.Config, default: Callable[[], ssl.SSLContext]) -> ssl.SSLContext:
    """Tighten the context uvicorn makes from the certificate files."""
    context = default()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION | ssl.OP_CIPHER_SERVER_PREFERENCE
    context.set_ciphers("ECDHE+AESGCM:ECDHE+CHACHA20")
    return context
