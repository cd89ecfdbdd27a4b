import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aexl.core.http.upstream.addresses import is_loopback, special_use

REFUSED = [
    "0.0.0.0",
    "0.1.2.3",
    "10.0.0.0",
    "10.255.255.255",
    "100.64.0.0",
    "100.127.255.255",
    "127.0.0.1",
    "127.255.255.254",
    "169.254.0.1",
    "169.254.169.254",
    "172.16.0.0",
    "172.31.255.255",
    "192.0.0.1",
    "192.0.0.170",
    "192.0.2.1",
    "192.88.99.1",
    "192.168.0.0",
    "192.168.255.255",
    "198.18.0.1",
    "198.19.255.255",
    "198.51.100.7",
    "203.0.113.7",
    "224.0.0.1",
    "239.255.255.255",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::2",
    "::127.0.0.1",
    "::ffff:127.0.0.1",
    "::ffff:8.8.8.8",
    "::ffff:169.254.169.254",
    "64:ff9b::7f00:1",
    "64:ff9b::808:808",
    "64:ff9b:1::1",
    "100::1",
    "2001::1",
    "2001:0:4136:e378:8000:63bf:3fff:fdd2",
    "2001:10::1",
    "2001:20::1",
    "2001:db8::1",
    "2002:7f00:1::1",
    "2002:808:808::1",
    "3fff::1",
    "fc00::1",
    "fd00:ec2::254",
    "fdff:ffff::1",
    "fe80::1",
    "fe80::1%eth0",
    "febf::1",
    "fec0::1",
    "ff02::1",
    "5f00::1",
    "4000::1",
    "2001:4860:4860::8888%eth0",
]
ALLOWED = [
    "1.1.1.1",
    "8.8.8.8",
    "9.255.255.255",
    "11.0.0.0",
    "100.63.255.255",
    "100.128.0.0",
    "126.255.255.255",
    "128.0.0.1",
    "169.253.255.255",
    "169.255.0.1",
    "172.15.255.255",
    "172.32.0.0",
    "192.0.1.1",
    "192.167.255.255",
    "192.169.0.0",
    "198.17.255.255",
    "198.20.0.0",
    "223.255.255.255",
    "2001:4860:4860::8888",
    "2606:4700::6810:84e5",
    "2a00:1450:4001:80e::200e",
    "2001:200::1",
    "2003::1",
    "3ffe::1",
]


@pytest.mark.parametrize("address", REFUSED)
def test_addresses_that_lead_back_inside_are_named(address):
    assert special_use(address)


@pytest.mark.parametrize("address", ALLOWED)
def test_public_addresses_pass(address):
    assert special_use(address) is None


@given(st.one_of(st.ip_addresses(v=4), st.ip_addresses(v=6)))
def test_nothing_that_the_standard_library_calls_private_passes(address):
    if special_use(str(address)) is None:
        kinds = ("private", "loopback", "link_local", "multicast", "unspecified", "reserved")
        assert [kind for kind in kinds if getattr(address, f"is_{kind}")] == []


@given(st.ip_addresses(v=4))
def test_an_ipv4_address_never_passes_inside_an_ipv6_address(address):
    assert special_use(str(ipaddress.IPv6Address(b"\0" * 10 + b"\xff\xff" + address.packed)))
    assert special_use(str(ipaddress.IPv6Address(b"\0" * 12 + address.packed)))
    assert special_use(str(ipaddress.IPv6Address(b"\0\x64\xff\x9b" + b"\0" * 8 + address.packed)))
    assert special_use(str(ipaddress.IPv6Address(b"\x20\x02" + address.packed + b"\0" * 10)))


@pytest.mark.parametrize("text", ["", "localhost", "127.1", "0x7f.1", "2130706433", "[::1]", "1.2.3.4.5"])
def test_what_is_not_an_address_is_an_error(text):
    with pytest.raises(ValueError, match="IP"):
        special_use(text)


@pytest.mark.parametrize(
    ("host", "answer"),
    [
        ("localhost", True),
        ("api.localhost", True),
        ("127.0.0.1", True),
        ("127.9.9.9", True),
        ("::1", True),
        ("notlocalhost", False),
        ("10.0.0.1", False),
        ("example.com", False),
    ],
)
def test_loopback_is_known_by_name_or_number(host, answer):
    assert is_loopback(host) is answer
