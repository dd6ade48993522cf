"""Which pairs of records are worth comparing: those that agree on all parts of some rule, in blocks of bounded size.

A block over the cap is cut by a further column, again and again; what is still too large is left out, and reported. One value can
therefore never make a run quadratic.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import duckdb
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from identity.clustering import Ints, runs
from identity.probabilistic.several import each_value, least, several_of, values_of
from identity.scratch import registered, worker_pool

CAP = 100
"""The most records in one block."""

_SKELETON = "left({0}, 1) || REGEXP_REPLACE(TRANSLATE({0}[2:], 'cqzvdgj', 'kksftkk'), '[aeiouyhw]', '', 'g')"
_FLAT = "coalesce(unit, '')"
_DOUBLE = ("double_name",)
"""In place of `several`: each of the words of a family name."""
_ORDERED = ("least(given, family)", "greatest(given, family)")


@dataclass(frozen=True, slots=True)
class BlockingRule:
    """Records that agree on every expression of `parts` are compared. `columns` are those the parts need; of those of which a record has
    several values (`several` columns hold them), any will do.

    A rule with a `cap` of its own leaves larger blocks out without cutting them further: a name says enough where it is rare.
    """

    name: str
    parts: tuple[str, ...]
    columns: frozenset[str]
    cap: int | None = None
    several: tuple[str, ...] = ()

    def rows(self, table: str) -> str:
        """`table` with a row for each value that may agree."""
        if self.several == _DOUBLE:
            return f"(SELECT * REPLACE (unnest(coalesce(string_split(trim(double_name), ' '), [family])) AS family) FROM {table})"
        return each_value(table, self.several, self.columns)


@dataclass(frozen=True, slots=True)
class Proposed:
    """What one rule did: pairs it proposed, pairs no other rule proposed, blocks over the cap, records left out for that; of what is
    left out the largest blocks, each as a number that stands for its values, and its records."""

    rule: str
    pairs: int
    alone: int
    oversize_blocks: int
    left_out: int
    largest: tuple[tuple[int, int], ...] = ()


@dataclass(frozen=True, slots=True)
class Candidates:
    """Pairs of records (`left` < `right`, ordered, distinct), and for each the rules that proposed it, as bits of `rules`."""

    left: Ints
    right: Ints
    rules: npt.NDArray[np.uint64]
    yields: tuple[Proposed, ...]


_RULES: tuple[tuple[str, tuple[str, ...], str], ...] = (
    ("email", ("email",), "email"),
    ("phone", ("right(phone, 8)",), "phone"),  # with or without country, every country's longest numbers agree in as many digits
    ("family name, birth date", ("family", "dob"), "family dob"),
    ("given name, birth date", ("given1", "dob"), "given1 dob"),
    ("beginning of name, city", ("left(given, 2)", "left(family, 3)", "city"), "given family city"),
    ("beginning of name, postcode", ("left(given, 3)", "left(family, 4)", "left(postcode, 3)"), "given family postcode -city"),
    ("street, house, postcode", ("street", "house", _FLAT, "postcode"), "street house postcode"),
    ("street, house, city", ("street", "house", _FLAT, "city"), "street house city"),
    ("family name, house, beginning of street", ("family", "house", "left(street, 3)"), "family house street"),
    ("organisation", ("org",), "org"),
    ("organisation, postcode", ("left(org, 5)", "postcode"), "org postcode"),
)
"""Name, what must agree, and the columns that this needs; a rule is left out where a column marked "-" makes it superfluous."""

_NAME = BlockingRule("name", _ORDERED, frozenset(("given", "family")), cap=12)
# Rules for what typing mistakes leave whole. They propose many pairs for a few matches, the more so the more records there are.
_WEAK_RULES: tuple[tuple[str, tuple[str, ...], str], ...] = (
    ("e-mail name, initial", ("CASE WHEN LENGTH(local) > 4 THEN local END", "left(given, 1)"), "local given"),
    ("initials, birth date", ("left(given, 1)", "left(family, 1)", "dob"), "given family dob"),
    ("name, birth year", (*_ORDERED, "dob[1:4]"), "given family dob"),
    ("name, city", (*_ORDERED, "city"), "given family city"),
    ("name, postcode", (*_ORDERED, "postcode"), "given family postcode"),
    ("beginning of name, postcode, with city", ("left(given, 3)", "left(family, 4)", "left(postcode, 3)"), "given family postcode city"),
    ("birth date, city", ("dob", "city"), "dob city"),
    ("birth date, postcode", ("dob", "postcode"), "dob postcode"),
    ("birth date", ("dob",), "dob"),
    ("street, house", ("street", "house", _FLAT), "street house"),
    ("street, given name", ("street", "given1"), "street given1"),
    ("street, family name", ("street", "family"), "street family"),
    ("initial of e-mail, birthday", ("left(email, 1)", "dob[5:8]"), "email dob"),
    ("given name, city", ("given1", "city"), "given1 city"),
    ("family name, city", ("family", "city"), "family city"),
    ("given name, postcode", ("given1", "postcode"), "given1 postcode"),
    ("family name, postcode", ("family", "postcode"), "family postcode"),
    ("given name, birthday", ("given1", "dob[5:8]"), "given1 dob"),
    ("family name, birthday", ("family", "dob[5:8]"), "family dob"),
    ("family name, birth month", ("family", "dob[1:6]"), "family dob"),
    ("given name, birth month", ("given1", "dob[1:6]"), "given1 dob"),
    ("city, birth month", ("city", "dob[1:6]"), "city dob"),
    ("initial, sound, birthday", ("left(given, 1)", _SKELETON.format("family"), "dob[5:8]"), "given family dob"),
    ("family name, initial", ("family", "left(given, 1)"), "family given"),
    ("given name, initial of family name", ("given1", "left(family, 1)"), "given1 family"),
    ("given name, end of family name", ("given1", "right(family, 3)"), "given1 family"),
    ("family name, end of given name", ("family", "right(given, 3)"), "family given"),
    ("initials, postcode", ("left(given, 1)", "left(family, 1)", "postcode"), "given family postcode"),
    ("sound of name", (_SKELETON.format("given"), _SKELETON.format("family")), "given family"),
)
_PART_OF_NAME = BlockingRule("given name, part of family name", ("given1", "family"), frozenset(("given1", "family")), several=_DOUBLE)
RULE_BITS = 6
"""Bits for the number of a rule beside that of a pair."""
WEAK_UP_TO = 100_000
"""Weak rules are used up to this many records."""
MOST_TEXTS = 10
"""So many columns of unknown kind have a rule of their own: who agrees on a rare value is compared."""
REPORTED_BLOCKS = 10
"""The most blocks of one rule that are told one by one."""
ALL_UP_TO = 1_500
"""Up to this many records every pair is compared."""

DESCRIBED = repr(
    (_RULES, _WEAK_RULES, *((r.name, r.parts, sorted(r.columns), r.cap, r.several) for r in (_NAME, _PART_OF_NAME)), MOST_TEXTS)
)
"""What an index was made by: under other rules records meet by other keys. Sets are in order, for another process has them in another."""
REFINEMENTS = ("dob", "given1", "family", "postcode", "city", "email", "phone", "street")


def rules_for(columns: Sequence[str], count: int) -> tuple[BlockingRule, ...]:
    """The rules whose columns are there, for a table of `count` records (see `rule_size`)."""
    own = [(name, (name,), name) for name in columns if name.startswith("id_")]
    weak = _WEAK_RULES if count <= WEAK_UP_TO else ()
    texts = [column for column in columns if column.startswith("text_")][:MOST_TEXTS] if weak else []
    have = {*columns, *(f"-{column}" for column in REFINEMENTS if column not in columns)}
    needed = [(name, parts, set(needs.split())) for name, parts, needs in (*own, *_RULES, *weak)]
    rules = (
        BlockingRule(name, parts, frozenset(column for column in needs if not column.startswith("-")))
        for name, parts, needs in needed
        if needs <= have
    )
    rare = [BlockingRule(column, (column,), frozenset((column,)), _NAME.cap) for column in texts]
    found = [replace(rule, several=several_of(rule.columns, columns)) for rule in (*rules, *rare, _NAME) if rule.columns <= have]
    return (*found, _PART_OF_NAME) if weak and {*_PART_OF_NAME.columns, *_DOUBLE} <= have else tuple(found)


def refinements(rule: BlockingRule, columns: Sequence[str]) -> tuple[str, ...]:
    """What cuts a rule's larger blocks; of several values the least, so that their order does not count."""
    if rule.cap is not None:
        return ()
    return tuple(least(values_of(column, columns)) for column in REFINEMENTS if column in columns and column not in rule.columns)


def rule_size(count: int, trained_on: int | None = None) -> int:
    """The number of records by which rules are chosen: that of training, as long as there are no more than twice as many as it bears.

    Rules are part of a model: which pairs are compared must not change because a record came.
    """
    if trained_on is None:
        return count
    return count if any(trained_on <= bound and count > 2 * bound for bound in (ALL_UP_TO, WEAK_UP_TO)) else trained_on


def candidates(
    con: duckdb.DuckDBPyConnection, table: str, columns: Sequence[str], count: int, cap: int = CAP, size: int | None = None
) -> Candidates:
    """Every pair that some rule proposes. `table` has rec (0 … count-1) and `columns`. `size` is what `rule_size` says (default: count)."""
    size = count if size is None else size
    if size <= ALL_UP_TO:
        return every_pair(count)
    rules = rules_for(columns, size)

    def propose(rule: BlockingRule) -> tuple[Ints, int, npt.NDArray[np.uint64]]:
        with con.cursor() as own:
            return _pairs(own, table, rule, refinements(rule, columns), rule.cap or cap, count)

    with worker_pool(con, len(rules)) as pool:
        proposed = list(pool.map(propose, rules))
    codes, agreed = _merged([codes for codes, _, _ in proposed])
    single = (agreed & (agreed - np.uint64(1))) == 0
    yields = [
        Proposed(rule.name, len(of), int((single & (agreed == 1 << i)).sum()), oversize, len(left), _largest(left))
        for i, (rule, (of, oversize, left)) in enumerate(zip(rules, proposed, strict=True))
    ]
    return Candidates(codes // max(count, 1), codes % max(count, 1), agreed, tuple(yields))


def every_pair(count: int) -> Candidates:
    """All pairs of so many records."""
    left, right = (side.astype(np.int64) for side in np.triu_indices(count, 1))
    return Candidates(left, right, np.ones(len(left), np.uint64), (Proposed("every pair", len(left), len(left), 0, 0),))


def _merged(codes: list[Ints]) -> tuple[Ints, npt.NDArray[np.uint64]]:
    """Each pair once, and the rules that proposed it as bits. Pair and rule are sorted as one number: far quicker than an order."""
    every = np.concatenate([np.empty(0, np.int64), *(of << RULE_BITS | i for i, of in enumerate(codes))])
    every.sort()
    pairs, bits = every >> RULE_BITS, np.uint64(1) << (every & ((1 << RULE_BITS) - 1)).astype(np.uint64)
    starts, _ = runs(pairs)
    return pairs[starts], np.bitwise_or.reduceat(bits, starts) if len(starts) else bits


def _pairs(
    con: duckdb.DuckDBPyConnection, table: str, rule: BlockingRule, further: Sequence[str], cap: int, count: int
) -> tuple[Ints, int, npt.NDArray[np.uint64]]:
    """(pairs as left × count + right, blocks over the cap, keys of the records left out) of one rule."""
    known = " AND ".join(f"{column} IS NOT NULL" for column in sorted(rule.columns))
    found = con.execute(
        f"SELECT {'DISTINCT ' if rule.several else ''}rec, hash({', '.join(rule.parts)}) AS h FROM {rule.rows(table)} "
        f"WHERE {known} AND {rule.parts[0]} IS NOT NULL"
    ).fetchnumpy()
    recs, keys = np.asarray(found["rec"], np.int64), np.asarray(found["h"], np.uint64)
    pairs: list[Ints] = [np.empty(0, np.int64)]
    recs, keys, oversize = _blocks(recs, keys, cap, count, pairs)
    for column in further:
        if not len(recs):
            break
        recs, keys = _refined(con, table, column, recs, keys)
        recs, keys, _ = _blocks(recs, keys, cap, count, pairs)
    codes = np.concatenate(pairs)
    return (_once(codes, count) if rule.several else codes), oversize, keys


def _once(codes: Ints, count: int) -> Ints:
    """Pairs that meet by several values, once; keys that were cut short may even have a record meet itself."""
    codes = np.unique(codes)
    return np.asarray(codes[codes // count != codes % count], np.int64)


def _largest(keys: npt.NDArray[np.uint64]) -> tuple[tuple[int, int], ...]:
    """The largest blocks of what was left out, and their records. Of a key the lower half tells enough, and is always there."""
    values, counts = np.unique(keys & np.uint64(0xFFFFFFFF), return_counts=True)
    order = np.lexsort((values, -counts))[:REPORTED_BLOCKS]
    return tuple(zip(values[order].tolist(), counts[order].tolist(), strict=True))


def _blocks(recs: Ints, keys: npt.NDArray[np.uint64], cap: int, count: int, pairs: list[Ints]) -> tuple[Ints, npt.NDArray[np.uint64], int]:
    """Add the pairs of all blocks of up to `cap` records to `pairs`; return what is in larger ones, and how many those are.

    Key and record are sorted as one number, the key cut short for it: that two keys fall together costs a comparison, no more.
    """
    width = np.uint64(max(count - 1, 1).bit_length())
    mask = (np.uint64(1) << width) - np.uint64(1)
    shared = _shared(keys)
    packed = (keys[shared] << width) | recs[shared].astype(np.uint64)
    packed.sort()
    recs, keys = (packed & mask).astype(np.int64), packed >> width
    starts, sizes = runs(keys)
    for size in np.unique(sizes):
        if 1 < size <= cap:
            members = recs[starts[sizes == size][:, None] + np.arange(size)]
            first, second = np.triu_indices(size, 1)
            pairs.append((members[:, first] * count + members[:, second]).ravel())
    large = np.repeat(sizes > cap, sizes)
    return recs[large], keys[large], int((sizes > cap).sum())


def _shared(keys: npt.NDArray[np.uint64]) -> npt.NDArray[np.bool_]:
    """Keys that may occur more than once: most occur once, and need no sorting."""
    size = 1 << max(len(keys) << 2, 1).bit_length() - 1
    buckets = (keys & np.uint64(size - 1)).astype(np.int64)
    return np.bincount(buckets, minlength=size)[buckets] > 1


def _refined(
    con: duckdb.DuckDBPyConnection, table: str, column: str, recs: Ints, keys: npt.NDArray[np.uint64]
) -> tuple[Ints, npt.NDArray[np.uint64]]:
    """The same records with a further column in their keys; those that lack it stay in a block of their own."""
    with registered(con, "oversize", pa.table({"rec": recs})):
        found = con.execute(f"SELECT rec, hash({column}) AS h FROM {table} SEMI JOIN oversize USING (rec) ORDER BY rec").fetchnumpy()
    extra = np.asarray(found["h"], np.uint64)[np.searchsorted(np.asarray(found["rec"], np.int64), recs)]
    return recs, keys * np.uint64(0x9E3779B97F4A7C15) + extra
