"""Random queries over the unified views, from a seed: what nobody would think of writing into the corpus."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field
from decimal import Decimal
from random import Random
from typing import Any

COLUMNS = {
    "individual": {
        **dict.fromkeys(("id360",), "id"),
        **dict.fromkeys(("email", "city", "first_name", "last_name", "country", "brand", "segment", "phone", "gender"), "text"),
        **dict.fromkeys(("birth_date",), "date"),
        **dict.fromkeys(("vip",), "bool"),
        **dict.fromkeys(("score",), "double"),
        **dict.fromkeys(("points", "records"), "int"),
        **dict.fromkeys(("updated_at", "created_at"), "time"),
    },
    "individual_record": {
        **dict.fromkeys(("id360",), "id"),
        **dict.fromkeys(("source", "email", "city", "country"), "text"),
        **dict.fromkeys(("score",), "double"),
        **dict.fromkeys(("updated_at",), "time"),
    },
    "sales_order": {
        **dict.fromkeys(("id360",), "id"),
        **dict.fromkeys(("status", "channel", "store", "coupon", "currency", "sales_order_id"), "text"),
        **dict.fromkeys(("total_amount",), "money"),
        **dict.fromkeys(("items",), "int"),
        **dict.fromkeys(("ordered_at", "shipped_at"), "time"),
    },
    "support_case": {
        **dict.fromkeys(("id360",), "id"),
        **dict.fromkeys(("status", "priority", "subject", "case_id"), "text"),
        **dict.fromkeys(("is_escalated",), "bool"),
        **dict.fromkeys(("satisfaction",), "double"),
        **dict.fromkeys(("opened_at",), "time"),
    },
    "engagement_email": {
        **dict.fromkeys(("id360",), "id"),
        **dict.fromkeys(("email", "type", "campaign", "engagement_email_id"), "text"),
        **dict.fromkeys(("occurred_at",), "time"),
    },
    "consent": {
        **dict.fromkeys(("id360",), "id"),
        **dict.fromkeys(("purpose", "status"), "text"),
        **dict.fromkeys(("captured_at",), "time"),
    },
    "timeline": {
        **dict.fromkeys(("id360",), "id"),
        **dict.fromkeys(("kind", "source", "summary"), "text"),
        **dict.fromkeys(("at",), "time"),
    },
}
TEXTS = (
    "Kiel", "kiel", "Zürich", "", "DE", "CH", "paid", "open", "Open", "secret", "SPRING", "p1@x.co", "Bob", "Bob ", "a_b", "case", "order",
    "crm", "shop", "club", "high", "ß", "***@x.co", "acme", "online", "click", "%",
)  # fmt: skip
PATTERNS = ("p%", "%x.co", "K%l", "a_b", "%", "", "_ob%", "***%", "%100\\%%")
MONEY = ("0", "1.00", "1.01", "10.10", "10.11", "-5", "10", "5000.5")
MOMENTS = ("2023-07-01", "2024-01-01 12:00:00", "2024-01-03", "2024-12-31 23:59:59.999999")
FLAT = ("=", "<>", "<", "<=", ">", ">=")


@dataclass
class Generated:
    """A query with its parameters. `ordered`: its ORDER BY names every output."""

    sql: str
    params: dict[str, Any] = field(default_factory=dict)
    ordered: bool = False


class Generator:
    """One query per call of `query`; the same seed gives the same ones."""

    def __init__(self, seed: int, ids: list[int]) -> None:
        self.rng, self.ids = Random(seed), ids
        self.params: dict[str, Any] = {}

    def query(self) -> Generated:
        self.params = {}
        made = self.rng.choice(
            (self.plain, self.plain, self.joined, self.joined, self.grouped, self.derived, self.union, self.nested, self.cte)
        )()
        return Generated(made.sql, dict(self.params), made.ordered)

    # -- forms -----------------------------------------------------------------------------------------------------------

    def plain(self) -> Generated:
        view, alias = self.view(), "a"
        outputs = self.outputs(view)
        where = self.where({alias: view})
        names = ", ".join(f"{alias}.{c} AS c{i}" for i, c in enumerate(outputs))
        sql = f"SELECT {self.some('DISTINCT ', 0.15)}{names} FROM {view} AS {alias}{where}"
        if self.rng.random() < 0.3:
            terms = ", ".join(
                f"c{i} {self.rng.choice(('', 'DESC'))} {self.rng.choice(('', 'NULLS FIRST', 'NULLS LAST'))}" for i in range(len(outputs))
            )
            offset = self.some(f" OFFSET {self.rng.randrange(4)}", 0.3)
            return Generated(f"{sql} ORDER BY {terms} LIMIT {self.rng.randrange(1, 9)}{offset}", ordered=True)
        return Generated(sql)

    def joined(self) -> Generated:
        views = {alias: self.view() for alias in ("a", "b", "c")[: self.rng.choice((2, 2, 2, 3))]}
        aliases = list(views)
        text, visible = f"{views['a']} AS a", {"a": views["a"]}
        for i, alias in enumerate(aliases[1:]):
            kind = self.rng.choice(("JOIN", "JOIN", "LEFT JOIN", "LEFT JOIN", "RIGHT JOIN", "FULL JOIN", "SEMI JOIN", "ANTI JOIN"))
            on = f"{aliases[i]}.id360 = {alias}.id360" if aliases[i] in visible else f"a.id360 = {alias}.id360"
            own = {alias: views[alias], **visible}
            extra = f" AND {self.condition(own)}" if self.rng.random() < 0.4 and kind != "FULL JOIN" else ""
            text += f" {kind} {views[alias]} AS {alias} ON {on}{extra}"
            if kind not in ("SEMI JOIN", "ANTI JOIN"):
                visible[alias] = views[alias]
        names = [f"{a}.{c}" for a, v in visible.items() for c in self.outputs(v)[:2]]
        return Generated(f"SELECT {', '.join(names)} FROM {text}{self.where(visible, 0.9)}")

    def grouped(self) -> Generated:
        view = self.view()
        key, number = self.column(view), self.column(view)
        having = self.some(f" HAVING {self.rng.choice(('count(*) > 1', self.atom('a', key, COLUMNS[view][key])))}", 0.4)
        aggregate = self.rng.choice((f"count(a.{number})", f"max(a.{number})", f"min(a.{number})", f"count(DISTINCT a.{number})"))
        return Generated(f"SELECT a.{key} AS k, {aggregate} AS n FROM {view} AS a{self.where({'a': view})} GROUP BY a.{key}{having}")

    def derived(self) -> Generated:
        view = self.view()
        outputs = self.outputs(view)
        inner = self.rng.choice((
            f"SELECT {', '.join(f'a.{c}' for c in outputs)} FROM {view} AS a{self.where({'a': view}, 0.3)}",
            f"SELECT DISTINCT {', '.join(f'a.{c}' for c in outputs)} FROM {view} AS a",
            f"SELECT {', '.join(f'a.{c}' for c in outputs)}, count(*) AS n FROM {view} AS a GROUP BY ALL",
            f"SELECT {', '.join(f'a.{c}' for c in outputs)}, rank() OVER (PARTITION BY a.id360 ORDER BY a.{outputs[0]}) FROM {view} AS a",
        ))  # fmt: skip
        return Generated(f"SELECT t.{outputs[0]} FROM ({inner}) AS t WHERE {self.atoms('t', {c: COLUMNS[view][c] for c in outputs})}")

    def union(self) -> Generated:
        first, second = self.view(), self.view()
        kind = self.rng.choice(("text", "time", "id"))
        sides = []
        for view in (first, second):
            names = [c for c, k in COLUMNS[view].items() if k == kind] or ["id360"]
            sides.append(f"SELECT a.id360 AS i, a.{self.rng.choice(names)} AS x FROM {view} AS a{self.where({'a': view}, 0.3)}")
        operator = self.rng.choice(("UNION ALL", "UNION ALL", "UNION", "EXCEPT", "INTERSECT"))
        return Generated(f"SELECT t.i, t.x FROM ({f' {operator} '.join(sides)}) AS t WHERE {self.atoms('t', {'i': 'id', 'x': kind})}")

    def nested(self) -> Generated:
        outer, inner = self.view(), self.view()
        condition = self.condition({"b": inner})
        kind = self.rng.choice((
            f"EXISTS (SELECT 1 FROM {inner} AS b WHERE b.id360 = a.id360 AND {condition})",
            f"NOT EXISTS (SELECT 1 FROM {inner} AS b WHERE b.id360 = a.id360 AND {condition})",
            f"a.id360 IN (SELECT b.id360 FROM {inner} AS b WHERE {condition})",
            f"(SELECT count(*) FROM {inner} AS b WHERE b.id360 = a.id360 AND {condition}) > 1",
        ))  # fmt: skip
        return Generated(f"SELECT a.{self.column(outer)} FROM {outer} AS a WHERE {kind} AND {self.condition({'a': outer})}")

    def cte(self) -> Generated:
        view = self.view()
        outputs = self.outputs(view)
        body = f"SELECT {', '.join(f'a.{c}' for c in outputs)} FROM {view} AS a{self.where({'a': view}, 0.5)}"
        kinds = {c: COLUMNS[view][c] for c in outputs}
        if self.rng.random() < 0.5:
            return Generated(f"WITH w AS ({body}) SELECT w.{outputs[0]} FROM w WHERE {self.atoms('w', kinds)}")
        atoms = self.atoms("x", kinds)
        return Generated(
            f"WITH w AS ({body}) SELECT x.{outputs[0]}, y.{outputs[-1]} FROM w AS x JOIN w AS y ON x.id360 = y.id360 WHERE {atoms}"
        )

    # -- parts -----------------------------------------------------------------------------------------------------------

    def view(self) -> str:
        return self.rng.choice(("individual", "individual", "sales_order", "sales_order", *COLUMNS))

    def column(self, view: str) -> str:
        return self.rng.choice(list(COLUMNS[view]))

    def outputs(self, view: str) -> list[str]:
        return list(dict.fromkeys(["id360", *(self.column(view) for _ in range(self.rng.randrange(1, 4)))]))

    def some(self, text: str, chance: float) -> str:
        return text if self.rng.random() < chance else ""

    def where(self, views: dict[str, str], chance: float = 0.8) -> str:
        return f" WHERE {self.condition(views)}" if self.rng.random() < chance else ""

    def condition(self, views: dict[str, str]) -> str:
        parts = []
        for _ in range(self.rng.choice((1, 1, 2, 3))):
            alias = self.rng.choice(list(views))
            parts.append(self.atoms(alias, COLUMNS[views[alias]], most=1))
        return self._combined(parts)

    def atoms(self, alias: str, kinds: dict[str, str], most: int = 2) -> str:
        names = [self.rng.choice(list(kinds)) for _ in range(self.rng.randrange(1, most + 1))]
        return self._combined([self.atom(alias, name, kinds[name]) for name in names])

    def _combined(self, parts: list[str]) -> str:
        text = parts[0]
        for part in parts[1:]:
            text = f"({text} {self.rng.choice(('AND', 'AND', 'AND', 'OR'))} {part})"
        return f"NOT ({text})" if self.rng.random() < 0.08 else text

    def atom(self, alias: str, name: str, kind: str) -> str:
        column = f"{alias}.{name}"
        form = self.rng.random()
        if form < 0.1:
            return f"{column} IS {self.rng.choice(('', 'NOT '))}NULL"
        if kind == "text" and form < 0.25:
            pattern = self.rng.choice(PATTERNS)
            return f"{column} {self.rng.choice(('', 'NOT '))}LIKE '{pattern}'"
        if kind == "text" and form < 0.32:
            return f"lower({column}) = {self.value(kind)}"
        if kind == "text" and form < 0.36:
            return f"length({column}) > {self.rng.randrange(6)}"
        if kind == "bool" and form < 0.6:
            return self.rng.choice((column, f"NOT {column}", f"{column} IS NOT TRUE"))
        if form < 0.55:
            return f"{column} {self.rng.choice(('', 'NOT '))}IN ({', '.join(self.value(kind) for _ in range(self.rng.randrange(1, 4)))})"
        if form < 0.62 and kind != "bool":
            return f"{column} BETWEEN {self.value(kind)} AND {self.value(kind)}"
        if form < 0.68:
            return f"{column} IS {self.rng.choice(('', 'NOT '))}DISTINCT FROM {self.value(kind)}"
        if form < 0.74:
            return f"{self.value(kind)} {self.rng.choice(FLAT)} {column}"
        return f"{column} {self.rng.choice((*FLAT, '=', '=', '='))} {self.value(kind)}"

    def value(self, kind: str) -> str:
        """A constant, as a literal or as a parameter."""
        rng = self.rng
        match kind:
            case "id":
                value, text = (i := rng.choice((*self.ids, 1))), str(i)
            case "text":
                value = rng.choice(TEXTS)
                text = "'" + value.replace("'", "''") + "'"
            case "money":
                text = rng.choice(MONEY)
                value = Decimal(text)
            case "int":
                value, text = (i := rng.choice((0, 1, 2, 7, 500, 2**40))), str(i)
            case "double":
                text = rng.choice(("0.1", "0.5", "-1.5", "1e300", "0"))
                value = float(text)
            case "bool":
                value, text = (b := rng.random() < 0.5), str(b).lower()
            case "date":
                day = rng.choice(("1960-01-01", "1970-06-01", "1990-01-01"))
                value, text = dt.date.fromisoformat(day), rng.choice((f"DATE '{day}'", f"'{day}'"))
            case _:
                moment = rng.choice(MOMENTS)
                value, text = dt.datetime.fromisoformat(moment), rng.choice((f"TIMESTAMP '{moment}'", f"'{moment}'", "now()"))
        if rng.random() < 0.25:
            name = f"p{len(self.params)}"
            self.params[name] = None if rng.random() < 0.05 else value
            return f"${name}"
        return text
