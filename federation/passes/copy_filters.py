"""Copy conjuncts of the user's query to the guarded relations that they are about."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from sqlglot import exp

from federation.conjuncts import TRUE_OF_NULL, bare, conjuncts_of, total
from federation.context import Context, kind_of
from federation.query import Query
from federation.values import Values

PLAIN_JOINS = {"", "INNER", "CROSS", "OUTER", "SEMI", "ANTI"}


def copy_filters(query: Query, context: Context) -> Query:
    """Give each guarded relation the conjuncts that every row of it must satisfy to matter above.

    Copies, never moves: the user's query keeps its WHERE, so a copy can only narrow what is fetched. A conjunct is copied if
    it is about one relation, its shape is in the vocabulary of connectors.spi.capabilities (so it is total: evaluated on a row
    that a policy hides, it cannot throw), and dropping the rows that fail it cannot change an outer join's other side. It goes
    down through derived tables, CTEs used once, GROUP BY on keys, DISTINCT and UNION; and from one relation's id360 to
    another's that an inner join holds equal.

    Needs: a qualified query. Safe: see `_reaches`.
    """
    copier = _Copier(query, context)
    for select in query.user.find_all(exp.Select):
        copier.visit(select)
    relations = tuple(replace(r, filters=(*r.filters, *copier.filters.get(r.name, ()))) for r in query.relations)
    done = replace(copier.values.stored(), relations=relations)
    return done.note(f"copy_filters: {sum(len(f) for f in copier.filters.values())} conjuncts") if copier.filters else done


class _Copier:
    """Collects the copies of one query, by relation."""

    def __init__(self, query: Query, context: Context) -> None:
        self.views = {r.name: r.view for r in query.relations}
        self.filters: dict[str, list[exp.Expr]] = {}
        self.values = Values(query, context)

    def visit(self, select: exp.Select) -> None:
        joins = select.args.get("joins") or []
        if not _joins_plainly(select):
            return
        leads = _leads(joins)
        conjuncts = [_led(c, leads) for c in conjuncts_of(select.args.get("where"))]
        one_sided: list[tuple[str, list[exp.Expr]]] = []
        for join in joins:
            on = [_led(c, leads) for c in conjuncts_of(join.args.get("on"), join=True)]
            if not join.side and (join.args.get("kind") or "").upper() in ("", "INNER"):
                conjuncts += on
            elif (join.side.upper() == "LEFT" or (join.args.get("kind") or "").upper() == "SEMI") and not join.this.args.get("joins"):
                one_sided.append((join.alias_or_name, on))
        conjuncts += _equalities_carried(conjuncts)
        for conjunct in conjuncts:
            self._offer(select, conjunct)
        for alias, on in one_sided:  # what its ON says, and what follows for it from what all rows must satisfy
            carried = [c for c in _equalities_carried([*conjuncts, *on]) if {k.table for k in c.find_all(exp.Column)} == {alias}]
            for conjunct in (*on, *carried):
                self._offer(select, conjunct, only=alias)
            conjuncts += carried

    def _offer(self, select: exp.Select, conjunct: exp.Expr, only: str = "") -> None:
        """Copy a conjunct of `select` to the source it is about, if dropping rows there is safe."""
        tables = {c.table for c in conjunct.find_all(exp.Column)}
        if len(tables) != 1 or conjunct.find(exp.Query) or conjunct.find(exp.AggFunc) or conjunct.find(exp.Window):
            return
        if not _joins_plainly(select):
            return
        alias = tables.pop()
        if only and alias != only:
            return
        source = _source(select, alias)
        if source is not None and (only or _reaches(select, alias, conjunct)):
            self._into(source, conjunct)

    def _into(self, source: exp.Expr, conjunct: exp.Expr) -> None:
        match source:
            case exp.Table() if source.name in self.views:
                self._take(source.name, conjunct)
            case exp.Table():
                body = _cte(source)
                if body is not None:
                    self._below(body, conjunct)
            case exp.Subquery():
                self._below(source.this, conjunct)

    def _below(self, body: exp.Expr, conjunct: exp.Expr) -> None:
        """Rewrite a conjunct over a derived table's output columns to its inner ones."""
        match body:
            case exp.Subquery():
                self._below(body.this, conjunct)
            case exp.Union():
                if not any(body.args.get(a) for a in ("limit", "offset")) and self._same_types(body, conjunct):
                    for side in (body.left, body.right):
                        renamed = _by_position(body, side, conjunct)
                        if renamed is not None:
                            self._below(side, renamed)
            case exp.Select():
                if inner := _through(body, conjunct):
                    self._offer(body, inner)

    def _same_types(self, union: exp.Union, conjunct: exp.Expr) -> bool:
        """Whether the columns of a conjunct have one type on both sides: else the union casts, and the conjunct is about the cast."""
        positions = {e.alias_or_name: i for i, e in enumerate(union.selects)}
        return all(self._type(union, positions[c.name]) for c in conjunct.find_all(exp.Column) if c.name in positions)

    def _type(self, body: exp.Expr, position: int) -> str:
        """The type of an output column that is a view's column passed through; '' if it may be anything else."""
        match body:
            case exp.Subquery():
                return self._type(body.this, position)
            case exp.SetOperation():
                left, right = self._type(body.left, position), self._type(body.right, position)
                return left if left == right else ""
            case exp.Select() if position < len(body.selects):
                output = body.selects[position].unalias()
                return self._column_type(body, output) if isinstance(output, exp.Column) else ""
        return ""

    def _column_type(self, select: exp.Select, column: exp.Column) -> str:
        source = _source(select, column.table)
        if isinstance(source, exp.Table) and source.name in self.views:
            return self.views[source.name].types.get(column.name, "")
        body = _cte(source) if isinstance(source, exp.Table) else source.this if isinstance(source, exp.Subquery) else None
        names = [e.alias_or_name for e in body.selects] if isinstance(body, exp.Query) else []
        return self._type(body, names.index(column.name)) if body is not None and column.name in names else ""

    def _take(self, relation: str, conjunct: exp.Expr) -> None:
        kinds = {name: kind_of(type_) for name, type_ in self.views[relation].types.items()}
        bound = self.values.bind(bare(conjunct), kinds)
        if bound is not None and total(bound, kinds, self.values.params):
            known = self.filters.setdefault(relation, [])
            if bound not in known:
                known.append(bound)


def _id_pairs(conjuncts: Iterable[exp.Expr]) -> list[tuple[exp.Column, exp.Column]]:
    """The equalities between the id360s of two tables."""
    pairs = [
        (c.left, c.right) for c in conjuncts if isinstance(c, exp.EQ) and isinstance(c.left, exp.Column) and isinstance(c.right, exp.Column)
    ]
    return [(a, b) for a, b in pairs if a.name == b.name == "id360" and a.table != b.table]


def _leads(joins: Iterable[exp.Join]) -> dict[str, str]:
    """Table → the table of which it never has another id360: it is joined (inner or left) where theirs are equal."""
    leads: dict[str, str] = {}
    for join in joins:
        if join.side.upper() in ("", "LEFT") and (join.args.get("kind") or "").upper() in ("", "INNER", "OUTER"):
            for a, b in _id_pairs(conjuncts_of(join.args.get("on"), join=True)):
                first, own = (a, b) if b.table == join.alias_or_name else (b, a)
                if own.table == join.alias_or_name:
                    leads[own.table] = leads.get(first.table, first.table)
    return leads


def _led(conjunct: exp.Expr, leads: Mapping[str, str]) -> exp.Expr:
    """`COALESCE(a.id360, b.id360)` of USING as `a.id360`, where b has it only from a match with a."""

    def first(node: exp.Expr) -> exp.Expr:
        if not isinstance(node, exp.Coalesce) or not all(isinstance(c, exp.Column) and c.name == "id360" for c in _arguments(node)):
            return node
        lead, *others = (c for c in _arguments(node) if isinstance(c, exp.Column))
        return lead.copy() if lead.table not in leads and all(leads.get(c.table) == lead.table for c in others) else node

    return conjunct.transform(first)


def _arguments(call: exp.Coalesce) -> list[exp.Expr]:
    return [call.this, *call.expressions]


def _equalities_carried(conjuncts: list[exp.Expr]) -> list[exp.Expr]:
    """`a.id360 = 5` and `a.id360 = b.id360` give `b.id360 = 5`. Only for id360: its type is one, so equality is transitive."""
    pairs = _id_pairs(conjuncts)
    carried: list[exp.Expr] = []
    known = list(conjuncts)
    for _ in pairs:  # at most as many rounds as there are equalities
        fresh = []
        for conjunct in known:
            columns = list(conjunct.find_all(exp.Column))
            if len(columns) != 1 or columns[0].name != "id360" or not isinstance(conjunct, exp.EQ | exp.In):
                continue
            for a, b in (*pairs, *((b, a) for a, b in pairs)):
                if columns[0].table == a.table:
                    moved = conjunct.transform(lambda n, b=b: b.copy() if isinstance(n, exp.Column) else n)
                    if moved not in known and moved not in carried and moved not in fresh:
                        fresh.append(moved)
        if not fresh:
            break
        carried += fresh
        known = [*known, *fresh]
    return carried


def _reaches(select: exp.Select, alias: str, conjunct: exp.Expr) -> bool:
    """Whether dropping rows of `alias` that fail a WHERE conjunct leaves the SELECT's answer as it is.

    If no NULL satisfies the conjunct, yes: a joined row that lost its match has NULLs there and is dropped by the WHERE as
    well. Otherwise only if no outer join can put NULLs in place of the rows of `alias`.
    """
    if not conjunct.find(*TRUE_OF_NULL, exp.Boolean):
        return True
    joins = select.args.get("joins") or []
    position = next((i for i, j in enumerate(joins) if j.alias_or_name == alias), -1)
    if position >= 0 and joins[position].side:
        return False
    return not any(j.side.upper() in ("RIGHT", "FULL") for j in joins[position + 1 :])


def _joins_plainly(select: exp.Select) -> bool:
    """Not ASOF, POSITIONAL or LATERAL, where a row that is left out changes what others join with."""
    joins = select.args.get("joins") or []
    return not select.args.get("laterals") and not any(j.method or (j.args.get("kind") or "").upper() not in PLAIN_JOINS for j in joins)


def _source(select: exp.Select, alias: str) -> exp.Expr | None:
    from_ = select.args.get("from_")
    candidates = [from_.this] if from_ else []
    candidates += [j.this for j in select.args.get("joins") or [] if (j.args.get("kind") or "").upper() != "ANTI"]
    return next((c for c in candidates if c.alias_or_name == alias and not c.args.get("sample")), None)


def _cte(table: exp.Table) -> exp.Expr | None:
    """The body of the CTE that a table names, if this is its only use."""
    node = table.parent
    while node is not None:
        with_ = node.args.get("with_") if isinstance(node, exp.Query) else None
        for cte in with_.expressions if with_ else ():
            if cte.alias == table.name:
                root = table.root()
                uses = [t for t in root.find_all(exp.Table) if t.name == table.name]
                return cte.this if len(uses) == 1 else None
        node = node.parent
    return None


def _through(select: exp.Select, conjunct: exp.Expr) -> exp.Expr | None:
    """A conjunct over a SELECT's outputs, over its inputs instead; None if rows cannot be dropped before it."""
    if any(select.args.get(a) for a in ("limit", "offset", "qualify", "sample", "windows")):
        return None
    distinct = select.args.get("distinct")
    if distinct is not None and distinct.args.get("on") is not None:
        return None
    outputs = {e.alias_or_name: e.unalias() for e in select.selects}
    group = select.args.get("group")
    keys = list(group.expressions) if group else []
    if group and any(group.args.get(a) for a in ("rollup", "cube", "grouping_sets", "all", "totals")):
        return None
    aggregated = group is not None or any(s.find(exp.AggFunc) for s in select.selects)
    if any(s.find(exp.Window) or s.find(exp.Explode, exp.Unnest) for s in select.selects):
        return None
    for column in conjunct.find_all(exp.Column):
        inner = outputs.get(column.name)
        if inner is None or (aggregated and inner not in keys) or not isinstance(inner, exp.Column | exp.Lower):
            return None
    return conjunct.transform(lambda n: outputs[n.name].copy() if isinstance(n, exp.Column) else n)


def _by_position(union: exp.Union, side: exp.Expr, conjunct: exp.Expr) -> exp.Expr | None:
    if union.args.get("by_name"):
        return None
    names = {e.alias_or_name: i for i, e in enumerate(union.selects)}
    inner = [e.alias_or_name for e in side.selects] if isinstance(side, exp.Query) else []
    if not all(c.name in names and names[c.name] < len(inner) for c in conjunct.find_all(exp.Column)):
        return None
    return conjunct.transform(lambda n: exp.column(inner[names[n.name]], n.table) if isinstance(n, exp.Column) else n)
