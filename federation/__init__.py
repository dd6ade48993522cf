"""Plan and run queries over unified views of live sources. `c360` re-exports what is public here."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from federation.profile import Profile
    from federation.project import Project, connect
    from federation.result import Result
    from federation.session import Session

_WHERE = {"connect": "project", "Project": "project", "Session": "session", "Result": "result", "Profile": "profile"}

__all__ = ["Profile", "Project", "Result", "Session", "connect"]


def __getattr__(name: str) -> object:
    """Import on first use: `import c360` must cost nothing that is not used."""
    if name not in _WHERE:
        raise AttributeError(f"module 'federation' has no attribute {name!r}")
    return getattr(import_module(f"federation.{_WHERE[name]}"), name)
