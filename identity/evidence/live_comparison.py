"""Two records held against each other now: read from their sources, compared by the frozen model as a resolve would, and forgotten."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import duckdb
import numpy as np
import pyarrow as pa

from identity.engines import Engines
from identity.evidence.document import Document
from identity.evidence.waterfall import Unmet, Waterfall, score, waterfall
from identity.keyed import keyed_hash
from identity.loading import load_all
from identity.matching import Records
from identity.model import MatchRule, RecordSet
from identity.probabilistic.blocking import BlockingRule, rule_size, rules_for
from identity.probabilistic.compare import levels
from identity.probabilistic.comparisons import factors_for
from identity.probabilistic.engine import Probabilistic
from identity.probabilistic.model import Trained, described
from identity.probabilistic.nicknames import create_nicknames
from identity.probabilistic.persons import Persons
from identity.probabilistic.prepare import TABLE
from identity.resolve import quiet
from identity.scratch import registered, scratch

MEMORY_LIMIT = "256MiB"
EVERY_PAIR = "every pair"
"""The blocking rule of few records: all are compared with all."""

_WORDS = {
    "given": "given name", "given1": "given name", "family": "family name", "dob": "birth date", "email": "e-mail", "local": "e-mail",
    "house": "house number", "org": "organisation",
}  # fmt: skip
"""What prepared columns are called where their name is not the word."""


def compare_live(
    sets: Sequence[RecordSet], document: Document, rules: Sequence[MatchRule], engines: Engines, entity: str, space: str
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
        records = Records.of(con, loaded, columns)
        unmet = [_rule_unmet(con, rule, records, document, engines.secret) for rule in rules]
        settings, trained = engines.settings(entity), engines.frozen(entity, space)
        if settings is None or trained is None:
            return None, (), tuple(u for u in unmet if u)
        engine = Probabilistic(replace(settings, trained=trained), engines.secret)
        nobodys = set(engine.unlinked(records, rules).column("rule").to_pylist())
        unmet = [u or (Unmet(r.name, (), (), nobodys=True) if r.name in nobodys else None) for r, u in zip(rules, unmet, strict=True)]
        create_nicknames(con)
        people = engine.people(records)
        size = rule_size(document.records, trained.records)
        blocking = rules_for(engine.columns, size) if document.blocking != (EVERY_PAIR,) else ()
        with registered(con, TABLE, people.table.append_column("rec", pa.array([0, 1]))):
            asked = {rule.name: _blocking_unmet(con, rule) for rule in blocking}
        proposed = tuple(name for name, lacks in asked.items() if lacks is None) if blocking else (EVERY_PAIR,)
        found = _scored(con, people, engine.columns, document, trained)
        return found, proposed, tuple(u for u in (*unmet, *asked.values()) if u)


def _scored(
    con: duckdb.DuckDBPyConnection, people: Persons, columns: Sequence[str], document: Document, trained: Trained
) -> Waterfall | None:
    several = any(factor.name == "source" for factor in document.factors)
    factors = factors_for(columns, 2 if several else 1)
    if not trained.fits(factors) or described(factors) != tuple((f.name, f.levels) for f in document.factors):
        return None
    pattern = levels(con, people, factors, np.array([0]), np.array([1]))
    found = list(map(int, pattern[0]))
    return waterfall(document, found, score(document, found))


def _blocking_unmet(con: duckdb.DuckDBPyConnection, rule: BlockingRule) -> Unmet | None:
    """What kept a blocking rule from having the two records compared: which of its columns; None if it would have."""
    columns, rows = sorted(rule.columns), rule.rows(TABLE)
    lack = [c for c in columns if con.execute(f"SELECT count(DISTINCT rec) < 2 FROM {rows} WHERE {c} IS NOT NULL").fetchall()[0][0]]
    if lack:
        return Unmet(rule.name, (), _words(lack))
    differ = [part for part in rule.parts if not _in_common(con, rows, part)]
    named = [column for column in columns if any(column in part for part in differ)]
    return Unmet(rule.name, _words(named or columns), ()) if differ else None


def _words(columns: Sequence[str]) -> tuple[str, ...]:
    """What the prepared columns are of, each once."""
    return tuple(dict.fromkeys(_WORDS.get(column, column) for column in columns))


def _in_common(con: duckdb.DuckDBPyConnection, rows: str, part: str) -> bool:
    query = f"SELECT 1 FROM {rows} WHERE {part} IS NOT NULL GROUP BY {part} HAVING count(DISTINCT rec) = 2"
    return bool(con.execute(query).fetchall())


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
