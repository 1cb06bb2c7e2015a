"""Client addresses: whom a cap or a count is about."""

import ipaddress
from functools import lru_cache
from typing import Final

_HOST_BITS: Final = 64
"""Of an IPv6 address: a customer is given a /64 at least, and may use any address in it (RFC 4291 §2.5.4, RFC 6177)."""


@lru_cache(maxsize=256)
def counted_as(address: str) -> str:
    """What an address counts as: an IPv6 address as its /64, everything else as itself.

    Whoever has one IPv6 address has 2^64 of them, so caps on single ones would hold nobody back.

    Args:
        address: As the server knows it; an IPv4 address in IPv6 form is the IPv4 address.
    """
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address  # of a Unix socket, say
    if isinstance(parsed, ipaddress.IPv4Address):
        return str(parsed)
    if parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    return f"{ipaddress.IPv6Address(int(parsed) >> _HOST_BITS << _HOST_BITS)}/{128 - _HOST_BITS}"
