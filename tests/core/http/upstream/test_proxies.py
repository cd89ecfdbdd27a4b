import pytest

from aexl.core.http.upstream.proxies import proxy_for

BOTH = {"HTTP_PROXY": "http://plain:1", "HTTPS_PROXY": "http://secure:2"}


@pytest.mark.parametrize(
    ("scheme", "environ", "proxy"),
    [
        ("https", {}, None),
        ("https", BOTH, "http://secure:2"),
        ("http", BOTH, "http://plain:1"),
        ("https", {"HTTP_PROXY": "http://plain:1"}, None),
        ("https", {"all_proxy": "socks5://all:3"}, "socks5://all:3"),
        ("https", {**BOTH, "https_proxy": "http://lower:4"}, "http://lower:4"),
        ("https", {**BOTH, "https_proxy": ""}, "http://secure:2"),
        ("https", {"HTTPS_PROXY": "bare:8080"}, "http://bare:8080"),
    ],
)
def test_the_variable_of_the_scheme_counts(scheme, environ, proxy):
    assert proxy_for(scheme, "api.example.com", 443, environ) == proxy


@pytest.mark.parametrize(
    ("no_proxy", "host", "exempt"),
    [
        ("*", "api.example.com", True),
        ("example.com", "api.example.com", True),
        ("example.com", "example.com", True),
        (".example.com", "api.example.com", True),
        ("*.example.com", "api.example.com", True),
        ("EXAMPLE.COM", "api.example.com", True),
        ("example.com", "badexample.com", False),
        ("api.example.com", "example.com", False),
        ("other.org, example.com", "example.com", True),
        ("other.org example.com", "example.com", True),
        ("example.com:443", "example.com", True),
        ("example.com:8443", "example.com", False),
        ("10.0.0.0/8", "10.1.2.3", True),
        ("10.1.2.3", "10.1.2.3", True),
        ("10.0.0.0/8", "11.1.2.3", False),
        ("[fd00::1]", "fd00::1", True),
        ("fd00::/8", "fd12::1", True),
        ("10.0.0.0/8", "example.com", False),
        ("", "example.com", False),
        (",", "example.com", False),
    ],
)
def test_what_no_proxy_names_goes_directly(no_proxy, host, exempt):
    found = proxy_for("https", host, 443, {**BOTH, "NO_PROXY": no_proxy})
    assert (found is None) is exempt


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "::1", "api.localhost"])
def test_this_machine_is_never_proxied(host):
    assert proxy_for("http", host, 80, BOTH) is None
