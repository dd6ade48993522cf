"""Find a connector by its kind. Ours and an outsider's are peers: both are entry points of the group `c360.connectors`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from difflib import get_close_matches
from functools import cache
from importlib.metadata import EntryPoint, entry_points

from connectors.spi.errors import UnknownSourceKind
from connectors.spi.session import Connector

GROUP = "c360.connectors"

Factory = Callable[[str, Mapping[str, object]], Connector]
"""`factory(name, options)`: options are the source's entries in the project file, secrets resolved, without `kind`.

Raises SourceConfig for a missing, unknown or malformed option, MissingDriver if its package is not installed. Contacts nobody.
"""


@cache
def _installed() -> Mapping[str, EntryPoint]:
    """Looked for once: every package's files are read for it."""
    return {entry.name: entry for entry in reversed(tuple(entry_points(group=GROUP)))}


def kinds() -> tuple[str, ...]:
    """Every installed source kind, sorted."""
    _installed.cache_clear()  # one may have been installed since
    return tuple(sorted(_installed()))


def connect(name: str, kind: str, options: Mapping[str, object]) -> Connector:
    """Make the connector of that kind for the source called `name`."""
    if kind not in _installed():
        kinds()  # looks again
    if entry := _installed().get(kind):
        factory: Factory = entry.load()
        return factory(name, options)
    near = get_close_matches(kind, kinds(), n=1)
    hint = f"did you mean `{near[0]}`?" if near else f"use one of: {', '.join(kinds())}, or install the package that brings it"
    raise UnknownSourceKind(f"source `{name}`: no connector of kind `{kind}`", hint=hint)
