"""Find a connector by its kind. Ours and an outsider's are peers: both are entry points of the group `c360.connectors`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from difflib import get_close_matches
from importlib.metadata import entry_points

from connectors.spi.errors import UnknownSourceKind
from connectors.spi.session import Connector

GROUP = "c360.connectors"

Factory = Callable[[str, Mapping[str, object]], Connector]
"""`factory(name, options)`: options are the source's entries in the project file, secrets resolved, without `kind`.

Raises SourceConfig for a missing, unknown or malformed option, MissingDriver if its package is not installed. Contacts nobody.
"""


def kinds() -> tuple[str, ...]:
    """Every installed source kind, sorted."""
    return tuple(sorted({e.name for e in entry_points(group=GROUP)}))


def connect(name: str, kind: str, options: Mapping[str, object]) -> Connector:
    """Make the connector of that kind for the source called `name`."""
    for entry in entry_points(group=GROUP):
        if entry.name == kind:
            factory: Factory = entry.load()
            return factory(name, options)
    near = get_close_matches(kind, kinds(), n=1)
    hint = f"did you mean `{near[0]}`?" if near else f"use one of: {', '.join(kinds())}, or install the package that brings it"
    raise UnknownSourceKind(f"source `{name}`: no connector of kind `{kind}`", hint=hint)
