"""Plan and run queries over unified views of live sources. `c360` re-exports what is public here."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from connectors.spi.errors import C360Error
    from federation.profile import Profile
    from federation.project import Project, connect
    from federation.result import Result
    from federation.session import Session

_WHERE = {
    "C360Error": "connectors.spi.errors",
    "Profile": "federation.profile",
    "Project": "federation.project",
    "Result": "federation.result",
    "Session": "federation.session",
    "connect": "federation.project",
}

__all__ = ["C360Error", "Profile", "Project", "Result", "Session", "connect"]


def __getattr__(name: str) -> object:
    """Import on first use: `import c360` must cost nothing that is not used."""
    if name not in _WHERE:
        raise AttributeError(f"module 'federation' has no attribute {name!r}")
    return getattr(import_module(_WHERE[name]), name)
