"""A source that has lost most of its records: half written, or empty for an hour? Ids that are retired do not come back by themselves."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from identity.crosswalk import Crosswalk
from identity.errors import SourceShrunk
from identity.report import MOST, Place, Shrunk, shrunk

if TYPE_CHECKING:
    from federation.project import Project


def refuse_shrunk(project: Project, file: Path) -> None:
    """`file` is a version that is about to serve. Raises: SourceShrunk, if a mapped table has lost more of its records than it may."""
    if (before := project.store.current()) is None:
        return
    now = links(project.store.open(file))
    mapped = {(m.object, m.space, m.source, m.table) for m in project.model.resolved}  # what is no longer mapped is gone on purpose
    lost = shrunk({place: now.get(place, 0) for place in mapped}, links(before), project.model.max_shrink)
    if not lost:
        return
    named = "; ".join(f"{name_of(table)} has {table.now:,} records, and had {table.before:,}" for table in lost)
    look = "" if project.model.crosswalk else "`c360 plan` and `c360 apply`, or "  # nothing is planned of an import
    hint = f"mend the source and resolve again; or, if they are to go: {look}`c360 resolve --allow-shrink`"
    raise SourceShrunk(f"{named}: nothing was published", lost, hint=hint)


def told(project: Project, now: dict[Place, int], before: dict[Place, int]) -> tuple[Shrunk, ...]:
    """What a report says of tables that have shrunk, though it was allowed."""
    return shrunk(now, before, min(project.model.max_shrink, MOST))


def links(crosswalk: Crosswalk | None) -> dict[Place, int]:
    """The links of each table in a version."""
    return {(t.entity, t.space, t.source, t.table): t.links for t in crosswalk.links} if crosswalk is not None else {}


def name_of(table: Shrunk) -> str:
    """A table, for people."""
    return f"{table.source}.{table.table}" + (f" ({table.space})" if table.space else "")
