"""Addresses in every spelling: what a host that is a number reaches, whatever it looks like."""

import ipaddress
import re
import socket
from functools import lru_cache

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

_NAT64 = tuple(ipaddress.ip_network(text) for text in ("64:ff9b::/96", "64:ff9b:1::/48"))
_V4_COMPATIBLE = ipaddress.ip_network("::/96")
_NUMERIC_HOST = re.compile(r"(?:0[xX][0-9a-fA-F]*|[0-9]+)(?:\.(?:0[xX][0-9a-fA-F]*|[0-9]+)){0,3}")


class BadAddress(ValueError):
    """A host that is neither a name nor an address."""


@lru_cache(maxsize=1024)
def literal_of(host: str) -> Address | None:
    """The address a host spells, in any spelling that a C library would take (`127.1`, `0x7f000001`, `0177.0.0.1`);
    None for a name. Raises `BadAddress`."""
    if "%" in host:
        raise BadAddress(f"{host} names a network interface, which is not allowed")
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        pass
    if not _NUMERIC_HOST.fullmatch(host):
        return None
    try:
        return ipaddress.IPv4Address(socket.inet_aton(host))
    except OSError as error:
        raise BadAddress(f"{host} is no address") from error


@lru_cache(maxsize=1024)
def canonical(text: str) -> Address:
    """IPv4-mapped IPv6 becomes the IPv4 address it stands for; a zone is dropped."""
    address = ipaddress.ip_address(text.split("%")[0])
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return mapped or address


def embedded(address: Address) -> list[Address]:
    """The IPv4 addresses a translator would reach for this IPv6 address."""
    if not isinstance(address, ipaddress.IPv6Address):
        return []
    found: list[Address] = []
    if address.sixtofour:
        found.append(address.sixtofour)
    if address.teredo:
        found.extend(address.teredo)
    if any(address in network for network in _NAT64) or (address in _V4_COMPATIBLE and int(address) > 1):
        found.append(ipaddress.IPv4Address(int(address) & 0xFFFFFFFF))
    return found
