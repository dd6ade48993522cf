"""One suite for every connector: each claim it makes is run against the live source and compared with DuckDB."""

from __future__ import annotations

import itertools
import math
import random
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import ClassVar

import pyarrow as pa
import pytest
from sqlglot import exp

from connectors.spi import KINDS, Connector, Deadline, Fragment, KeyFilter, OrderBy, Param, Support
from connectors.spi.errors import C360Error, Cancelled, SchemaDrift, SourceError, SourceLogin, SourceTimeout, SourceUnreachable
from connectors.testing.nasty import NASTY, Made, Sample, nasty
from connectors.testing.predicates import SHAPES, Oracle, Question, Values, fetch, questions, random_question

Make = Callable[[Mapping[str, Made]], Connector]
BULK_ROWS = 12_000
PROMPT = 5.0
"""Seconds. Promised is half a second; what a test can tell on a busy machine is that nobody waits for a source that hangs: those of the
tests do so for ever, and time-outs of sources' own are longer than this."""


class ConnectorContract:
    """Subclass it as `TestMySource`, give it `kinds` and a class-scoped fixture `make`, and it is tested.

    `kinds`: the column kinds that `make` can build. A capability rule on any other kind fails the suite: it would be unproven.
    `make`: a fixture returning a function from `{table: {column: Sample}}` to a connector over a live source that holds exactly these
    tables; it is called once. Table names are plain words without a schema; the first column is the primary key.
    `elsewhere`: kinds that only another subclass's source can hold (it proves the rules on them).
    `secret`: a text in the options that must appear in no error, statement or repr ('' if there is none).

    Override where the source differs: `pool(kind)`, the values to put into such a column; `stored(kind, value)`, what the source keeps
    of one; the fixtures `unreachable`, `wrong_login` (connectors that must fail so), `drop_table` (a function that drops a table of the
    made source behind the connector's back) and `stalled` (a connector over the same source, and a function that makes it fall silent).
    A fixture that returns None skips its tests: say why.
    """

    kinds: ClassVar[frozenset[str]]
    secret: ClassVar[str] = ""
    elsewhere: ClassVar[frozenset[str]] = frozenset()

    @classmethod
    def pool(cls, kind: str) -> tuple[object, ...]:
        return NASTY[kind]

    @classmethod
    def stored(cls, kind: str, value: object) -> object:
        return value

    @pytest.fixture(scope="class")
    @classmethod
    def make(cls) -> Make:
        raise NotImplementedError("a contract needs a `make` fixture")

    @pytest.fixture
    def unreachable(self) -> Connector | None:
        return None

    @pytest.fixture
    def wrong_login(self) -> Connector | None:
        return None

    @pytest.fixture(scope="class")
    @classmethod
    def drop_table(cls) -> Callable[[str], None] | None:
        return None

    @pytest.fixture
    def stalled(self, source: Connector) -> tuple[Connector, Callable[[], None]] | None:
        return None

    @classmethod
    def _tables(cls) -> dict[str, Made]:
        tables: dict[str, Made] = {f"nasty_{kind}": nasty(kind, cls.pool(kind)) for kind in sorted(cls.kinds)}
        ids = tuple(range(1, BULK_ROWS + 1))
        tables["bulk"] = {
            "id": Sample("int", ids, False),
            "name": Sample("text", tuple(f"n{i:06d}" for i in ids), False),
            "half": Sample("int", tuple(i // 2 for i in ids)),
        }
        tables["empty"] = {"id": Sample("int", (), False), "name": Sample("text", ())}
        tables["doomed"] = {"id": Sample("int", (1,), False), "name": Sample("text", ("x",))}
        return tables

    @pytest.fixture(scope="class")
    @classmethod
    def source(cls, make: Make) -> Connector:
        return make(cls._tables())

    @pytest.fixture(scope="class")
    @classmethod
    def oracles(cls, source: Connector) -> dict[str, Oracle]:
        return {kind: Oracle(source, source.table(f"nasty_{kind}")) for kind in cls.kinds}

    # -- what it says of itself

    def test_it_is_a_connector(self, source: Connector) -> None:
        assert isinstance(source, Connector)
        assert source.ping(Deadline.after(10))
        assert self.secret not in repr(source) or not self.secret

    def test_tables_are_discovered(self, source: Connector) -> None:
        assert set(self._tables()) <= set(source.tables())
        assert list(source.tables()) == sorted(source.tables())

    def test_columns_are_discovered(self, source: Connector) -> None:
        for name, made in self._tables().items():
            table = source.table(name)
            assert [c.name for c in table.columns] == list(made)
            assert all(c.kind in KINDS for c in table.columns)
            if name not in ("empty", "doomed"):
                assert {c.name: c.kind for c in table.columns} == {n: s.kind for n, s in made.items()}, name

    def test_statistics_are_estimates_or_unknown(self, source: Connector) -> None:
        found = source.statistics("bulk")
        assert found.rows is None or 0.2 * BULK_ROWS <= found.rows <= 5 * BULK_ROWS
        assert all(0 <= share <= 1 for share in found.null_share.values())
        assert found.indexed <= {"id", "name", "half"}

    def test_unknown_table_is_drift(self, source: Connector) -> None:
        with pytest.raises(SchemaDrift, match="nowhere"):
            source.table("nowhere")

    # -- what comes back

    def test_values_come_back_as_they_are(self, source: Connector) -> None:
        for kind in sorted(self.kinds):
            made = self._tables()[f"nasty_{kind}"]
            rows = fetch(source, Fragment(source.name, f"nasty_{kind}", ("id", "v"))).sort_by("id")
            expected = [None if v is None else self.stored(kind, v) for v in made["v"].values]
            assert list(map(_same, rows.column("v").to_pylist())) == list(map(_same, expected)), kind

    def test_empty_results_keep_the_schema(self, source: Connector) -> None:
        assert fetch(source, Fragment(source.name, "empty", ("name", "id"))).num_rows == 0
        no_key = Fragment(source.name, "bulk", ("half", "name"), keys=KeyFilter(("id",), "k"))
        assert fetch(source, no_key, {"k": (pa.array([-5], pa.int64()),)}).num_rows == 0

    def test_columns_come_in_the_order_asked(self, source: Connector) -> None:
        rows = fetch(source, Fragment(source.name, "bulk", ("name", "id")))
        assert rows.column_names == ["name", "id"]
        assert rows.num_rows == BULK_ROWS
        assert all(name == f"n{i:06d}" for name, i in zip(rows["name"].to_pylist(), rows["id"].to_pylist(), strict=True))

    # -- what it claims to understand

    def test_every_rule_is_true(self, source: Connector, oracles: dict[str, Oracle]) -> None:
        wrong: list[str] = []
        for rule in source.capabilities.rules:
            for kind in sorted(rule.kinds):
                if kind in self.elsewhere:
                    continue
                if kind not in self.kinds:
                    wrong.append(f"{rule.shape} on {kind} is claimed, but the suite cannot make such a column: it is unproven")
                    continue
                asked = [q for q in questions(rule.shape, kind, self.pool(kind)) if not _refused_by_vocabulary(q, source, oracles[kind])]
                assert asked, f"no question of shape {rule.shape} on {kind}"
                wrong += oracles[kind].mismatches(asked, source.capabilities, rule.support)
        assert not wrong, f"{len(wrong)} claims do not hold:\n" + "\n".join(wrong[:12])

    def test_what_has_no_rule_stays_local(self, source: Connector, oracles: dict[str, Oracle]) -> None:
        claimed = {(rule.shape, kind) for rule in source.capabilities.rules for kind in rule.kinds}
        for kind, oracle in oracles.items():
            for shape in SHAPES:
                if (shape, kind) in claimed:
                    continue
                for q in questions(shape, kind, self.pool(kind)[:2]):
                    judged = source.capabilities.judge(q.predicate, oracle.columns, q.params)
                    assert judged.support is Support.LOCAL, str(q)
                    assert judged.reason

    def test_what_may_throw_stays_local(self, source: Connector, oracles: dict[str, Oracle]) -> None:
        for text in ("CAST(v AS INT) = 1", "1 / v = 1", "upper(v) = 'A'", "v = 'x' AND error('x')", "v = (SELECT 1)", "v LIKE '\\%'"):
            predicate: exp.Expr = exp.maybe_parse(text, dialect="duckdb")
            for oracle in oracles.values():
                assert source.capabilities.judge(predicate, oracle.columns, {}).support is not Support.EXACT, text

    def test_random_predicates(self, source: Connector, oracles: dict[str, Oracle]) -> None:
        rng = random.Random(360)
        wrong: list[str] = []
        for kind, oracle in sorted(oracles.items()):
            shapes = sorted({r.shape for r in source.capabilities.rules if kind in r.kinds})
            atoms = [q for shape in shapes for q in questions(shape, kind, self.pool(kind))]
            trees = [random_question(rng, atoms) for _ in range(25)] if atoms else []
            wrong += oracle.mismatches(trees, source.capabilities)
        assert not wrong, f"{len(wrong)} wrong answers:\n" + "\n".join(wrong[:12])

    # -- key lists

    def test_key_lists_of_every_kind(self, source: Connector, oracles: dict[str, Oracle]) -> None:
        if not source.capabilities.keys:
            pytest.skip("the source takes no key lists")
        for kind in sorted(source.capabilities.key_kinds & self.kinds):
            oracle = oracles[kind]
            pool = oracle.rows.column("v").combine_chunks().drop_null().unique()
            absent = pa.array(["no such", "'; DROP TABLE bulk; --", "{", '"'], pa.string()) if pa.types.is_string(pool.type) else pool[:0]
            keys = pa.concat_arrays([pool[::2], absent])
            found = fetch(source, Fragment(source.name, f"nasty_{kind}", ("id",), keys=KeyFilter(("v",), "k")), {"k": (keys,)})
            wanted = set(map(_same, keys.to_pylist()))
            rows = zip(oracle.rows["id"].to_pylist(), oracle.rows["v"].to_pylist(), strict=True)
            assert sorted(found["id"].to_pylist()) == sorted(i for i, v in rows if v is not None and _same(v) in wanted), kind

    def test_composite_keys(self, source: Connector) -> None:
        if not source.capabilities.keys:
            pytest.skip("the source takes no key lists")
        halves, names = pa.array([1, 1, 2, 3], pa.int64()), pa.array(["n000002", "n000005", "n000005", "'"], pa.string())
        fragment = Fragment(source.name, "bulk", ("id",), keys=KeyFilter(("half", "name"), "k"))
        assert sorted(fetch(source, fragment, {"k": (halves, names)})["id"].to_pylist()) == [2, 5]

    def test_ten_thousand_keys(self, source: Connector) -> None:
        count = min(10_000, source.capabilities.max_keys)
        for column, keys in (
            ("id", pa.array(range(1, count + 1), pa.int64())),
            ("name", pa.array([f"n{i:06d}" for i in range(1, count + 1)])),
        ):
            fragment = Fragment(source.name, "bulk", ("id",), keys=KeyFilter((column,), "k"))
            assert sorted(fetch(source, fragment, {"k": (keys,)})["id"].to_pylist()) == list(range(1, count + 1))

    def test_keys_and_conjuncts_together(self, source: Connector) -> None:
        asked = Values("int")
        question = asked.ask(exp.EQ(this=exp.column("half", quoted=True), expression=asked.bind(3, pa.int64())))
        table = source.table("bulk")
        judged = source.capabilities.judge(question.predicate, {c.name: c for c in table.columns}, question.params)
        if judged.support is not Support.EXACT or judged.emitted is None:
            pytest.skip("the source does not compare integers")
        params = tuple(Param(n, t) for n, t in question.params.items())
        fragment = Fragment(source.name, "bulk", ("id",), (judged.emitted,), params, keys=KeyFilter(("name",), "k"))
        keys = pa.array(["n000005", "n000006", "n000007"])
        assert sorted(fetch(source, fragment, {**question.values, "k": (keys,)})["id"].to_pylist()) == [6, 7]

    # -- order and limit

    def test_orders_are_duckdbs(self, source: Connector, oracles: dict[str, Oracle]) -> None:
        unproven = source.capabilities.order_kinds - self.kinds - self.elsewhere
        assert not unproven, f"orders claimed on {sorted(unproven)} cannot be proven"
        limits = (None, 7) if source.capabilities.limit else (None,)
        directions = itertools.product((False, True), (False, True), limits)
        for kind, (descending, nulls_first, limit) in itertools.product(sorted(source.capabilities.order_kinds & self.kinds), directions):
            order = (OrderBy("v", descending, nulls_first), OrderBy("id"))
            found = fetch(source, Fragment(source.name, f"nasty_{kind}", ("id",), order=order, limit=limit))
            sql = f"SELECT id FROM t ORDER BY v {'DESC' if descending else 'ASC'} NULLS {'FIRST' if nulls_first else 'LAST'}, id LIMIT $n"
            expected = [i for (i,) in oracles[kind].db.execute(sql, {"n": limit or 10**9}).fetchall()]
            assert found["id"].to_pylist() == expected, (kind, order, limit)

    def test_limits(self, source: Connector) -> None:
        if not source.capabilities.limit:
            pytest.skip("the source takes no limit")
        for limit, rows in ((0, 0), (1, 1), (17, 17), (10**6, BULK_ROWS)):
            assert fetch(source, Fragment(source.name, "bulk", ("id",), limit=limit)).num_rows == rows

    # -- sessions

    def test_many_at_once(self, source: Connector) -> None:
        def ask(n: int) -> list[int]:
            fragment = Fragment(source.name, "bulk", ("id",), keys=KeyFilter(("id",), "k"))
            found = [fetch(source, fragment, {"k": (pa.array([n * 20 + i], pa.int64()),)})["id"].to_pylist() for i in range(1, 11)]
            return [i for ids in found for i in ids]

        with ThreadPoolExecutor(8) as threads:
            assert list(threads.map(ask, range(8))) == [[n * 20 + i for i in range(1, 11)] for n in range(8)]

    def test_a_session_is_closed_twice_and_a_stream_early(self, source: Connector) -> None:
        for snapshot in (False, True):
            session = source.session(Deadline.after(10), snapshot=snapshot)
            stream = session.run(Fragment(source.name, "bulk", ("id",)), {})
            next(iter(stream))
            stream.close()
            stream.close()
            again = session.run(Fragment(source.name, "empty", ("id",)), {})
            assert list(again) == [] or sum(b.num_rows for b in again) == 0
            session.close()
            session.close()
        assert fetch(source, Fragment(source.name, "bulk", ("id",))).num_rows == BULK_ROWS

    def test_a_deadline_in_the_past(self, source: Connector) -> None:
        with pytest.raises(SourceTimeout):
            fetch(source, Fragment(source.name, "bulk", ("id",)), seconds=0)

    def test_cancelled_is_cancelled(self, source: Connector) -> None:
        session = source.session(Deadline.after(10), snapshot=False)
        session.cancel()
        with pytest.raises(Cancelled):
            list(session.run(Fragment(source.name, "bulk", ("id",)), {}))
        session.close()
        assert fetch(source, Fragment(source.name, "bulk", ("id",), limit=None)).num_rows == BULK_ROWS

    # -- failures

    def test_a_missing_column_is_drift(self, source: Connector) -> None:
        with pytest.raises(SchemaDrift, match="ghost"):
            fetch_columns(source, Fragment(source.name, "bulk", ("id", "ghost")))

    def test_a_dropped_table_is_drift(self, source: Connector, drop_table: Callable[[str], None] | None) -> None:
        if drop_table is None:
            pytest.skip("nothing can be dropped here")
        assert source.table("doomed")
        drop_table("doomed")
        with pytest.raises(SchemaDrift, match="doomed"):
            fetch(source, Fragment(source.name, "doomed", ("id", "name")))
        source.forget()
        assert "doomed" not in source.tables()

    def test_unreachable(self, unreachable: Connector | None) -> None:
        self._fails_as(SourceUnreachable, unreachable)

    def test_wrong_login(self, wrong_login: Connector | None) -> None:
        self._fails_as(SourceLogin, wrong_login)

    def _fails_as(self, kind: type[SourceError], connector: Connector | None) -> None:
        if connector is None:
            pytest.skip("cannot happen with this source")
        for ask in (
            lambda: connector.ping(Deadline.after(5)),
            connector.tables,
            lambda: connector.session(Deadline.after(5), snapshot=False),
        ):
            with pytest.raises(kind) as raised:
                ask()
            assert connector.name in str(raised.value)
            assert raised.value.hint
            assert not self.secret or self.secret not in str(raised.value)

    @pytest.mark.parametrize("how", ["deadline", "cancel"])
    def test_a_stalled_stream_is_freed(self, stalled: tuple[Connector, Callable[[], None]] | None, how: str) -> None:
        if stalled is None:
            pytest.skip("no fault proxy in front of this source")
        connector, stall = stalled
        fetch(connector, Fragment(connector.name, "bulk", ("id",), limit=1))  # connect and discover while it answers
        session = connector.session(Deadline.after(0.7 if how == "deadline" else 30), snapshot=False)
        stall()
        started = time.monotonic()
        if how == "cancel":
            threading.Timer(0.7, session.cancel).start()
        with pytest.raises(SourceTimeout if how == "deadline" else Cancelled):
            list(session.run(Fragment(connector.name, "bulk", ("id", "name", "half")), {}))
        assert time.monotonic() - started < PROMPT
        session.close()


def fetch_columns(connector: Connector, fragment: Fragment) -> None:
    """Run a fragment whose columns may not exist."""
    session = connector.session(Deadline.after(10), snapshot=False)
    try:
        list(session.run(fragment, {}))
    finally:
        session.close()


def _refused_by_vocabulary(question: Question, source: Connector, oracle: Oracle) -> bool:
    """Whether the vocabulary itself has no such shape (a value of another family): not the rule's business."""
    judged = source.capabilities.judge(question.predicate, oracle.columns, question.params)
    return judged.reason.startswith("no safe shape")


def _same(value: object) -> object:
    """Values as things that can be compared: NaN equals itself, and -0.0 is 0.0."""
    if isinstance(value, float):
        return "NaN" if math.isnan(value) else value + 0.0
    return value


__all__ = ["C360Error", "ConnectorContract", "Make"]
