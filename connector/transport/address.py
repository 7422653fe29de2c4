"""Which addresses the connector talks to: base URLs from the configuration, and nothing a reply talks it into."""

from __future__ import annotations

import ipaddress
import socket
from urllib.parse import urlsplit

from connector.errors import Rejected

_LOCAL_NAMES = frozenset({"localhost", "localhost.localdomain"})


def guard(url: str, *, allow_private: bool = False) -> str:
    """`url` without a trailing slash, when it may be called. Raises Rejected.

    Only http(s) without credentials in it. Private, loopback and link-local addresses are refused unless
    `allow_private`, which is right for a base URL an operator wrote down (a simulator, a proxy inside the house) and
    wrong for anything that came with data.
    """
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise Rejected("an address starts with https:// or http:// and names a host")
    if parts.username is not None or parts.password is not None:
        raise Rejected("an address holds no user name and no password")
    if not allow_private and not is_public(parts.hostname):
        raise Rejected("the address is private; name it as a base_url if it is meant")
    return url.rstrip("/")


def is_public(host: str) -> bool:
    """True when every address `host` resolves to is a public one; False also when it does not resolve."""
    if host.lower() in _LOCAL_NAMES:
        return False
    try:
        found = socket.getaddrinfo(host, None, proto=socket.IPPROTO_TCP)
    except OSError:
        return False
    return bool(found) and all(ipaddress.ip_address(str(entry[4][0]).split("%")[0]).is_global for entry in found)


def is_loopback(url: str) -> bool:
    """True when `url` names this machine literally."""
    host = urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() in _LOCAL_NAMES


def join(base_url: str, path: str) -> str:
    """The URL of `path` under `base_url`; an absolute `path` must be of the same origin. Raises Rejected.

    Links to next pages come from the vendor. One that leads elsewhere would take our credentials with it.
    """
    if path.startswith("/") and not path.startswith("//"):
        return base_url + path
    here, there = urlsplit(base_url), urlsplit(path)
    if (here.scheme, here.netloc.lower()) != (there.scheme, there.netloc.lower()):
        raise Rejected("a link leads away from the connection's base URL")
    return path
