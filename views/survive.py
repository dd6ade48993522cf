"""Survivorship as SQL: one row per id360, each attribute the value that its rule lets survive.

Which record wins is decided by one packed HUGEINT per record, so that `arg_max` compares numbers (a struct costs 2.3 times as much):

    2^126 less   if the value is a placeholder: it comes after all that are none, whatever else is said for it
    bits 104..   how often / how long / how trusted, for the rules that ask that first
    bits 40..103 the record's time in microseconds, NULL lowest
    bits 32..39  the rank of its table: of the most trusted source highest, then in the order of the mappings
    bits 0..31   its place in key order within its table, smallest key highest: so ties end the same way every time
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from functools import lru_cache

from sqlglot import exp, parse_one

from views.model import SurvivorshipRule
from views.relations import PROVENANCE, Survived

EXTRA = ("records", "last_updated_at")
_GATHERED = "c360_records"
_REAL, _FIRST, _TIMES, _KEYS = 1 << 126, 1 << 104, 1 << 40, 1 << 32
"""Where the parts of a packed number begin; below `_KEYS` is the place in key order."""
_NO_TIME = -(1 << 62)
"""Microseconds, earlier than any."""


def needed_attributes(view: Survived, columns: Sequence[str]) -> tuple[str, ...]:
    """The attributes that decide the given columns of the view, its filter and its masks, plus lineage if provenance is read."""
    wanted = set(columns)
    for name, mask in view.masks.items():
        if name in wanted:
            wanted |= {c.name for c in mask.find_all(exp.Column)}
    if view.filter is not None:
        wanted |= {c.name for c in view.filter.find_all(exp.Column)}
    attributes = {attribute_of(c) for c in wanted} - {"id360", *EXTRA}
    lineage = [f"_{p}" for p in ("source", "key") if any(c.endswith(f"__{p}") for c in wanted)]
    return (*(a for a in view.records.types if a in attributes), *lineage)


def attribute_of(column: str) -> str:
    """`email__as_of` → `email`; other names stay."""
    for suffix in PROVENANCE:
        if column.endswith(f"__{suffix}"):
            return column.removesuffix(f"__{suffix}")
    return column


def survived_select(
    view: Survived, columns: Sequence[str], rows: exp.Query, present: Collection[str], *, gathered: bool = False
) -> exp.Select:
    """SELECT `columns` of the view over `rows`: the records, with id360, the `present` attributes, and `_at`, `_ord`, `_rank`.

    `present` are the needed attributes that some record has at all; the others are NULL. `_rank` holds which of the view's branches
    the record comes from. The view's filter and masks are applied to the survived row. `gathered`: the rows are few, and are put
    together before they are grouped; DuckDB otherwise sets all aggregates up anew for each part of a union, which takes longer than
    its rows do.
    """
    raw = {c.name for tree in (view.filter, *view.masks.values()) if tree is not None for c in tree.find_all(exp.Column)}
    wanted = [c for c in view.types if c in set(columns) | raw and c != "id360"]
    frequent = [
        a for a in dict.fromkeys(attribute_of(c) for c in wanted) if a in present and view.survivorship.rule(a) is SurvivorshipRule.FREQUENT
    ]
    inner: exp.Expr = exp.alias_(exp.table_(_GATHERED), "r", table=True) if gathered else rows.subquery("r", copy=False)
    told: list[exp.Expr] = [_parse(f'count(*) OVER (PARTITION BY "id360", "{a}") AS "_n_{a}"') for a in frequent]
    passed_over = {a: view.placeholders[a] for a in dict.fromkeys(map(attribute_of, wanted)) if a in present and a in view.placeholders}
    told += [exp.alias_(test.copy(), f"_nobodys_{a}", quoted=True, copy=False) for a, test in passed_over.items()]
    if told:
        inner = exp.select("*", *told).from_(inner, copy=False).subquery("r", copy=False)
    values = [exp.alias_(_survivor(view, c), c, quoted=True, copy=False) for c in wanted if attribute_of(c) in {*present, *EXTRA}]
    owner = exp.column("id360", quoted=True)
    grouped = exp.select(owner, *values, copy=False).from_(inner, copy=False).group_by(owner.copy(), copy=False)
    absent = [exp.alias_(exp.cast(exp.null(), view.types[c]), c, quoted=True) for c in wanted if attribute_of(c) not in {*present, *EXTRA}]
    survived = grouped.select(*absent, copy=False).subquery("v", copy=False)
    shown = [
        exp.alias_(view.masks[c].copy(), c, quoted=True, copy=False) if c in view.masks else exp.column(c, quoted=True) for c in columns
    ]
    result = exp.select(*(shown or [exp.alias_(exp.Literal.number(1), "_")]), copy=False).from_(survived, copy=False)
    result = result.where(view.filter.copy(), copy=False) if view.filter is not None else result
    return result.with_(_GATHERED, as_=rows, materialized=True, copy=False) if gathered else result


def _survivor(view: Survived, column: str) -> exp.Expr:
    if column == "records":
        return _parse("count(*)")
    if column == "last_updated_at":
        return _parse('max("_at")')
    attribute = attribute_of(column)
    value = f'"{attribute}"'
    taken = {"source": '"_source"', "key": '"_key"', "as_of": '"_at"'}.get(column.removeprefix(attribute).removeprefix("__"), value)
    rule, order_of = view.survivorship.rule(attribute), view.survivorship.order(attribute)
    sources = [branch.source for branch in view.records.branches]
    rank = _rank(sources, order_of)
    key_order = f'({_KEYS - 1} - "_ord")'
    latest = f'coalesce(epoch_us("_at"), {_NO_TIME})::HUGEINT * {_TIMES} + {rank} * {_KEYS} + {key_order}'
    nobodys = f'"_nobodys_{attribute}"' if attribute in view.placeholders else ""
    match rule:
        case SurvivorshipRule.MIN | SurvivorshipRule.MAX if taken == value:
            best = f"{rule.value}({value})"
            return _parse(f"coalesce({best} FILTER (NOT {nobodys}), {best})" if nobodys else best)
        case SurvivorshipRule.MIN | SurvivorshipRule.MAX:
            sign, last = ("-", nobodys) if rule is SurvivorshipRule.MIN else ("", f"NOT {nobodys}")
            first = f"'p': {last}, " if nobodys else ""
            return _parse(f"arg_{rule.value}_null({taken}, {{{first}'v': {value}, 'r': {sign}({latest})}}) FILTER ({value} IS NOT NULL)")
        case SurvivorshipRule.PRIORITY:
            order = f"{_trust(sources, order_of)}::HUGEINT * {_FIRST} + {latest}"
        case SurvivorshipRule.FREQUENT:
            order = f'"_n_{attribute}"::HUGEINT * {_FIRST} + {latest}'
        case SurvivorshipRule.LONGEST:
            order = f"length({value}::VARCHAR)::HUGEINT * {_FIRST} + {latest}"
        case SurvivorshipRule.ANY:
            order = f"{rank}::BIGINT * {_KEYS} + {key_order}"
        case _:
            order = latest
    if nobodys:
        order = f"({order})::HUGEINT - CASE WHEN {nobodys} THEN {_REAL}::HUGEINT ELSE 0::HUGEINT END"
    if taken == value:
        return _parse(f"arg_max({value}, {order})")  # leaves NULL values out by itself; a FILTER costs half as much again
    # a taken NULL (no date) must still be taken from the winner: arg_max_null keeps it
    return _parse(f"arg_max_null({taken}, {order}) FILTER ({value} IS NOT NULL)")


def _trust(sources: Sequence[str], order: Sequence[str]) -> str:
    """How trusted a record's source is, as SQL: the first of `order` highest, those not named lowest, all the same."""
    return _numbered([len(order) - order.index(source) if source in order else 0 for source in sources])


def _rank(sources: Sequence[str], order: Sequence[str]) -> str:
    """The rank of a record's table as SQL, no two alike: by trust, then as the mappings stand. `sources` are the branches'."""
    best = sorted(range(len(sources)), key=lambda i: (order.index(sources[i]) if sources[i] in order else len(order), i))
    return _numbered([max(0, min(255, len(best) - 1) - best.index(i)) for i in range(len(sources))])


def _numbered(numbers: Sequence[int]) -> str:
    """The number of the branch that a record comes from, as SQL."""
    arms = " ".join(f"WHEN {i} THEN {number}" for i, number in enumerate(numbers) if number)
    return f'CASE "_rank" {arms} ELSE 0 END' if arms else "0"


def _parse(sql: str) -> exp.Expr:
    return _parsed(sql).copy()


@lru_cache(4096)
def _parsed(sql: str) -> exp.Expr:
    """Every plan asks for the same few texts again. Where a word stood in the text is forgotten: it would be most of what a copy costs."""
    tree = parse_one(sql, read="duckdb")
    for node in tree.walk():
        if node.meta_get("line"):
            node.meta.clear()
    return tree
