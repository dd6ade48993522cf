"""How many rows of a mapped table have no key, share one, or are not linked: counted in the source's key columns alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from federation.record_sets import record_set
from identity.crosswalk import Crosswalk
from identity.scratch import key_type, registered, scratch
from views.model import Mapping

if TYPE_CHECKING:
    from federation.project import Project


@dataclass(frozen=True, slots=True)
class KeyCount:
    """Of a mapped table's rows: how many, without a key, with a key that another has, and not in the crosswalk (None: not looked up)."""

    rows: int
    nulls: int
    repeated: int
    repeated_rows: int
    unlinked: int | None


def count_keys(project: Project, mapping: Mapping, crosswalk: Crosswalk | None) -> KeyCount:
    """Read the key columns of a mapped table, and nothing else of it, and count."""
    records = record_set(project, mapping, ())
    columns = [f"k{i}" for i in range(len(mapping.key))]
    some_null, named = " OR ".join(f"{c} IS NULL" for c in columns), ", ".join(columns)
    link = crosswalk.link_of(mapping.object, mapping.space, mapping.source, mapping.table) if crosswalk is not None else None
    with scratch("1GiB", 2) as con, registered(con, "read", records.read()):
        typed = ", ".join(f"k{i}::{key_type(c.type)} AS k{i}" for i, c in enumerate(records.key))
        con.execute(f"CREATE TABLE found AS SELECT {typed} FROM read")
        (counts,) = con.execute(f"SELECT count(*), count(*) FILTER ({some_null}) FROM found").fetchall()
        (repeated,) = con.execute(
            "SELECT count(*), coalesce(sum(n), 0) FROM "
            f"(SELECT count(*) AS n FROM found WHERE NOT ({some_null}) GROUP BY {named} HAVING n > 1)"
        ).fetchall()
        unlinked = None
        if link is not None and crosswalk is not None and len(link.columns) == len(columns):
            crosswalk.attach(con, "xw")
            ((unlinked,),) = con.execute(
                f"SELECT count(*) FROM found ANTI JOIN xw.main.{link.name} USING ({named}) WHERE NOT ({some_null})"
            ).fetchall()
    return KeyCount(counts[0], counts[1], repeated[0], int(repeated[1]), unlinked)
