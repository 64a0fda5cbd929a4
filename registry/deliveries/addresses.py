"""Which addresses a webhook may reach.

Otherwise whoever may create a webhook could have the service send requests to its own machine, to
its network, or to the metadata service of its cloud (server-side request forgery, CWE-918).
"""

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass

from registry.deliveries.urls import IpAddress, Target
from registry.errors import AddressRefused

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

_GLOBAL_SIX = ipaddress.ip_network("2000::/3")
"""All of IPv6 that has been assigned for unicast on the internet. So what is outside of it needs no
row below: loopback, mapped and translated (NAT64) addresses, link-local, site-local and multicast
ones."""

# IANA's registries iana-ipv4-special-registry and iana-ipv6-special-registry. Written out, since
# what `is_global` says differs between releases of Python, and it is true for some of these.
_SPECIAL = tuple(
    (ipaddress.ip_network(network), kind)
    for network, kind in (
        ("0.0.0.0/8", "this host"),
        ("10.0.0.0/8", "private"),
        ("100.64.0.0/10", "shared (carrier-grade NAT)"),
        ("127.0.0.0/8", "loopback"),
        ("169.254.0.0/16", "link-local"),
        ("172.16.0.0/12", "private"),
        ("192.0.0.0/24", "reserved for protocols"),
        ("192.0.2.0/24", "for documentation"),
        ("192.31.196.0/24", "anycast (AS112)"),
        ("192.52.193.0/24", "anycast (AMT)"),
        ("192.88.99.0/24", "anycast (6to4)"),
        ("192.168.0.0/16", "private"),
        ("192.175.48.0/24", "anycast (AS112)"),
        ("198.18.0.0/15", "for benchmarks"),
        ("198.51.100.0/24", "for documentation"),
        ("203.0.113.0/24", "for documentation"),
        ("224.0.0.0/4", "multicast"),
        ("240.0.0.0/4", "reserved"),
        # Not special to IANA: the host agent of Azure, reachable from each virtual machine.
        ("168.63.129.16/32", "of a cloud's host"),
        ("2001::/23", "reserved for protocols"),
        ("2001:db8::/32", "for documentation"),
        ("2002::/16", "translated (6to4)"),
        ("2620:4f:8000::/48", "anycast (AS112)"),
        ("3fff::/20", "for documentation"),
    )
)


@dataclass(frozen=True, slots=True)
class Allowed:
    """What the operator allows besides: hosts by name, and networks. Also over http."""

    names: frozenset[str] = frozenset()
    networks: tuple[Network, ...] = ()

    def has_address(self, address: IpAddress) -> bool:
        return any(
            address.version == network.version and address in network for network in self.networks
        )


def check_target(target: Target, allowed: Allowed) -> None:
    """Check what can be checked without the addresses of the target's name.

    Raises AddressRefused.
    """
    if target.address is not None:
        check_addresses(target, [target.address], allowed)
    elif target.scheme == "http" and target.host not in allowed.names and not allowed.networks:
        raise AddressRefused(_NO_HTTP)


def check_addresses(target: Target, addresses: Sequence[IpAddress], allowed: Allowed) -> None:
    """Check every address of the target's host: none may be one that is refused.

    Raises AddressRefused.
    """
    if not addresses:
        raise AddressRefused("the host has no address")
    if target.host in allowed.names:
        return
    others = [address for address in addresses if not allowed.has_address(address)]
    for address in others:
        if (kind := refused_kind(address)) is not None:
            raise AddressRefused(f"the host has the address {address}, which is {kind}")
    if others and target.scheme == "http":
        raise AddressRefused(_NO_HTTP)


def refused_kind(address: IpAddress) -> str | None:
    """What kind of address it is that no webhook may reach; None if it is on the internet."""
    for network, kind in _SPECIAL:
        if address.version == network.version and address in network:
            return kind
    return "not on the internet" if address.version == 6 and address not in _GLOBAL_SIX else None


_NO_HTTP = "http is allowed only for hosts and networks that HOTSWAP_WEBHOOK_ALLOW names; use https"
