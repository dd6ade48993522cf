"""Constants of a query as bound parameters: what a source is asked about never travels as SQL text."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace

import pyarrow as pa
from sqlglot import exp

from connectors.spi import family
from connectors.spi.capabilities import FAMILIES
from federation.context import Context
from federation.query import Query
from views.functions import STABLE, functions_in

_MIRROR: Mapping[type[exp.Expr], type[exp.Expr]] = {
    exp.EQ: exp.EQ, exp.NEQ: exp.NEQ, exp.LT: exp.GT, exp.LTE: exp.GTE, exp.GT: exp.LT, exp.GTE: exp.LTE,
}  # fmt: skip
_NAMES = {"date": "DATE", "timestamp": "TIMESTAMP", "timestamptz": "TIMESTAMPTZ", "time": "TIME", "int": "BIGINT", "double": "DOUBLE"}
_LOSSLESS = {("date", "timestamp"), ("timestamptz", "timestamp"), ("timestamp", "timestamptz")}
"""Value family → column kind: casts of a value that change nothing. The rooms' time zone is UTC, so both kinds of timestamp agree."""


_INTEGER = re.compile(r"-?(0|[1-9][0-9]{0,17})$")
"""Texts that an integer is written as."""


class Values:
    """Collects the bound values of one query while a pass works; `stored` gives the query that holds them."""

    def __init__(self, query: Query, context: Context) -> None:
        self.query, self.context = query, context
        self.params: dict[str, pa.DataType] = dict(query.params)
        self.constants: dict[str, object] = dict(query.constants)
        self.computed: dict[str, exp.Expr] = dict(query.computed)
        self._names: dict[tuple[str, type, object], str] = {
            (str(self.params[name]), type(value), value): name for name, value in (*query.constants.items(), *query.computed.items())
        }

    def stored(self) -> Query:
        return replace(self.query, params=self.params, constants=self.constants, computed=self.computed)

    def bind(self, condition: exp.Expr, kinds: Mapping[str, str]) -> exp.Expr | None:
        """The condition with a parameter for every constant, of a type that the column beside it takes without a cast.

        None if some constant has no such form. `5 < amount` is turned into `amount > 5` on the way.
        """
        bound = condition.copy()
        for atom in [n for n in bound.find_all(exp.Predicate, exp.In, exp.Between) if not isinstance(n, exp.Connector | exp.Not)]:
            turned = _column_first(atom)
            if turned is not atom:
                bound = turned if atom is bound else (atom.replace(turned), bound)[1]
            column = turned.this.find(exp.Column) if isinstance(turned.this, exp.Expr) else None
            for side in _constant_sides(turned) if column is not None else ():
                name = self._name(side, kinds.get(column.name, "") if column else "")
                if name is None:
                    return None
                side.replace(exp.Placeholder(this=name))
        return bound

    def _name(self, side: exp.Expr, kind: str) -> str | None:
        allowed = FAMILIES.get(kind, frozenset())
        if isinstance(side, exp.Placeholder) and family(self.params.get(side.name)) in allowed:
            return side.name
        if side.find(exp.Subquery, exp.Select, exp.Collate) or any(name in STABLE for name, _ in functions_in(side)):
            return None
        if any(p.name not in self.params for p in side.find_all(exp.Placeholder)):
            return None  # bound to something that no source is asked about (see planner.arrow_type)
        side = self._spelled_out(side)
        found = self._evaluate(side)
        if found is None:
            return None
        value = side
        if family(found.type) not in allowed:
            text = isinstance(side, exp.Literal) and side.is_string
            if kind not in _NAMES or not (text or (family(found.type), kind) in _LOSSLESS):
                return None
            value = exp.cast(value, _NAMES[kind])
            found = self._evaluate(value)
            if found is None or family(found.type) not in allowed:
                return None
        return self._remember(value, found)

    def as_integer(self, side: exp.Expr) -> str | None:
        """The parameter for a text value read as an integer; None for a constant that is none."""
        known = side.name if isinstance(side, exp.Literal) else self.constants.get(side.name) if isinstance(side, exp.Placeholder) else None
        if isinstance(known, str):  # '07' is the text of no integer
            return self._remember(side, pa.scalar(int(known))) if _INTEGER.match(known) else None
        read = exp.TryCast(this=side.copy(), to=exp.DataType.build("BIGINT"))
        found = self.context.evaluate(read, {**self.context.values, **self.constants})
        given = any(p.name not in self.constants for p in side.find_all(exp.Placeholder))
        return self._remember(read, found) if found is not None and (given or found.is_valid) else None

    def _spelled_out(self, value: exp.Expr) -> exp.Expr:
        """A copy with what was computed before written out: it has no value of its own until the query runs."""

        def spell(node: exp.Expr) -> exp.Expr:
            return self.computed[node.name].copy() if isinstance(node, exp.Placeholder) and node.name in self.computed else node

        return value.transform(spell)

    def _evaluate(self, value: exp.Expr) -> pa.Scalar | None:
        if isinstance(value, exp.Literal) and (value.is_string or (value.is_int and len(value.name) < 19)):
            return pa.scalar(value.name if value.is_string else int(value.name))  # a long list has thousands
        found = self.context.evaluate(value, {**self.context.values, **self.constants})
        return found if found is not None and found.is_valid and _bindable(found) else None

    def _remember(self, value: exp.Expr, found: pa.Scalar) -> str:
        """One parameter per distinct value. What hangs on a parameter of the caller's is computed anew at every run."""
        computed = any(p.name not in self.constants for p in value.find_all(exp.Placeholder))
        wanted: object = value if computed else found.as_py()
        place = (str(found.type), type(wanted), wanted)
        if place in self._names:
            return self._names[place]
        number = len(self.constants) + len(self.computed)
        while (name := f"v{number}") in self.params or name in self.context.values:  # a parameter of the caller's may be called so
            number += 1
        self.params[name] = found.type
        self._names[place] = name
        if computed:
            self.computed[name] = value
        else:
            self.constants[name] = wanted
        return name


def _bindable(found: pa.Scalar) -> bool:
    """Whether Python has the value: not 'infinity', nor a date of the year 20000."""
    try:
        found.as_py()
    except (OverflowError, ValueError):
        return False
    return True


def _column_first(atom: exp.Expr) -> exp.Expr:
    """A comparison with its column on the left."""
    mirror = _MIRROR.get(type(atom))
    if mirror is None or atom.this.find(exp.Column) or not atom.expression.find(exp.Column):
        return atom
    return mirror(this=atom.expression.copy(), expression=atom.this.copy())


def _constant_sides(atom: exp.Expr) -> list[exp.Expr]:
    match atom:
        case exp.Is() | exp.Like():
            sides: list[exp.Expr] = []
        case exp.Between():
            sides = [atom.args["low"], atom.args["high"]]
        case exp.In():
            sides = list(atom.expressions)
        case exp.Binary():
            sides = [atom.expression]
        case _:
            sides = []
    return [s for s in sides if not s.find(exp.Column)]
