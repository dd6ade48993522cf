"""A connection string: what is pinned on top of it, and which sockets lead to the server it names."""

from __future__ import annotations

import os
import re
import shlex
import socket
import stat
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qs, quote, unquote

PINNED = {
    "TimeZone": "UTC",
    "DateStyle": "ISO",
    "IntervalStyle": "iso_8601",
    "standard_conforming_strings": "on",
    "extra_float_digits": "1",
    "default_transaction_read_only": "on",
    "search_path": "pg_catalog",  # our statements qualify what they name; nobody's function of the same name gets in between
    "client_encoding": "UTF8",
}
"""Session settings on which the same answers rest; sent in the first packet, so they cost no round trip."""

_URI = re.compile(r"^postgres(?:ql)?://(?:[^/?@]*@)?(?P<hosts>[^/?]*)[^?]*\??(?P<query>.*)$", re.DOTALL)
_HOST = re.compile(r"(?:\[(?P<bracketed>[^\]]*)\]|(?P<plain>[^:]*)):?(?P<port>.*)")
_DEFAULT_PORT = "5432"


@dataclass(frozen=True, slots=True)
class Address:
    """`uri` holds credentials and is never printed; `endpoints` are the hosts and ports that libpq tries in turn."""

    uri: str
    endpoints: tuple[tuple[str, int], ...]

    def __repr__(self) -> str:
        return "Address(...)"

    def peers(self) -> frozenset[object]:
        """What `getpeername` may say of a socket to these: (ip, port) pairs, and a Unix socket's path."""
        found: set[object] = set()
        for host, port in self.endpoints:
            if host.startswith(("/", "@")):
                found.add(f"{host}/.s.PGSQL.{port}")
                continue
            with suppress(OSError):  # a name that does not resolve: connecting will say so
                found.update((info[4][0], port) for info in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))
        return frozenset(found)


def address(uri: str, connect_timeout_s: float, statement_timeout_s: float) -> Address:
    """Read a libpq URI or keyword string, and pin the session's settings in it. Raises ValueError if it is neither."""
    given = _parameters(uri)
    pinned = dict(PINNED) | ({"statement_timeout": f"{statement_timeout_s * 1000:.0f}"} if statement_timeout_s else {})
    options = " ".join([given.get("options", ""), *(f"-c {name}={value}" for name, value in pinned.items())]).strip()
    added = {"options": options, "application_name": "c360", "connect_timeout": str(max(1, round(connect_timeout_s)))}
    return Address(_with(uri, added), _endpoints(given))


def _endpoints(given: dict[str, str]) -> tuple[tuple[str, int], ...]:
    """As libpq pairs them: one port is every host's, an empty one the default."""
    local = "/var/run/postgresql,/tmp,localhost"
    hosts = (given.get("hostaddr") or given.get("host") or os.environ.get("PGHOST") or local).split(",")
    ports = (given.get("port") or os.environ.get("PGPORT") or _DEFAULT_PORT).split(",")
    ports = ports * len(hosts) if len(ports) == 1 else ports
    return tuple((host, int(port or _DEFAULT_PORT)) for host, port in zip(hosts, ports, strict=True))


def _parameters(uri: str) -> dict[str, str]:
    parts = _URI.match(uri)
    if not parts:
        pairs = (word.partition("=") for word in shlex.split(re.sub(r"\s*=\s*", "=", uri)))
        given = {name: value for name, equals, value in pairs if equals}
        if not given:
            raise ValueError("not a connection string")
        return given
    named = [found for entry in parts["hosts"].split(",") if (found := _HOST.fullmatch(entry))]
    hosts = ",".join(unquote(host["bracketed"] or host["plain"] or "") for host in named)
    ports = ",".join(host["port"] for host in named)
    return {"host": hosts, "port": ports.strip(",") and ports} | {name: values[-1] for name, values in parse_qs(parts["query"]).items()}


def _with(uri: str, added: dict[str, str]) -> str:
    """libpq takes the last of two parameters of one name."""
    if parts := _URI.match(uri):
        pairs = "&".join(f"{name}={quote(value, safe='')}" for name, value in added.items())
        return f"{uri}{'&' if parts['query'] else '?'}{pairs}"
    escaped = ((name, value.replace("\\", "\\\\").replace("'", "\\'")) for name, value in added.items())
    return " ".join([uri, *(f"{name}='{value}'" for name, value in escaped)])


def sockets() -> frozenset[int]:
    """The file descriptors of this process that are sockets."""
    folder = Path("/proc/self/fd") if Path("/proc/self/fd").is_dir() else Path("/dev/fd")
    found = set()
    for entry in folder.iterdir():
        with suppress(OSError, ValueError):
            if stat.S_ISSOCK(os.fstat(int(entry.name)).st_mode):
                found.add(int(entry.name))
    return frozenset(found)


def leading_to(peers: frozenset[object], descriptors: Iterable[int]) -> list[socket.socket]:
    """Of the descriptors, those connected to one of the peers, each as a duplicate: it stays ours whatever becomes of the original."""
    matching = []
    for descriptor in descriptors:
        with suppress(OSError):
            candidate = socket.socket(fileno=os.dup(descriptor))
            peer = candidate.getpeername() if _connected(candidate) else None
            if (peer[:2] if isinstance(peer, tuple) else peer) in peers:
                matching.append(candidate)
            else:
                candidate.close()
    return matching


def _connected(candidate: socket.socket) -> bool:
    try:
        candidate.getpeername()
    except OSError:
        return False
    return True


def shut(connection: socket.socket) -> None:
    """End both directions at once: whoever waits on the original wakes up with an error. Cancel requests do not achieve that."""
    with suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)
