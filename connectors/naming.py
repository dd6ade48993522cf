"""The names in a fragment: held against the source's table, and written in SQL."""

from __future__ import annotations

from connectors.spi.errors import SchemaDrift
from connectors.spi.fragment import Fragment
from connectors.spi.schema import Table


def check_names(source: str, fragment: Fragment, table: Table) -> None:
    """Raises SchemaDrift if a column that a fragment reads, sorts by or asks keys of is none of the table's."""
    named = {*fragment.columns, *(o.column for o in fragment.order), *(fragment.keys.columns if fragment.keys else ())}
    missing = sorted(n for n in named if table.column(n) is None)
    if missing:
        hint = "look the source over again and correct the mapping"
        raise SchemaDrift(source, f"`{source}.{fragment.table}` has no column `{missing[0]}`", hint=hint)


def quoted(name: str) -> str:
    """A name as an SQL identifier.

    >>> print(quoted('the "old" one'))
    "the ""old"" one"
    """
    return '"' + name.replace('"', '""') + '"'
