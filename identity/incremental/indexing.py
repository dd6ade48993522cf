"""Leaving an index behind a whole resolve (see identity.incremental.record_index)."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import groupby

import duckdb
import numpy as np

from identity.clustering import Ints, components
from identity.engines import Engines
from identity.exact_rules import CAP
from identity.incremental.keyrows import KeyRows, KeyRule, chains, key_rows
from identity.incremental.record_index import IndexWriter, key_sum
from identity.keyed import UInts, keyed, probe
from identity.model import MatchKey, MatchRule, RecordSet
from identity.probabilistic.blocking import DESCRIBED as BLOCKING
from identity.stewardship.binding import Bound
from identity.stewardship.decisions import Decision
from identity.versions.publishing import table_name
from identity.watermark import stored_marks

JOINING = 128
"""Exact rules and identifiers are numbered from here on, blocking rules from 0."""
_LAYOUT = "keys in order, mapped, sealed; evidence of rules has a factor for each; a name of one word is a given name"
Rules = Mapping[str, tuple[MatchRule, ...]]
Identifiers = Mapping[str, Mapping[str, MatchKey]]


def group_name(entity: str, space: str) -> str:
    """What the tables of an (entity, space) are called in an index."""
    return table_name("g", entity, space)


def expected(records: Sequence[RecordSet], rules: Rules, identifiers: Identifiers, engines: Engines) -> dict[str, str]:
    """What an index has to agree with to be built upon."""
    ordered = sorted(records, key=lambda r: r.place)
    groups = [key for key, _ in groupby(ordered, key=lambda r: (r.entity, r.space))]
    linking = (sorted(rules.items()), sorted((e, sorted(i.items())) for e, i in identifiers.items()), engines.cap)
    told = {
        "set of match rules": repr((*linking, "none by nobody's values") if engines.models and any(rules.values()) else linking),
        "set of sources that hold each person once": repr(sorted(engines.once.items())),
        "limit on values of one person": repr(sorted(engines.at_most.items())),
        "set of sources": repr([(*r.place, r.key, r.attributes) for r in ordered]),
        "model": repr([engines.fingerprint(*group) for group in groups]),
        "set of blocking rules": BLOCKING,
        "layout of the index": _LAYOUT,
        "way to hash": str(probe(engines.secret)),
    }
    return {name: hashlib.sha256(text.encode()).hexdigest() for name, text in told.items()}


def joining_rules(
    table: str, rules: Sequence[MatchRule], identifiers: Mapping[str, MatchKey], columns: Mapping[MatchKey, str], cap: int
) -> tuple[KeyRule, ...]:
    """Exact rules, and stored identifiers, as ways in which records belong together."""
    ways = [(f"exact {rule.name}", tuple(columns[part] for part in rule.parts)) for rule in rules]
    ways += [(f"identifier {name}", (columns[key],)) for name, key in identifiers.items()]
    return tuple(KeyRule(name, table, parts, parts, cap, joins=True) for name, parts in ways)


def exact_cap(engines: Engines, entity: str) -> int:
    """The most records that a value of an exact rule links."""
    return CAP if entity in engines.models else engines.cap


def together(one: KeyRows, other: KeyRows) -> KeyRows:
    """All rows; those of the other are of joining rules."""
    return KeyRows(
        np.concatenate([one.rule, other.rule + np.uint8(JOINING)]).astype(np.uint8),
        *(np.concatenate([getattr(one, name), getattr(other, name)]) for name in ("key", "rec", "meets")),
    )


def no_rows() -> KeyRows:
    return KeyRows(np.empty(0, np.uint8), np.empty(0, np.uint64), np.empty(0, np.int64), np.empty(0, np.bool_))


def parts_of(count: int, rows: KeyRows, hopeful: tuple[Ints, Ints], bound: Bound) -> Ints:
    """For each record the smallest that it is connected with: by evidence, by an exact rule, by an identifier, by a decision."""
    joined = rows.where((rows.rule >= JOINING) & rows.meets)
    left, right = chains(joined.key, joined.rec)
    pairs = [(left, right), hopeful, *((p[:, 0], p[:, 1]) for p in (bound.must, bound.cannot))]
    return components(count, *(np.concatenate([pair[side] for pair in pairs]) for side in (0, 1)))


def row_hashes(con: duckdb.DuckDBPyConnection, table: str, columns: Sequence[str], secret: bytes) -> tuple[Ints, UInts]:
    """(rec, keyed hash of the normal forms) of each record of a table, in order."""
    found = con.execute(f"SELECT rec, hash({', '.join(columns) or '1'}) AS h FROM {table} ORDER BY rec").fetchnumpy()
    return np.asarray(found["rec"], np.int64), keyed(np.asarray(found["h"], np.uint64), secret, "row")


def digests(decisions: Sequence[Decision]) -> str:
    """The decisions that hold, as an index names them."""
    return json.dumps(sorted(d.id for d in decisions))


def watermarks(records: Sequence[RecordSet]) -> str:
    """How far each source was read, as an index keeps it."""
    return json.dumps(stored_marks([(table_name("link", *r.place), r.watermark) for r in records]))


def resumed(records: Sequence[RecordSet], kept: str) -> list[RecordSet]:
    """The record sets, reading on from where the index says that they were read to."""
    marks = json.loads(kept)
    return [
        replace(r, changed=r.watermark.resume(marks.get(table_name("link", *r.place)))) if r.watermark is not None else r for r in records
    ]


class Indexing:
    """The index of a whole resolve under way."""

    def __init__(self, writer: IndexWriter, engines: Engines, decisions: str) -> None:
        self.writer, self.engines, self.decisions = writer, engines, decisions
        self.firsts: dict[str, int] = {}

    def add(
        self,
        entity: str,
        space: str,
        table: str,
        columns: Mapping[MatchKey, str],
        rules: Sequence[MatchRule],
        identifiers: Mapping[str, MatchKey],
        bound: Bound,
        firsts: Mapping[str, int],
    ) -> None:
        """One (entity, space), after it was matched; `firsts` are the first recs of its link tables."""
        con, secret, engine = self.writer.con, self.engines.secret, self.engines.last
        joining = joining_rules(table, rules, identifiers, columns, exact_cap(self.engines, entity))
        rows = together((engine.rows if engine else None) or no_rows(), key_rows(con, joining, secret))
        recs, hashes = row_hashes(con, table, list(columns.values()), secret)
        hopeful = engine.hopeful if engine else (np.empty(0, np.int64), np.empty(0, np.int64))
        group = group_name(entity, space)
        self.writer.create(group)
        self.writer.add(group, rows, recs, hashes, parts_of(len(recs), rows, hopeful, bound))
        self.firsts |= firsts

    def close(self, agreed: Mapping[str, str], records: Sequence[RecordSet]) -> None:
        """`agreed` is what `expected` says of the `records`."""
        keys = {table_name("link", *r.place): ", ".join(f"k{i}" for i in range(len(r.key))) for r in records}
        sums = {link: key_sum(self.writer.con, columns, f"new.{link}") for link, columns in keys.items()}
        meta = {**agreed, "firsts": json.dumps(self.firsts), "decisions": self.decisions, "base": "", "watermarks": watermarks(records)}
        self.writer.close(meta | {"keys": json.dumps(sums)})
