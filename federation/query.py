"""The planner's state: the user's query over guarded relations, and what each relation will ask of its sources.

Every state is a right plan. `copy`-style passes only ever *narrow* what is fetched; the user's query itself stays whole and runs
in full over what crosses the boundary. `inline.statement` prints any state as one SQL statement that can be run.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import pyarrow as pa
from sqlglot import exp

from connectors.spi import KeyFilter, OrderBy, Table
from views.relations import Branch, Links, Records, Survived, View


@dataclass(frozen=True, slots=True)
class Given:
    """The id360s are known: names of bound parameters."""

    params: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Found:
    """The id360s are found first: those that every one of these relations yields in its column `id360`."""

    searches: tuple[Relation, ...]


Ids = Given | Found

_MORE_THAN_PLAIN = ("joins", "group", "having", "qualify", "distinct", "windows", "laterals", "sample", "with_")
"""Parts of a SELECT that a plain one does without."""


@dataclass(frozen=True, slots=True)
class Scan:
    """What one branch asks of its source. `conjuncts` are in emitted form. `exact` holds while the rows the source returns are
    just those that pass everything known of the branch (so a limit may go along). `reasons` say what stayed local, and why.
    `carriers` are the records that link the rows, where the identifier they share is not stored in the crosswalk.
    """

    name: str
    branch: Branch
    table: Table
    carriers: Relation | None = None
    conjuncts: tuple[exp.Expr, ...] = ()
    exact: bool = False
    keys: KeyFilter | None = None
    order: tuple[OrderBy, ...] = ()
    limit: int | None = None
    reasons: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Relation:
    """A guarded relation: one use of a view in the query, under a reserved name.

    `columns` are those that cross the boundary. `filters` are conjuncts of the user's over the view's columns, with bound
    parameters for values: copies, known to be true of every row that can matter above.
    """

    name: str
    view: View
    columns: tuple[str, ...]
    scans: tuple[Scan, ...]
    filters: tuple[exp.Expr, ...] = ()
    ids: Ids | None = None
    people: Relation | None = None
    """The people who may be seen, where the view shows people whom a policy hides."""

    @property
    def records(self) -> Records | None:
        """The union of branches below the view, if there is one."""
        match self.view:
            case Records():
                return self.view
            case Survived(records=records):
                return records
        return None


@dataclass(frozen=True, slots=True)
class Query:
    """`user` reads each relation as a table of its name. `params` types the bound values. `constants` holds those that came as
    literals, `computed` those that follow from others when the query runs (`$since - INTERVAL 1 DAY`). `journal` says what each
    pass did, for `explain`.
    """

    user: exp.Query
    relations: tuple[Relation, ...]
    params: Mapping[str, pa.DataType] = field(default_factory=dict)
    constants: Mapping[str, object] = field(default_factory=dict)
    computed: Mapping[str, exp.Expr] = field(default_factory=dict)
    journal: tuple[str, ...] = ()

    @property
    def plain(self) -> tuple[exp.Select, Relation] | None:
        """The user's SELECT and what it reads, if that is one relation, of whose rows it does no more than to pick, sort and cut off."""
        if len(self.relations) != 1 or not isinstance(self.user, exp.Select) or any(self.user.args.get(a) for a in _MORE_THAN_PLAIN):
            return None
        relation, read = self.relations[0], self.user.args["from_"].this if self.user.args.get("from_") else None
        return (self.user, relation) if isinstance(read, exp.Table) and read.name == relation.name and not read.args.get("sample") else None

    def with_relation(self, name: str, **changes: object) -> Query:
        """The same query with one relation changed."""
        changed = tuple(replace(r, **changes) if r.name == name else r for r in self.relations)  # type: ignore[arg-type]
        return replace(self, relations=changed)

    def note(self, line: str) -> Query:
        return replace(self, journal=(*self.journal, line))


def narrowable(relation: Relation) -> bool:
    """Whether a set of id360s narrows the relation at all."""
    return isinstance(relation.view, Links) or any(s.branch.link and s.branch.link.columns for s in relation.scans)
