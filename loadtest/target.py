"""Where load may go: this machine only."""

import ipaddress
import socket
from dataclasses import dataclass
from urllib.parse import urlsplit


class NotLoopback(ValueError):
    """Load goes to this machine only: name a service on 127.0.0.1, ::1 or localhost."""


class NotATarget(ValueError):
    """The base address must read http://HOST:PORT, with no path, query or user."""


@dataclass(frozen=True, slots=True)
class Target:
    """One address of the service: a loopback IP and a TCP port."""

    host: str
    port: int

    @property
    def authority(self) -> str:
        """As in the Host header: `127.0.0.1:8080`, `[::1]:8080`."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def target_of(base_url: str) -> Target:
    """The target that a base address names.

    A name is resolved once, here, so that a run cannot leave the machine through a name that resolves anew.
    Raises NotATarget for what is no plain http address, NotLoopback for an address of another machine.
    """
    try:
        parts = urlsplit(base_url)
        port = parts.port or 80
    except ValueError as error:
        raise NotATarget(f"{NotATarget.__doc__} Got {base_url!r}: {error}.") from error
    if parts.scheme != "http" or not parts.hostname or parts.username is not None:
        raise NotATarget(f"{NotATarget.__doc__} Got {base_url!r}.")
    if parts.path not in ("", "/") or parts.query or parts.fragment:
        raise NotATarget(f"{NotATarget.__doc__} Got {base_url!r}.")
    hosts = addresses_of(parts.hostname)
    if not hosts or not all(ipaddress.ip_address(host).is_loopback for host in hosts):
        raise NotLoopback(f"{NotLoopback.__doc__} Got {base_url!r}.")
    return Target(hosts[0], port)


def addresses_of(hostname: str) -> list[str]:
    """The IP addresses of a host, those of IPv4 first; none where the name is unknown.

    Only `localhost` is looked up: any other name would ask a name server, and none is this machine.
    """
    if hostname == "localhost":
        found = {str(info[4][0]) for info in socket.getaddrinfo(hostname, None, type=socket.SOCK_STREAM)}
        return sorted(found, key=lambda host: (":" in host, host))
    try:
        return [str(ipaddress.ip_address(hostname))]
    except ValueError:
        return []
