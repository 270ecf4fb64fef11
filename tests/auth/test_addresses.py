import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from athena.auth.addresses import ClientAddress, Proxies, counted_as
from athena.errors import StartupError

PROXIES = Proxies(["10.0.0.0/8", "192.0.2.7", "2001:db8:1::/48"])
trusted = st.sampled_from(["10.0.0.1", "10.255.3.4", "192.0.2.7", "2001:db8:1::5", "::ffff:10.1.1.1"])
foreign = st.sampled_from(
    ["203.0.113.9", "198.51.100.1", "11.0.0.1", "192.0.2.8", "2001:db8:2::1", "127.0.0.1", "::1", "64:ff9b::10.0.0.1"]
)
rubbish = st.sampled_from(["", "unknown", "_hidden", "10.0.0.1:80", "999.1.1.1", "' OR 1=1", "[::1]"])


@given(st.lists(trusted | foreign | rubbish), foreign, st.lists(trusted))
def test_what_is_left_of_the_first_foreign_hop_is_never_believed(
    spoofed: list[str], client: str, proxies: list[str]
) -> None:
    header = ", ".join([*spoofed, client, *proxies])
    assert PROXIES.resolve("10.0.0.1", "http", header, "").address == client


@given(foreign, st.text(), st.text())
def test_a_peer_that_is_no_proxy_is_itself(peer: str, forwarded_for: str, proto: str) -> None:
    assert PROXIES.resolve(peer, "http", forwarded_for, proto) == ClientAddress(peer, "http")


@given(st.text(), st.text())
def test_whatever_a_proxy_sends_an_address_comes_out(forwarded_for: str, proto: str) -> None:
    found = PROXIES.resolve("10.0.0.1", "http", forwarded_for, proto)
    ipaddress.ip_address(found.address)
    assert found.scheme in ("http", "https")


def test_the_last_proxy_tells_the_scheme() -> None:
    assert PROXIES.resolve("10.0.0.1", "http", "", "http, https").scheme == "https"
    assert PROXIES.resolve("10.0.0.1", "http", "", "https, http").scheme == "http"
    assert PROXIES.resolve("10.0.0.1", "http", "", "gopher").scheme == "http"


def test_no_hop_that_can_be_read_leaves_the_proxy() -> None:
    assert PROXIES.resolve("10.0.0.1", "http", "203.0.113.9, unknown", "").address == "10.0.0.1"


def test_without_proxies_nobody_is_believed() -> None:
    assert not Proxies([])
    assert Proxies([]).resolve("10.0.0.1", "http", "203.0.113.9", "https") == ClientAddress("10.0.0.1", "http")


@pytest.mark.parametrize("wrong", ["proxy.example", "10.0.0.0/33", "10.0.0.1:80", "*"])
def test_what_is_no_address_is_refused_at_the_start(wrong: str) -> None:
    with pytest.raises(StartupError, match="--behind-proxy"):
        Proxies([wrong])


@pytest.mark.parametrize(
    ("address", "counted"),
    [
        ("203.0.113.9", "203.0.113.9"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2:ffff::", "2001:db8:1:2::/64"),
        ("2001:db8:1:3::", "2001:db8:1:3::/64"),
        ("::ffff:203.0.113.9", "203.0.113.9"),
        ("64:ff9b::203.0.113.9", "203.0.113.9"),
        ("fe80::1%eth0", "fe80::/64"),
        ("", ""),
        ("a:path", "a:path"),
    ],
)
def test_limits_count_an_ipv6_subnet_as_one(address: str, counted: str) -> None:
    assert counted_as(address) == counted
