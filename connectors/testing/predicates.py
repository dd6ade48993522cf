"""Predicates of every shape, and the check of what a source answers against DuckDB over the same rows."""

from __future__ import annotations

import datetime as dt
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal

import duckdb
import pyarrow as pa
from sqlglot import exp

from connectors.spi import Capabilities, Connector, Deadline, Fragment, Param, Support, Table
from connectors.spi.capabilities import family
from connectors.testing.nasty import VALUE_TYPES

_COMPARISONS: Mapping[str, tuple[type[exp.Expr], ...]] = {
    "=": (exp.EQ,),
    "<>": (exp.NEQ,),
    "<": (exp.LT, exp.LTE, exp.GT, exp.GTE),
    "IS DISTINCT FROM": (exp.NullSafeNEQ, exp.NullSafeEQ),
}
PATTERNS = (
    "",
    "%",
    "_",
    "a%",
    "A%",
    "%c",
    "%b%",
    "a_c",
    "_b_",
    "__",
    "abc",
    "abc %",
    "%\u00e4%",
    "[a]",
    "*",
    "%*%",
    "?",
    "%[%",
    "%]%",
    "i%",
    "%'%",
    "^%",
    "{%",
)
TOGETHER = 40
"""So many questions are answered by one statement of DuckDB's."""
SHAPES = (
    *(f"column {op} {what}" for op in _COMPARISONS for what in ("value", "column")),
    "column IN values", "column IS NULL", "column LIKE pattern", "column", "lower(column) = value",
    "lower(trim(column)) = value",
)  # fmt: skip


@dataclass(frozen=True)
class Question:
    """A predicate with its bound values. `params` gives each value's Arrow type."""

    predicate: exp.Expr
    values: Mapping[str, object] = field(default_factory=dict)
    params: Mapping[str, pa.DataType] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.predicate.sql('duckdb')} with {dict(self.values)!r}"


class Values:
    """Hands out placeholders for values, of every type the kind may meet."""

    def __init__(self, kind: str) -> None:
        self.kind, self.values, self.params = kind, dict[str, object](), dict[str, pa.DataType]()

    def bind(self, value: object, type_: pa.DataType) -> exp.Placeholder:
        name = f"p{len(self.values)}"
        self.values[name], self.params[name] = value, type_
        return exp.Placeholder(this=name)

    def ask(self, predicate: exp.Expr) -> Question:
        return Question(predicate, self.values, self.params)


def candidates(kind: str, pool: tuple[object, ...]) -> list[tuple[object, pa.DataType]]:
    """Every value of the pool, and NULL, in every type it can be exactly written as."""
    pairs: list[tuple[object, pa.DataType]] = []
    for type_ in VALUE_TYPES.get(kind, (pa.string(),)):
        pairs += [(v, type_) for v in (_as(v, type_) for v in pool) if v is not None]
        pairs.append((None, type_))
    return pairs


def _as(value: object, type_: pa.DataType) -> object:
    """The value as a Python object of the Arrow type, or None if it has no exact place there."""
    try:
        match family(type_):
            case "text":
                made: object = value if isinstance(value, str) else str(value)
            case "int":
                made = int(value) if isinstance(value, int | float | Decimal) and int(value) == value else None
            case "decimal":
                made = Decimal(str(value)) if isinstance(value, int | float | Decimal) else None
            case "timestamptz":
                made = value.astimezone(dt.UTC) if isinstance(value, dt.datetime) else None
            case _:
                made = value
        return None if made is None or pa.array([made], type_).null_count else made
    except (ValueError, TypeError, OverflowError, ArithmeticError, pa.ArrowException):
        return None


def questions(shape: str, kind: str, pool: tuple[object, ...], column: str = "v", other: str = "w") -> Iterator[Question]:
    """Predicates of the shape over a column of the kind, with every value of the pool."""
    col: Callable[[], exp.Column] = lambda: exp.column(column, quoted=True)  # noqa: E731
    pairs = candidates(kind, pool)
    if shape == "column":
        yield Question(col())
    elif shape == "column IS NULL":
        yield Question(col().is_(exp.null()))
    elif shape == "column LIKE pattern":
        yield from (Question(exp.Like(this=col(), expression=exp.Literal.string(p))) for p in PATTERNS)
    elif shape in ("lower(column) = value", "lower(trim(column)) = value"):
        trims = "trim" in shape
        inner: Callable[[], exp.Expr] = (lambda: exp.Trim(this=col())) if trims else col
        given = {v.lower() for v, _ in pairs if isinstance(v, str)}
        for lowered in given | {"ABC"} | {v.strip(" ") for v in given if trims}:
            asked = Values(kind)
            yield asked.ask(exp.EQ(this=exp.Lower(this=inner()), expression=asked.bind(lowered, pa.string())))
        asked = Values(kind)
        some = [asked.bind(v, pa.string()) for v in ("abc", "k", "i", None)]
        yield asked.ask(exp.In(this=exp.Lower(this=inner()), expressions=some))
    elif shape == "column IN values":
        for size in (1, 2, 5):
            for start in range(0, len(pairs), 3):
                asked = Values(kind)
                yield asked.ask(exp.In(this=col(), expressions=[asked.bind(*p) for p in pairs[start : start + size]]))
    elif shape.endswith(" column"):
        for node in _COMPARISONS[shape.removeprefix("column ").removesuffix(" column")]:
            yield Question(node(this=col(), expression=exp.column(other, quoted=True)))
    else:
        for node in _COMPARISONS[shape.removeprefix("column ").removesuffix(" value")]:
            for value, type_ in pairs:
                asked = Values(kind)
                yield asked.ask(node(this=col(), expression=asked.bind(value, type_)))
        if shape == "column < value":
            for (low, low_type), (high, high_type) in zip(pairs, pairs[5:] + pairs[:5], strict=True):
                asked = Values(kind)
                yield asked.ask(exp.Between(this=col(), low=asked.bind(low, low_type), high=asked.bind(high, high_type)))


def fetch(connector: Connector, fragment: Fragment, values: Mapping[str, object] | None = None, *, seconds: float = 30) -> pa.Table:
    """Run one fragment in a session of its own, all of it. Fails if a batch's schema is not the declared one, or if the fragment is
    another afterwards: plans are kept, and run by many threads."""
    session, written = connector.session(Deadline.after(seconds), snapshot=False), [str(c) for c in fragment.conjuncts]
    try:
        stream = session.run(fragment, values or {})
        batches = list(stream)
        declared = connector.table(fragment.table).arrow_schema(fragment.columns)
        assert stream.schema.equals(declared), f"declared {declared}, streamed {stream.schema}"
        assert all(b.schema.equals(declared) for b in batches), "a batch of another schema than the stream"
        assert [str(c) for c in fragment.conjuncts] == written, "running a fragment changed its conjuncts"
        return pa.Table.from_batches(batches, declared)
    finally:
        session.close()


class Oracle:
    """DuckDB over all rows of a table, fetched once without a predicate: the truth that a source's answers are compared with."""

    def __init__(self, connector: Connector, table: Table) -> None:
        self.connector, self.table = connector, table
        self.columns = {c.name: c for c in table.columns}
        self.rows = fetch(connector, Fragment(connector.name, table.name, tuple(self.columns)))
        self.db = duckdb.connect(config={"threads": 1})
        self.db.execute("SET TimeZone = 'UTC'")
        self.db.register("rows", self.rows)
        self.db.execute("CREATE TABLE t AS FROM rows")  # not the Arrow scan: its pushed filters differ (`v <= NaN` keeps NULLs, 1.5.5)

    def ids(self, asked: Sequence[Question]) -> list[set[int]]:
        """The rows DuckDB keeps for each: one statement for all of them, since a small one costs little but being sent."""
        selects = [f"SELECT {n} AS question, id FROM t WHERE {_written(question, f'q{n}_')}" for n, question in enumerate(asked)]
        values = {f"q{n}_{name}": value for n, question in enumerate(asked) for name, value in question.values.items()}
        kept: list[set[int]] = [set() for _ in asked]
        for n, id_ in self.db.execute(" UNION ALL ".join(selects), values or None).fetchall():
            kept[n].add(id_)
        return kept

    def asked(self, question: Question, emitted: exp.Expr) -> set[int]:
        """The rows the source keeps."""
        params = tuple(Param(n, t) for n, t in question.params.items())
        fragment = Fragment(self.connector.name, self.table.name, ("id",), (emitted,), params)
        return set(fetch(self.connector, fragment, question.values).column("id").to_pylist())

    def mismatches(self, asked: Sequence[Question], capabilities: Capabilities, promised: Support | None = None) -> list[str]:
        """What is wrong with the source's answers. A question that stays local has none."""
        wrong: list[str] = []
        pushed: list[tuple[Question, exp.Expr, Support]] = []
        for question in asked:
            judged = capabilities.judge(question.predicate, self.columns, question.params)
            if promised is not None and judged.support is not promised:
                wrong.append(f"{question}: the rule says {promised}, judged {judged.support} ({judged.reason})")
            elif judged.emitted is not None:
                pushed.append((question, judged.emitted, judged.support))
        for start in range(0, len(pushed), TOGETHER):
            wrong += self._compared(pushed[start : start + TOGETHER])
        return wrong

    def _compared(self, pushed: Sequence[tuple[Question, exp.Expr, Support]]) -> list[str]:
        try:
            kept = self.ids([question for question, _, _ in pushed])
        except duckdb.Error as error:
            if len(pushed) == 1:
                return [f"{pushed[0][0]}: may be pushed but throws in DuckDB: {error}"]
            return [message for one in pushed for message in self._compared([one])]
        wrong = []
        for (question, emitted, support), here in zip(pushed, kept, strict=True):
            there = self.asked(question, emitted)
            if there != here if support is Support.EXACT else here - there:
                wrong.append(f"{question}: {support}, but {sorted(there)} at the source and {sorted(here)} in DuckDB")
        return wrong


def _written(question: Question, prefix: str) -> str:
    """The predicate as DuckDB reads it, its placeholders typed and named apart from those of others by the prefix."""

    def typed(node: exp.Expr) -> exp.Expr:
        if not isinstance(node, exp.Placeholder):
            return node
        return _typed(exp.Placeholder(this=prefix + node.name), question.params[node.name])

    return question.predicate.transform(typed).sql("duckdb")


def _typed(placeholder: exp.Placeholder, type_: pa.DataType) -> exp.Expr:
    """A placeholder cast to its declared type, so that DuckDB does not guess from the Python value."""
    names = {
        "int": "BIGINT",
        "double": "DOUBLE",
        "text": "VARCHAR",
        "bool": "BOOLEAN",
        "date": "DATE",
        "timestamp": "TIMESTAMP",
        "timestamptz": "TIMESTAMPTZ",
    }
    name = f"DECIMAL({type_.precision}, {type_.scale})" if pa.types.is_decimal(type_) else names[family(type_)]
    return exp.cast(placeholder, name, dialect="duckdb")


def random_question(rng: random.Random, atoms: list[Question], depth: int = 3) -> Question:
    """A tree of AND, OR and NOT over some of the given questions."""
    if depth == 0 or rng.random() < 0.25:
        return rng.choice(atoms)
    if rng.random() < 0.3:
        inner = random_question(rng, atoms, depth - 1)
        return Question(exp.not_(exp.paren(inner.predicate.copy())), inner.values, inner.params)
    left, right = random_question(rng, atoms, depth - 1), random_question(rng, atoms, depth - 1)
    renamed = {name: f"r{depth}_{name}" for name in right.values}
    moved = right.predicate.transform(lambda n: exp.Placeholder(this=renamed[n.name]) if isinstance(n, exp.Placeholder) else n)
    node = rng.choice((exp.And, exp.Or))
    return Question(
        node(this=exp.paren(left.predicate.copy()), expression=exp.paren(moved)),
        {**left.values, **{renamed[n]: v for n, v in right.values.items()}},
        {**left.params, **{renamed[n]: t for n, t in right.params.items()}},
    )
