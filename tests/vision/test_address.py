from ipaddress import IPv4Address, ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from duihua.errors import InvalidImage
from duihua.vision.address import Place, Reach, is_public, place_of

A_RESOLVER = "8.8.8.8"
PUBLIC = [A_RESOLVER, "1.1.1.1", "172.15.0.1", "172.32.0.1", "192.0.1.1", "2606:4700::1", "2a00:1450::1"]
PUBLIC_INSIDE = ["::ffff:8.8.8.8", "64:ff9b::808:808", "2002:808:808::1"]
PRIVATE = {
    "this machine": ["127.0.0.1", "127.255.0.9", "0.0.0.0", "0.1.2.3", "::1", "::"],
    "a private network": ["10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1", "fc00::1", "fd12::1", "fec0::1"],
    "a link": ["169.254.169.254", "fe80::1"],
    "a provider's own": ["100.64.0.1", "100.100.100.200", "100.127.255.255"],
    "many": ["224.0.0.1", "239.1.1.1", "255.255.255.255", "ff02::1", "ff0e::1"],
    "reserved": ["240.0.0.1", "192.0.0.8", "192.0.0.170", "192.88.99.1", "4000::1", "5f00::1", "::8.8.8.8", "100::1"],
    "documentation and measuring": ["192.0.2.1", "198.51.100.1", "203.0.113.1", "198.18.0.1", "2001:db8::1", "3fff::1"],
    "inside another": ["::ffff:127.0.0.1", "::ffff:10.0.0.1", "64:ff9b::7f00:1", "64:ff9b:1::1", "64:ff9b::a9fe:a9fe"],
    "inside 6to4 or Teredo": ["2002:7f00:1::1", "2002:a00:1::1", "2002:c0a8:101::1", "2001::1", "2001:0:7f00:1::1"],
}


@pytest.mark.parametrize("address", PUBLIC + PUBLIC_INSIDE)
def test_the_internet_at_large_is_public(address: str) -> None:
    assert is_public(ip_address(address))
    assert Reach().admits(ip_address(address))


@pytest.mark.parametrize(("what", "address"), [(what, address) for what, group in PRIVATE.items() for address in group])
def test_everything_else_is_not_public(what: str, address: str) -> None:
    assert not is_public(ip_address(address))
    assert not Reach().admits(ip_address(address))


@given(st.integers(0, 2**32 - 1))
def test_an_address_inside_another_is_no_more_public_than_it_is(number: int) -> None:
    plain = IPv4Address(number)
    for inside in (f"::ffff:{plain}", f"64:ff9b::{number >> 16:x}:{number & 0xFFFF:x}"):
        assert is_public(ip_address(inside)) == is_public(plain)
    assert is_public(ip_address(f"2002:{number >> 16:x}:{number & 0xFFFF:x}::1")) <= is_public(plain)


def test_a_network_may_be_opened_and_no_other_with_it() -> None:
    reach = Reach(networks=[ip_network("127.0.0.0/8")])
    assert reach.admits(ip_address("127.0.0.1"))
    assert reach.admits(ip_address("::ffff:127.0.0.1"))
    assert not reach.admits(ip_address("10.0.0.1"))
    assert not reach.admits(ip_address("::1"))


@pytest.mark.parametrize(
    ("url", "place"),
    [
        ("http://example.org", Place("http", "example.org", 80, "/", None)),
        ("HTTPS://EXAMPLE.org:8443/A%20b?c=d&e#f", Place("https", "example.org", 8443, "/A%20b?c=d&e", None)),
        ("https://example.org.:443/", Place("https", "example.org", 443, "/", None)),
        ("http://bücher.example/图?图", Place("http", "xn--bcher-kva.example", 80, "/%E5%9B%BE?%E5%9B%BE", None)),
        ("http://对话.example", Place("http", "xn--cet872i.example", 80, "/", None)),
        (f"http://{A_RESOLVER}:81/a", Place("http", A_RESOLVER, 81, "/a", ip_address(A_RESOLVER))),
        ("http://[2606:4700::1]/a", Place("http", "2606:4700::1", 80, "/a", ip_address("2606:4700::1"))),
        ("http://a_b.example/%00?%zz", Place("http", "a_b.example", 80, "/%00?%zz", None)),
        ("http://example.org/it's/{a}|b", Place("http", "example.org", 80, "/it's/%7Ba%7D%7Cb", None)),
    ],
)
def test_a_url_is_taken_apart(url: str, place: Place) -> None:
    assert place_of(url) == place


@pytest.mark.parametrize(
    ("host", "netloc"),
    [
        ("https://example.org:443", "example.org"),
        ("https://example.org:80", "example.org:80"),
        ("http://[::1]:80", "[::1]"),
        ("http://[::1]:8000", "[::1]:8000"),
    ],
)
def test_a_port_is_told_where_it_is_not_the_usual_one(host: str, netloc: str) -> None:
    assert place_of(host).netloc == netloc


SCHEMES = [
    *("file:///etc/passwd", "ftp://example.org/a", "gopher://x", "data:image/png,a", "//example.org", "a.png", ""),
    *("javascript:alert(1)", "unix:///run/docker.sock", " http://example.org", "\0http://example.org"),
]
MALFORMED = [
    *("http", "http:", "http:///a", "http:example.org", "http://", "http://?a", "http://#a", "http://exa mple.org"),
    *("http://example.org\\@evil.example", "http://example.org/a\nHost: evil", "http://exa\tmple.org/"),
    *("http://example.org:99999/", "http://example.org:80:80/", "http://example.org:port/"),
    *("http://[::1", "http://[v1.a]/", "http://[example.org]/", "http://.example", "http://a..b/"),
    *("http://a%2eb/", "http://a%00b/", "http://\u2100.example/", "http://\u00ad/"),
    *("http://" + "a" * 64 + ".example/", "http://" + "a." * 130 + "example/", "http://example.org/" + "a" * 9000),
    *("http://a@example.org/", "http://a:b@example.org/", "http://:@example.org/", "http://a%40b@example.org/"),
    "http://example.org:80@evil.example/",
]


@pytest.mark.parametrize("url", SCHEMES)
def test_only_http_and_https_are_asked(url: str) -> None:
    with pytest.raises(InvalidImage, match="must begin with http:// or https://") as refused:
        place_of(url)
    assert refused.value.why == "scheme"


@pytest.mark.parametrize("url", MALFORMED)
def test_a_url_that_parsers_could_disagree_about_is_refused(url: str) -> None:
    with pytest.raises(InvalidImage, match=r"^x: .+: .+") as refused:
        place_of(url, "x")
    assert refused.value.why == "url"


@pytest.mark.parametrize(
    "host",
    [
        *("2130706433", "0x7f000001", "017700000001", "127.1", "127.0.1", "0177.0.0.1", "0x7f.0.0.1", "127.0.0.0x1"),
        *(
            "1.2.3.4.5",
            "256.0.0.1",
            "127.0.0.01",
            "example.1",
            "0",
            "0x",
            "[fe80::1%25eth0]",
            "[fe80::1%1]",
            "１２７.1",
        ),
    ],
)
def test_an_address_in_disguise_is_refused(host: str) -> None:
    with pytest.raises(InvalidImage) as refused:
        place_of(f"http://{host}/a.png")
    assert refused.value.why == "address"


@pytest.mark.parametrize("host", ["１２７.0.0.1", "①27.0.0.1", "127。0。0。1", "127.0.0.1."])
def test_letters_that_read_as_an_address_are_one(host: str) -> None:
    assert place_of(f"http://{host}/").address == ip_address("127.0.0.1")


@given(st.text(max_size=60))
def test_any_text_is_a_place_or_refused(text: str) -> None:
    for start in ("", "http://", "https://example.org", "http://example.org/", "http://["):
        try:
            place = place_of(start + text)
        except InvalidImage:
            continue
        assert place.host.isascii()
        assert place.target.isascii()
        assert place.target.startswith("/")
        assert not {" ", "\r", "\n"} & set(place.target + place.host)


@pytest.mark.parametrize(
    ("url", "is_asked"),
    [
        ("https://example.org/", True),
        ("https://EXAMPLE.ORG./", True),
        ("https://a.example.org/", False),
        ("https://a.pictures.example/", True),
        ("https://a.b.Pictures.example/", True),
        ("https://pictures.example/", False),
        ("https://evilpictures.example/", False),
        ("https://example.org.evil.example/", False),
        ("https://evil.example/example.org", False),
    ],
)
def test_hosts_may_be_listed(url: str, *, is_asked: bool) -> None:
    reach = Reach(hosts=["example.org", "*.pictures.example"])
    place = place_of(url)
    if is_asked:
        reach.check(place)
        return
    with pytest.raises(InvalidImage, match=f"not fetched from {place.host}: send") as refused:
        reach.check(place)
    assert refused.value.why == "address"


def test_other_ports_are_not_knocked_at_unless_they_may_be() -> None:
    for port in (22, 6379, 8080):
        place = place_of(f"http://example.org:{port}/")
        with pytest.raises(InvalidImage, match=f"port {port} is not asked for pictures, only 80, 443") as refused:
            Reach().check(place)
        assert refused.value.why == "address"
        Reach(ports={port}).check(place)
        Reach(ports=None).check(place)
