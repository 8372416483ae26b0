"""Which URLs may be written into a webhook."""

import pytest

from common.errors import InvalidArgumentError
from event_service.webhooks.addresses import AddressPolicy, parse_networks
from event_service.webhooks.urls import PortPolicy, UrlPolicy, parse_ports

STRICT = UrlPolicy(AddressPolicy())


@pytest.mark.parametrize(
    "url",
    [
        "https://example.com",
        "https://example.com/",
        "https://EXAMPLE.com:443/hooks/calls?token=a%20b&x=1",
        "https://xn--fiq228c.example/",
        "https://hooks.internal.example.com./x",
        "https://1.example.com/",
        "https://8.8.8.8/hook",
        "https://[2606:4700:4700::1111]/hook",
        "https://example.com/a@b",
    ],
)
def test_ordinary_urls_are_taken_as_they_are(url: str) -> None:
    assert STRICT.checked(url).host


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("", "missing"),
        ("https://" + "a" * 2048, "longer"),
        ("example.com/hook", "https"),
        ("ftp://example.com/", "https"),
        ("file:///etc/passwd", "https"),
        ("gopher://example.com/", "https"),
        ("http://example.com/", "http is not allowed"),
        ("https://user@example.com/", "user information"),
        ("https://user:pass@example.com/", "user information"),
        ("https://@example.com/", "user information"),
        ("https://example.com/#part", "fragment"),
        ("https://example.com:8443/", "port 8443"),
        ("https://example.com:22/", "port 22"),
        ("https://example.com:0/", "port 0"),
        ("https://example.com:99999/", "URL"),
        ("https:///path", "host"),
        ("https://exa mple.com/", "printable"),
        ("https://example.com\\@127.0.0.1/", "printable"),
        ("https://例子.example/", "printable"),
        ("https://example.com/\r\nHost: x", "printable"),
        ("https://exa%6dple.com/", "plain name"),
        ("https://-bad.example/", "plain name"),
        ("https://a..b/", "plain name"),
        ("https://127.1/", "four decimal"),
        ("https://0x7f.1/", "four decimal"),
        ("https://2130706433/", "four decimal"),
        ("https://127.0.0.1/", "loopback"),
        ("https://[::1]/", "address"),
        ("https://169.254.169.254/latest/meta-data/", "metadata"),
    ],
)
def test_others_are_refused_and_the_reason_is_told(url: str, said: str) -> None:
    with pytest.raises(InvalidArgumentError, match=said) as refused:
        STRICT.checked(url, "webhook.url")
    assert refused.value.field == "webhook.url"


def test_what_the_operator_allows_is_allowed() -> None:
    lax = UrlPolicy(AddressPolicy(parse_networks("10.0.0.0/8")), parse_ports("443,8000-8999"), allow_http=True)
    for url in ("http://10.1.2.3:8080/x", "https://10.1.2.3/", "http://billing.corp.example:8999/"):
        assert lax.checked(url)
    with pytest.raises(InvalidArgumentError, match="port 80"):
        lax.checked("http://10.1.2.3/")
    with pytest.raises(InvalidArgumentError, match="loopback"):
        lax.checked("https://127.0.0.1/")


def test_ports_from_text() -> None:
    assert parse_ports("443, 8000-8999") == PortPolicy(((443, 443), (8000, 8999)))
    for text in ("", "x", "0", "70000", "9-5", "1-", "443,,80", "²"):
        with pytest.raises(InvalidArgumentError):
            parse_ports(text)


def test_networks_from_text() -> None:
    assert [str(n) for n in parse_networks(" 10.0.0.0/8, fd12::/48,192.0.2.7 ,")] == [
        "10.0.0.0/8",
        "fd12::/48",
        "192.0.2.7/32",
    ]
    for text in ("10.0.0.1/8", "example.com", "10.0.0.0/40"):
        with pytest.raises(InvalidArgumentError):
            parse_networks(text)
