"""Restricts webhooks to addresses of the internet and of the internal networks that the operator allows.

The author of a rule chooses where this server sends a request. Without this check, that could be an address that only
the server can reach, such as a cloud's metadata service. A name is resolved once, and the connection goes to the
address that was checked, so a name that resolves differently a moment later (DNS rebinding) has no effect.
"""

import asyncio
import socket
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network
LookUp = Callable[[str, int], Awaitable[list[Address]]]

NAT64 = IPv6Network("64:ff9b::/96")
# Addresses of the cloud or network of the server, however a version of Python classifies them: metadata of Azure,
# Oracle (in 192.0.0.0/24), Alibaba (in 100.64.0.0/10); relays; addresses that no host of the internet has.
ALSO_INTERNAL = tuple(map(ip_network, (
    "168.63.129.16/32", "192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24", "198.18.0.0/15", "198.51.100.0/24",
    "203.0.113.0/24", "100.64.0.0/10", "0.0.0.0/8", "240.0.0.0/4",
    "fd00:ec2::/32", "64:ff9b:1::/48", "2001:db8::/32", "3fff::/20", "5f00::/16", "100::/64",
)))  # fmt: skip


class InternalAddressError(Exception):
    """A host resolves only to addresses that webhooks may not reach; the text names them."""


def is_internal(address: Address) -> bool:
    """Return whether an address is not public: private, loopback, link-local, multicast, reserved, metadata."""
    effective = address_meant(address)
    if isinstance(effective, IPv6Address) and effective.is_site_local:
        return True
    special = not effective.is_global or effective.is_multicast or effective.is_reserved
    return special or any(effective in network for network in ALSO_INTERNAL)


def address_meant(address: Address) -> Address:
    """Return the IPv4 address that is embedded in an IPv6 one (mapped, 6to4, NAT64), else the address itself."""
    if isinstance(address, IPv4Address):
        return address
    if address in NAT64:
        return IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address.sixtofour or address


def may_be_reached(address: Address, allowed: Sequence[Network]) -> bool:
    """Return whether an address is public or in one of the internal networks of `allowed`."""
    return not is_internal(address) or any(address_meant(address) in network for network in allowed)


def parse_literal(host: str) -> Address | None:
    """Return the address of a host in a URL, in any form that systems accept (`127.1`, `0x7f.1`); None for a name."""
    with suppress(ValueError):
        return ip_address(host)
    with suppress(OSError):
        return IPv4Address(socket.inet_aton(host))
    return None


async def look_up(host: str, port: int) -> list[Address]:
    """Return the addresses of a host, the preferred one first; raises OSError or ValueError."""
    loop = asyncio.get_running_loop()
    answers = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_ADDRCONFIG)
    return list(dict.fromkeys(ip_address(entry[4][0]) for entry in answers))


async def addresses_to_use(look_up: LookUp, host: str, port: int, allowed: Sequence[Network]) -> list[Address]:
    """Return those addresses of a host that may be reached; raises InternalAddressError, OSError or ValueError."""
    literal = parse_literal(host)
    candidates = [literal] if literal else await look_up(host, port)
    usable = [address for address in candidates if may_be_reached(address, allowed)]
    if not usable:
        raise InternalAddressError(", ".join(map(str, candidates)))
    return usable
