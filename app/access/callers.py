"""Who sends a request: what its headers and its connection say."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from urllib.parse import urlsplit

from starlette.requests import Request

from app.settings import Settings
from kb.keys import SHAPE, KeyRecord

CALLER = "namesake.caller"  # where a request's scope keeps its caller
# What proxies add. One that adds none of these looks like a program of this machine: see docs/security.md.
FORWARDED = frozenset({"forwarded", "via", "x-real-ip"})
FORWARDED_PREFIX = "x-forwarded-"


class BadCredentials(ValueError):  # noqa: N818
    """The header Authorization holds no key. What it does hold may be a key that was sent wrong, and is never shown."""


@dataclass(frozen=True, slots=True)
class Caller:
    """Who sends a request.

    Attributes:
        address: where it comes from.
        local: whether it comes from this machine, as `NAMESAKE_READ_WITHOUT_KEY` means it.
        key: the key that was sent; None for a request without one.
    """

    address: str
    local: bool
    key: KeyRecord | None = None

    @property
    def actor(self) -> str:
        """Who edits, as the history of the knowledge base names it."""
        return "anonymous" if self.key is None else f"key:{self.key.label}"

    @property
    def bucket(self) -> str:
        """The bucket that this caller's requests are taken from."""
        return address_bucket(self.address) if self.key is None else f"key:{self.key.id}"

    def __str__(self) -> str:
        """Return how errors name the caller."""
        return f"address {self.address}" if self.key is None else f"key {self.key.label}"


def address_bucket(address: str) -> str:
    """Return the bucket of an address; of IPv6, of its network of 64 bits, which one customer has for himself."""
    ip = _ip(address)
    if isinstance(ip, ipaddress.IPv6Address):
        return f"address:{ipaddress.IPv6Network((ip, 64), strict=False).network_address}/64"
    return f"address:{address if ip is None else ip}"


def read_key(request: Request) -> str | None:
    """Return the key that a request brings, or None where it brings none.

    Raises:
        BadCredentials: there is a header, but no key in it that could be one of ours.
    """
    given = request.headers.getlist("authorization")
    if not given:
        return None
    if len(given) > 1:
        raise BadCredentials("the header is there more than once")
    scheme, _, key = given[0].strip().partition(" ")
    if scheme.lower() != "bearer":
        raise BadCredentials("it does not begin with Bearer")
    if not SHAPE.fullmatch(key.strip()):
        raise BadCredentials("what follows Bearer has not the form of a key")
    return key.strip()


class Reach:
    """Tells requests of this machine from others.

    A request is of this machine where the service can be reached on loopback addresses alone, the other end of the
    connection is one, no proxy has added a header, and the request is addressed to a loopback name. The last keeps
    out web pages that let their own name point to 127.0.0.1 so that a browser lets them read what answers there.
    """

    def __init__(self, settings: Settings) -> None:
        # In a container every connection comes from the engine's bridge: what counts is where the port is published.
        self._any_peer = settings.published_host is not None
        self._closed = is_loopback(settings.published_host or settings.host)

    def is_local(self, request: Request) -> bool:
        """Say whether a request comes from this machine."""
        if not self._closed or any(_is_forwarded(name) for name in request.headers):
            return False
        if not self._any_peer and not (request.client and is_loopback(request.client.host)):
            return False
        return _addressed_to_loopback(request)


def is_loopback(host: str) -> bool:
    """Say whether an address, or a name that needs no look-up, is of this machine alone."""
    if host.lower().rstrip(".") == "localhost" or host.lower().endswith(".localhost"):
        return True
    ip = _ip(host)
    return ip is not None and ip.is_loopback


def _is_forwarded(header: str) -> bool:
    return header.lower() in FORWARDED or header.lower().startswith(FORWARDED_PREFIX)


def _addressed_to_loopback(request: Request) -> bool:
    hosts = request.headers.getlist("host")
    try:
        name = urlsplit(f"//{hosts[0]}").hostname if len(hosts) == 1 else None
    except ValueError:
        return False
    return name is not None and is_loopback(name)


def _ip(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """Return the address, an IPv4 one that is written as IPv6 as what it is; None for anything else."""
    try:
        ip = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return None
    mapped = ip.ipv4_mapped if isinstance(ip, ipaddress.IPv6Address) else None
    return mapped or ip
