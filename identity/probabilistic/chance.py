"""How often two records agree by chance: from pairs drawn at random, and from counts of values where agreement is too rare for that."""

from __future__ import annotations

from collections.abc import Sequence

import duckdb
import numpy as np
import numpy.typing as npt

from identity.probabilistic.compare import levels
from identity.probabilistic.factors import Factor, Floats, Joint
from identity.probabilistic.persons import Persons, namesakes, random_pairs
from identity.probabilistic.training import Chance
from identity.scratch import registered

SAMPLE = 250_000
EVERY_PAIR = 1_200_000
"""Up to this many pairs all are compared: among so few, matches are no small share of a sample."""
NAMESAKES = 50_000

_PAIRS = "coalesce(sum(n * (n - 1) / 2), 0)"


def chance(con: duckdb.DuckDBPyConnection, persons: Persons, factors: Sequence[Factor]) -> Chance:
    """For each factor how many of all pairs of records are at each level, those of one person included."""
    total = persons.count * (persons.count - 1) / 2
    left, right = random_pairs(persons.count, SAMPLE if total > EVERY_PAIR else EVERY_PAIR)
    found = levels(con, persons, factors, left, right)
    scale = total / max(len(left), 1)
    pairs = [np.bincount(found[:, f], minlength=len(factor.levels)) * scale for f, factor in enumerate(factors)]
    if len(left) < total:
        with registered(con, "person", persons.table):
            for f, factor in enumerate(factors):
                for column, level in factor.agreeing.items():
                    pairs[f][factor.levels.index(level)] = _agreeing(con, column)
                if factor.joint is not None:
                    pairs[f] = _joint(con, factor.joint, np.asarray(factor.groups), pairs[f])
        _count_namesakes(con, persons, factors, pairs)
    return Chance(tuple(pairs), total)


def _count_namesakes(con: duckdb.DuckDBPyConnection, persons: Persons, factors: Sequence[Factor], pairs: list[Floats]) -> None:
    """Too few of the pairs drawn at random are namesakes: where they count, draw them by themselves."""
    chosen = [f for f, factor in enumerate(factors) if factor.namesakes is not None]
    if not chosen:
        return
    left, right, total = namesakes(con, NAMESAKES)
    found = levels(con, persons, [factors[f] for f in chosen], left, right)
    for i, f in enumerate(chosen):
        theirs = np.asarray(factors[f].groups) == factors[f].namesakes
        counted = np.bincount(found[:, i], minlength=len(theirs)) * (total / max(len(left), 1))
        pairs[f][theirs] = counted[theirs]


def _agreeing(con: duckdb.DuckDBPyConnection, column: str) -> float:
    """Pairs of records with one value in common."""
    counted = f"SELECT count(*)::DOUBLE AS n FROM person WHERE {column} IS NOT NULL GROUP BY {column}"
    return float(con.execute(f"SELECT {_PAIRS} FROM ({counted})").fetchall()[0][0])


def _joint(con: duckdb.DuckDBPyConnection, joint: Joint, groups: npt.NDArray[np.int64], pairs: Floats) -> Floats:
    """Two parts are independent of each other by chance, but for what is counted: pairs that agree on both.

    The sample is large enough for each part, and far too small for most combinations.
    """
    size = joint.first * joint.second
    table, group = pairs[:size].reshape(joint.first, joint.second), groups[:size].reshape(joint.first, joint.second)
    both = table[1:, 1:]
    first = table[1:].sum(axis=1) if joint.second > 1 else table[1:, 0]
    second = table[:, 1:].sum(axis=0)
    _counted(con, joint.same_first, first)
    _counted(con, joint.same_second, second)
    shares = np.outer(first / max(first.sum(), 1.0), second / max(second.sum(), 1.0))
    result = np.zeros_like(table)
    result[1:, 1:] = shares * both.sum()
    result[1:, 0] = first / max(first.sum(), 1.0) * table[1:, 0].sum()
    result[0, 1:] = second / max(second.sum(), 1.0) * table[0, 1:].sum()
    result[group == 0] = table[group == 0]
    flat = np.concatenate([result.ravel(), pairs[size:]])
    for level, query in joint.counted.items():
        flat[level] = float(con.execute(query).fetchall()[0][0] or 0.0)
    flat[list(joint.never)] = 0.0
    return flat


def _counted(con: duckdb.DuckDBPyConnection, same: tuple[str, str] | None, shares: Floats) -> None:
    """Put counts of agreeing pairs in place of the sample's: `same` is a column and the expression of its bin, 1 … n."""
    if same is None:
        return
    column, bins = same
    query = f"SELECT {bins} AS bin, count(*)::DOUBLE AS n FROM person WHERE {column} IS NOT NULL GROUP BY {column}"
    total = shares.sum()
    known = con.execute("SELECT count(*)::DOUBLE FROM person").fetchall()[0][0]
    present = con.execute(f"SELECT count(*)::DOUBLE FROM person WHERE {column} IS NOT NULL").fetchall()[0][0]
    for bin, pairs in con.execute(f"SELECT bin, {_PAIRS} FROM ({query}) GROUP BY bin").fetchall():
        # pairs in which both have a value, scaled to what the sample calls its total
        shares[bin - 1] = pairs / max(present * (present - 1) / 2, 1.0) * total if known else 0.0
