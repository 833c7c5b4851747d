"""Where a picture may be fetched from: URLs taken apart, hosts and the addresses they lead to.

An address counts after all disguise is off: a host written as one number, an IPv4 address inside an IPv6 one. Whether
it is public follows IANA's special-purpose registries (RFC 6890) as Python's `ipaddress` has them, and where versions
of Python differ, the stricter reading.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import Final
from urllib.parse import quote, urlsplit

from duihua.vision.refusal import refusal

__all__ = ["Address", "Network", "Place", "Reach", "host_pattern", "is_public", "place_of", "unwrapped"]

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

_PORTS: Final = {"http": 80, "https": 443}
_LONGEST_URL: Final = 8192  # characters
_UNWRITTEN: Final = re.compile(r"[\x00-\x20\x7f\\]")  # what parsers of URLs disagree about
_HOST: Final = re.compile(r"[a-z0-9_-]{1,63}(\.[a-z0-9_-]{1,63})*")
_LONGEST_HOST: Final = 253  # letters (RFC 1035)
_NUMBER: Final = re.compile(r"0x[0-9a-f]*|[0-9]+")  # as the last part of a host: the whole is an IPv4 address
_NOT_PUBLIC: Final = tuple(
    ipaddress.ip_network(network)
    for network in (
        "192.0.0.0/24",  # protocol assignments
        "192.88.99.0/24",  # relays from 6to4
        "2001::/23",  # protocol assignments, Teredo among them
        "3fff::/20",  # documentation
    )
)
_UNICAST: Final = ipaddress.ip_network("2000::/3")  # all that IANA has given out of IPv6
_NAT64: Final = ipaddress.ip_network("64:ff9b::/96")


@dataclass(frozen=True, slots=True)
class Place:
    """A URL, taken apart."""

    scheme: str  # http or https
    host: str  # in lower case and ASCII (IDNA); an IPv6 address without brackets
    port: int
    target: str  # path and query, percent-encoded
    address: Address | None  # where the host is one

    @property
    def netloc(self) -> str:
        """Host and port as a URL has them, for people."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _PORTS[self.scheme] else f"{host}:{self.port}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reach:
    """Where pictures may be fetched from; it holds for every redirect too."""

    hosts: Sequence[str] | None = None  # `example.org`, `*.example.org` (all below it); None: any
    networks: Sequence[Network] = ()  # reached although they are not public
    ports: Collection[int] | None = (80, 443)  # None: any
    redirects: int = 3  # followed at most

    def check(self, place: Place, name: str = "") -> None:
        """Refuse a host or port that is not to be asked; raises InvalidImage ("address")."""
        if self.ports is not None and place.port not in self.ports:
            listed = ", ".join(str(port) for port in sorted(self.ports))
            raise refusal("address", f"port {place.port} is not asked for pictures, only {listed}: send the file", name)
        if self.hosts is not None and not any(_names(pattern.lower(), place.host) for pattern in self.hosts):
            raise refusal(
                "address", f"pictures are not fetched from {place.host}: send the picture as a data URL", name
            )

    def admits(self, address: Address) -> bool:
        """Whether this address may be reached."""
        plain = unwrapped(address)
        return is_public(address) or any(plain in network for network in self.networks)


def place_of(url: str, name: str = "") -> Place:
    """The place that a URL names.

    Raises:
        InvalidImage: "scheme" for all but http and https; "url" where it is not well formed, or holds a name and
            password; "address" for an IPv4 address that is not written as four numbers.
    """
    scheme = url.partition(":")[0].lower()
    if scheme not in _PORTS:
        raise refusal("scheme", "the picture's URL must begin with http:// or https://: send a local file itself", name)
    if len(url) > _LONGEST_URL or _UNWRITTEN.search(url):
        raise refusal("url", "the URL is too long, or has blanks or backslashes: write it percent-encoded", name)
    try:
        split = urlsplit(url)
        host, port = split.hostname or "", split.port
    except ValueError as error:
        raise refusal("url", f"the URL is not well formed ({error}): check it", name) from error
    if "[" in split.netloc and ":" not in host:
        raise refusal("url", "the URL's brackets hold no IPv6 address: check it", name)
    if "@" in split.netloc:
        raise refusal("url", "the URL holds a user's name or password: leave it out", name)
    host, address = _host(host, name)
    target = quote(split.path or "/", safe="/%:@!$&'()*+,;=~") + (
        "?" + quote(split.query, safe="/%:@!$&'()*+,;=~?") if split.query else ""
    )
    return Place(scheme, host, _PORTS[scheme] if port is None else port, target, address)


def host_pattern(text: str) -> str:
    """A host as `Reach.hosts` has it, from how people write it: in lower case and ASCII (IDNA).

    Raises:
        InvalidImage: "url" or "address"; it is neither a host nor `*.` and one.
    """
    star, host = ("*.", text[2:]) if text.startswith("*.") else ("", text)
    found, address = _host(host.removeprefix("[").removesuffix("]").lower() if ":" in host else host.lower(), "")
    if star and address is not None:
        raise refusal("address", "nothing is below an address")
    return star + found


def is_public(address: Address) -> bool:
    """Whether an address belongs to the internet at large, and so does every address inside it."""
    plain = unwrapped(address)
    if not plain.is_global or plain.is_multicast or plain.is_reserved or any(plain in net for net in _NOT_PUBLIC):
        return False
    if isinstance(plain, IPv4Address):
        return True
    inner = plain.sixtofour
    return plain in _UNICAST and (inner is None or is_public(inner))


def unwrapped(address: Address) -> Address:
    """The IPv4 address that an IPv6 one stands for: mapped (RFC 4291), or behind NAT64 (RFC 6052)."""
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped is not None:
            return address.ipv4_mapped
        if address in _NAT64:
            return IPv4Address(int(address) & 0xFFFFFFFF)
    return address


def _host(host: str, name: str) -> tuple[str, Address | None]:
    """A host in the form that is asked for, and its address where it is one."""
    if ":" in host:
        try:
            return host, _unscoped(host)
        except ValueError as error:
            raise refusal(
                "address", f"{host[:80]!r} is no IPv6 address that can be reached: check the URL", name
            ) from error
    named = (host if host.isascii() else _to_ascii(host, name)).removesuffix(".")
    if len(named) > _LONGEST_HOST or not _HOST.fullmatch(named):
        raise refusal("url", f"the URL's host {host[:80]!r} is not well formed: check it", name)
    if not _NUMBER.fullmatch(named.rpartition(".")[2]):
        return named, None
    try:
        return named, IPv4Address(named)
    except ValueError as error:
        raise refusal("address", f"{host[:80]!r} is no address: write an IPv4 address as four numbers", name) from error


def _unscoped(host: str) -> IPv6Address:
    address = IPv6Address(host)
    if address.scope_id is not None:
        raise ValueError("it belongs to one link")
    return address


def _to_ascii(host: str, name: str) -> str:
    import idna

    try:
        return idna.encode(host, uts46=True).decode("ascii").lower()
    except idna.IDNAError as error:
        raise refusal("url", f"the URL's host {host[:80]!r} is not well formed: check it", name) from error


def _names(pattern: str, host: str) -> bool:
    """Whether a pattern of `Reach.hosts` names this host."""
    return host.endswith(pattern[1:]) if pattern.startswith("*.") else host == pattern
