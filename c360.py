"""c360: one SELECT over the customer, answered from where the data lives. The public API, re-exported."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from federation import C360Error, Profile, Project, Result, Session, connect

__all__ = ["C360Error", "Profile", "Project", "Result", "Session", "connect"]


def __getattr__(name: str) -> object:
    import federation

    try:
        return getattr(federation, name)
    except AttributeError:
        raise AttributeError(f"module 'c360' has no attribute {name!r}") from None


if __name__ == "__main__":  # python -m c360
    from federation.cli import main

    main()
