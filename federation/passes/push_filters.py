"""Hand conjuncts to the sources, as far as each source's capabilities allow."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from sqlglot import exp

from connectors.spi import Column, Judgement, Support, Table
from federation.conjuncts import TRUE_OF_NULL
from federation.context import Context, kind_of
from federation.passes.other_zones import WIDENED, widened
from federation.query import Query, Relation, Scan
from federation.values import Values
from views.branches import TO_UTC, absent, substitute
from views.relations import Branch, Survived


def push_filters(query: Query, context: Context) -> Query:
    """Give every scan the conjuncts its source can answer: the user's copies, the mapping's filter, the policies' row filters.

    A conjunct over the view's columns is rewritten to the source's by the mapping (`email = $p` → `"email_address" = $p`),
    then judged by the source's capability table. The trusted room applies mapping filters and policies again, the user's room
    the user's WHERE, so exact and superset are both safe here; only a limit needs exact.

    Needs: copy_filters. Safe: above. A survived view's filters stay out: dropping a record would change who survives.
    """
    values = Values(query, context)
    relations = tuple(_pushed(r, context, values) for r in query.relations)
    count = sum(len(s.conjuncts) for r in relations for s in r.scans)
    return replace(values.stored(), relations=relations).note(f"push_filters: {count} conjuncts to sources")


def _pushed(relation: Relation, context: Context, values: Values) -> Relation:
    survived = isinstance(relation.view, Survived)
    filters = () if survived else tuple(f for f in relation.filters if not f.find(exp.Column) or "id360" not in _names(f))
    return replace(relation, scans=tuple(_scan(s, filters, context, values) for s in relation.scans))


def _scan(scan: Scan, filters: tuple[exp.Expr, ...], context: Context, values: Values) -> Scan:
    conjuncts: list[exp.Expr] = list(scan.conjuncts)
    reasons = list(scan.reasons)
    exact = True
    for condition in _conditions(scan, filters):
        if _always(condition, context, values):
            continue
        judgement = judge(condition, scan, context, values)
        if judgement.emitted is not None and judgement.support is not Support.LOCAL and judgement.emitted not in conjuncts:
            conjuncts.append(judgement.emitted)
        if judgement.support is not Support.EXACT:
            exact = False
            reasons.append(judgement.reason)
    return replace(scan, conjuncts=tuple(conjuncts), exact=exact, reasons=tuple(r for r in reasons if r))


def _always(condition: exp.Expr, context: Context, values: Values) -> bool:
    """Whether it holds for every row of the branch: `source = 'crm'` of the one that is."""
    if condition.find(exp.Column) or any(p.name not in values.constants for p in condition.find_all(exp.Placeholder)):
        return False
    found = context.evaluate(condition, values.constants)
    return found is not None and found.as_py() is True


def _conditions(scan: Scan, filters: tuple[exp.Expr, ...]) -> Iterator[exp.Expr]:
    for condition in scan.branch.where:
        yield from condition.flatten() if isinstance(condition, exp.And) else (condition,)
    for conjunct in filters:
        yield folded(conjunct, scan.branch)


def folded(conjunct: exp.Expr, branch: Branch) -> exp.Expr:
    """A conjunct over view columns as one over the branch's source columns; a constant if the branch has no such column.

    >>> from views.branches import typed
    >>> branch = Branch("crm", "contact", ("id",), {"email": typed(exp.column("mail"), "VARCHAR"), "city": typed(None, "VARCHAR")})
    >>> folded(exp.column("email").eq(exp.Placeholder(this="p")), branch).sql("duckdb")
    "NULLIF(CAST(mail AS TEXT), '') = $p"
    >>> folded(exp.column("city").eq(exp.Placeholder(this="p")), branch).sql("duckdb")
    'NULL'
    """
    named = (branch.columns.get(c.name) for c in conjunct.find_all(exp.Column))
    if any(expression is not None and absent(expression) for expression in named) and not conjunct.find(*TRUE_OF_NULL, exp.Or, exp.Not):
        return exp.null()
    return substitute(conjunct, branch.columns)


def judge(condition: exp.Expr, scan: Scan, context: Context, values: Values) -> Judgement:
    """The source's verdict on a condition over its columns, after taking off what the mapping put around them.

    The condition's own literals (a policy's, a mapping filter's) become parameters in `values`.
    """
    columns = {c.name: c for c in scan.table.columns}
    kinds = {n: c.kind for n, c in columns.items()}
    if isinstance(condition, exp.Null) or (isinstance(condition, exp.Boolean) and not condition.this):
        return Judgement(Support.EXACT, exp.false())
    bare, exact = unwrapped(by_table(condition, scan.table), columns)
    bare, same = _integers(bare, kinds, values)
    bare, near = widened(bare, kinds, values)
    bound = values.bind(bare, kinds)
    if bound is None:
        return Judgement(Support.LOCAL, reason=f"not asked as it is mapped, or a value does not fit: {bare.sql('duckdb')}")
    judgement = context.capabilities(scan.branch.source).judge(bound, columns, values.params)
    if judgement.support is Support.EXACT and not near:
        return Judgement(Support.SUPERSET, judgement.emitted, WIDENED)
    if judgement.support is Support.EXACT and not (exact and same):
        return Judgement(Support.SUPERSET, judgement.emitted, "text forms differ ('' is NULL, '07' is not 7): checked again")
    return judgement


def by_table(expression: exp.Expr, table: Table) -> exp.Expr:
    """An expression with its columns as the table spells them, unqualified and quoted; what is an instant already is not moved to UTC."""
    exact = {c.name.lower(): c for c in table.columns}

    def name(node: exp.Expr) -> exp.Expr:
        if isinstance(node, exp.Anonymous) and node.name == TO_UTC and isinstance(moment := node.expressions[0], exp.Column):
            known = exact.get(moment.name.lower())
            return exp.cast(name(moment), "TIMESTAMP") if known is not None and known.kind == "timestamptz" else node
        if not isinstance(node, exp.Column):
            return node
        known = exact.get(node.name.lower())
        return exp.column(known.name if known is not None else node.name, quoted=True)

    return expression.transform(name)


def unwrapped(condition: exp.Expr, columns: Mapping[str, Column]) -> tuple[exp.Expr, bool]:
    """Take lossless casts and `NULLIF(x, '')` off the columns of a condition; whether it still means exactly the same.

    `NULLIF(x, '') = $p` is `x = $p` unless $p is '': a superset. Only where NULL does not satisfy the condition.

    >>> import pyarrow as pa
    >>> number = {"id": Column("id", pa.int64(), "int")}
    >>> unwrapped(exp.cast(exp.column("id"), "BIGINT").eq(exp.Placeholder(this="p")), number)[0].sql("duckdb")
    'id = $p'
    """
    exact = True

    def peel(node: exp.Expr) -> exp.Expr:
        nonlocal exact
        if isinstance(node, exp.Nullif) and isinstance(node.expression, exp.Literal) and node.expression.name == "":
            if node.find_ancestor(*TRUE_OF_NULL, exp.Not, exp.NEQ):
                return node
            exact = False
            return peel(node.this)
        if isinstance(node, exp.Cast) and not isinstance(node, exp.TryCast) and isinstance(node.this, exp.Column):
            column = columns.get(node.this.name)
            if column is not None and _lossless(column, node.to):
                return node.this
        return node

    return condition.transform(peel), exact


def _integers(condition: exp.Expr, kinds: Mapping[str, str], values: Values) -> tuple[exp.Expr, bool]:
    """`CAST(id AS TEXT) = '7'` over an integer column as `id = 7`, which an index serves; whether nothing was changed.

    The keys of objects are text, those of most tables integers. A superset: '07' is read as 7 and is not its text.
    """
    same = True

    def swap(node: exp.Expr) -> exp.Expr:
        nonlocal same
        if not isinstance(node, exp.EQ | exp.In) or not isinstance(node.this, exp.Cast) or not isinstance(node.this.this, exp.Column):
            return node
        sides = list(node.expressions) if isinstance(node, exp.In) else [node.expression]
        text_of_integer = kinds.get(node.this.this.name) == "int" and kind_of(node.this.to.sql("duckdb")) == "text"
        if not text_of_integer or not sides or node.find_ancestor(exp.Not) or any(s.find(exp.Column, exp.Query) for s in sides):
            return node
        read: list[exp.Expr] = [exp.Placeholder(this=name) for side in sides if (name := values.as_integer(side)) is not None]
        if not read:
            return node
        same = False  # a constant that is no integer equals none: it is left out of a list
        column = node.this.this.copy()
        return exp.In(this=column, expressions=read) if isinstance(node, exp.In) else column.eq(read[0])

    return condition.transform(swap), same


def _lossless(column: Column, to: exp.DataType) -> bool:
    """Whether a cast of a column keeps every value and its order: none is rounded, no two become one."""
    kind, target = column.kind, kind_of(to.sql("duckdb"))
    if target == "text":
        return kind in ("text", "text_locale", "char", "enum", "text_ci")
    if (kind, target) == ("decimal", "decimal"):
        digits = to.expressions[1].name if len(to.expressions) > 1 else "3" if not to.expressions else "0"
        return bool(column.type.scale <= int(digits))
    if (kind, target) == ("int", "double"):
        return bool(column.type.bit_width <= 32)
    return kind == target or (kind, target) in {("int", "decimal"), ("timestamptz", "timestamp")}


def _names(tree: exp.Expr) -> set[str]:
    return {c.name for c in tree.find_all(exp.Column)}
