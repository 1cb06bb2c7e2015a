"""Caps hold whoever has an address, not the address: of IPv6 that is a /64 (REQUIREMENTS §2.26-2.27)."""

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jitterbug.addresses import counted_as

IPV6 = st.ip_addresses(v=6).filter(lambda address: address.ipv4_mapped is None)


@given(st.ip_addresses(v=4))
def test_an_ipv4_address_counts_as_itself_also_in_ipv6_form(address: ipaddress.IPv4Address) -> None:
    assert counted_as(str(address)) == str(address)
    assert counted_as(f"::ffff:{address}") == str(address)


@given(IPV6, st.integers(min_value=0, max_value=2**64 - 1))
def test_all_addresses_of_a_block_count_as_one(address: ipaddress.IPv6Address, host: int) -> None:
    other = ipaddress.IPv6Address(int(address) >> 64 << 64 | host)
    if other.ipv4_mapped is None:
        assert counted_as(str(other)) == counted_as(str(address))
    assert ipaddress.ip_network(counted_as(str(address))).prefixlen == 64
    assert address in ipaddress.ip_network(counted_as(str(address)))


@given(IPV6, IPV6)
def test_blocks_are_kept_apart(one: ipaddress.IPv6Address, other: ipaddress.IPv6Address) -> None:
    assert (counted_as(str(one)) == counted_as(str(other))) == (int(one) >> 64 == int(other) >> 64)


@pytest.mark.parametrize(
    ("address", "counted"),
    [("2001:db8::7", "2001:db8::/64"), ("2001:DB8:0:1:a:b:c:d", "2001:db8:0:1::/64"), ("::1", "::/64"),
     ("fe80::1%eth0", "fe80::/64"), ("unix", "unix"), ("", "")],
)  # fmt: skip
def test_whatever_a_server_says(address: str, counted: str) -> None:
    assert counted_as(address) == counted
