"""Two records held against each other now: read from their sources, compared as a resolve would, and forgotten.

How common a value is, is not known of two records alone. Where they agree in a name, a place or a text, its level is taken for a value
of usual frequency, and it is told between what the odds lie if each is anything from very rare to very common.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product

import duckdb
import numpy as np
import pyarrow as pa

from identity.engines import Engines
from identity.evidence import Document
from identity.loading import RECORD, load_all
from identity.matching import Records, keyed_hash
from identity.model import MatchRule, RecordSet
from identity.probabilistic.blocking import rules_for
from identity.probabilistic.compare import levels
from identity.probabilistic.comparisons import factors_for
from identity.probabilistic.engine import Probabilistic
from identity.probabilistic.factors import Factor
from identity.probabilistic.model import described
from identity.probabilistic.persons import Persons, persons, share_of
from identity.probabilistic.prepare import TABLE
from identity.resolve import quiet
from identity.scratch import scratch
from identity.waterfall import Unmet, Waterfall, score, waterfall, with_range

SHARES = (-6.0, -3.0, -1.0)
"""log10 of the share of records that have a value: very rare, usual, very common."""
MEMORY_LIMIT = "256MiB"
EVERY_PAIR = "every pair"
"""The blocking rule of few records: all are compared with all."""


def compare_live(
    sets: Sequence[RecordSet], document: Document, rules: Sequence[MatchRule], engines: Engines, entity: str
) -> tuple[Waterfall | None, tuple[str, ...], tuple[Unmet, ...]] | None:
    """Read and compare the two records that `sets` (one or two) consist of; None if one of them is not there any more.

    Returns what the model makes of them (None if there is no model, or it compares other attributes now); the blocking rules that have
    them compared; and for each rule that does not, or does not link them, what it lacks. Raises what the sources raise.
    """
    with scratch(MEMORY_LIMIT, 1) as con:
        wanted = engines.needs(rules, entity)
        columns = {key: f"n{i}" for i, key in enumerate(wanted)}
        loaded = load_all(con, sets, columns, quiet)
        if sum(one.count for one in loaded) != 2:
            return None
        records = Records(con, RECORD, 2, columns, sources=tuple((one.records.source, one.first) for one in loaded))
        unmet = [_rule_unmet(con, rule, records, document, engines.secret) for rule in rules]
        settings = engines.settings(entity)
        if settings is None:
            return None, (), tuple(u for u in unmet if u)
        engine = Probabilistic(settings, engines.secret)
        prepared = engine._prepare(records)
        _remove_known_generic(con, prepared, document, engines.secret)
        blocking = rules_for(prepared, document.records) if document.blocking != (EVERY_PAIR,) else ()
        asked = {rule.name: _blocking_unmet(con, rule.name, rule.parts, sorted(rule.columns)) for rule in blocking}
        proposed = tuple(name for name, lacks in asked.items() if lacks is None) if blocking else (EVERY_PAIR,)
        return _scored(con, prepared, document), proposed, tuple(u for u in (*unmet, *asked.values()) if u)


def _scored(con: duckdb.DuckDBPyConnection, columns: Sequence[str], document: Document) -> Waterfall | None:
    several = any(factor.name == "source" for factor in document.factors)
    factors = factors_for(columns, 2 if several else 1)
    if described(factors) != tuple((f.name, f.levels) for f in document.factors):
        return None
    patterns = _patterns(con, columns, factors)
    odds = [score(document, pattern) for pattern in patterns]
    usual = len(patterns) // 2
    found = waterfall(document, patterns[usual], odds[usual])
    return found if max(odds) - min(odds) < 0.05 else with_range(found, min(odds), max(odds))


def _patterns(con: duckdb.DuckDBPyConnection, columns: Sequence[str], factors: Sequence[Factor]) -> list[list[int]]:
    """The levels of the two records for all combinations of SHARES; the usual ones are in the middle."""
    both = persons(con, columns).table
    weighed = [column for column in filter(None, map(share_of, columns)) if column in both.column_names]
    shares = list(product(SHARES, repeat=len(weighed)))
    rows = both.take(pa.array([0, 1] * len(shares)))
    for i, column in enumerate(weighed):
        values = pa.array([share[i] for share in shares for _ in range(2)], pa.float32())
        rows = rows.set_column(rows.column_names.index(column), column, values)
    first = np.arange(len(shares)) * 2
    return [list(map(int, pattern)) for pattern in levels(con, Persons(rows), factors, first, first + 1)]


def _remove_known_generic(con: duckdb.DuckDBPyConnection, columns: Sequence[str], document: Document, secret: bytes) -> None:
    """Values that the resolve found to be nobody's are nobody's here too."""
    known = {generic.keyed_hash for generic in document.model.generic} if document.model else set()
    for column in (c for c in columns if known and (c in ("dob", "email", "phone") or c.startswith("id_"))):
        parts = [column, "local", "residue"] if column == "email" else [column]
        for (value,) in con.execute(f"SELECT DISTINCT {column} FROM {TABLE} WHERE {column} IS NOT NULL").fetchall():
            if keyed_hash(secret, column, [str(value)]) in known:
                con.execute(f"UPDATE {TABLE} SET {', '.join(f'{part} = NULL' for part in parts)} WHERE {column} = ?", [value])


def _blocking_unmet(con: duckdb.DuckDBPyConnection, name: str, parts: Sequence[str], columns: Sequence[str]) -> Unmet | None:
    """What kept a blocking rule from having the two records compared: which of its columns; None if it would have."""
    lack = [c for c in columns if con.execute(f"SELECT bool_or({c} IS NULL) FROM {TABLE}").fetchall()[0][0]]
    if lack:
        return Unmet(name, (), tuple(lack))
    differ = [part for part in parts if con.execute(f"SELECT count(DISTINCT {part}) FROM {TABLE}").fetchall()[0][0] != 1]
    named = [column for column in columns if any(column in part for part in differ)]
    return Unmet(name, tuple(named or columns), ()) if differ else None


def _rule_unmet(con: duckdb.DuckDBPyConnection, rule: MatchRule, records: Records, document: Document, secret: bytes) -> Unmet | None:
    """The same for an exact rule; a value that too many records share links nobody."""
    both = [con.execute(f"SELECT {records.columns[part]} FROM {records.table} ORDER BY rec").fetchall() for part in rule.parts]
    lack = [part.attribute for part, ((one,), (other,)) in zip(rule.parts, both, strict=True) if one is None or other is None]
    differ = [
        part.attribute for part, ((one,), (other,)) in zip(rule.parts, both, strict=True) if None not in (one, other) and one != other
    ]
    if lack or differ:
        return Unmet(rule.name, tuple(differ), tuple(lack))
    shown = keyed_hash(secret, rule.name, [str(one) for ((one,), _) in both])
    crowd = next((s.records for s in document.shared if s.rule == rule.name and s.keyed_hash == shown), None)
    return Unmet(rule.name, (), (), crowd) if crowd else None
