"""A certificate for 127.0.0.1 that lives as long as the run."""

from pathlib import Path

import trustme

from bench.peers.base import Tls


def make_certificate(folder: Path) -> Tls:
    """Write certificate, key and authority (ECDSA P-256) into a folder."""
    authority = trustme.CA()
    issued = authority.issue_cert("127.0.0.1")
    tls = Tls(folder / "cert.pem", folder / "key.pem", folder / "ca.pem")
    issued.private_key_pem.write_to_path(str(tls.key))
    for blob in issued.cert_chain_pems:
        blob.write_to_path(str(tls.cert), append=True)
    authority.cert_pem.write_to_path(str(tls.ca))
    return tls
