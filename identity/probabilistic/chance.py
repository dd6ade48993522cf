"""How often two records agree by chance: from pairs drawn at random, and from counts of values where agreement is too rare for that."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import duckdb
import numpy as np
import numpy.typing as npt

from identity.clustering import Ints
from identity.probabilistic.compare import Histogram, levels
from identity.probabilistic.factors import Factor, Floats, Joint
from identity.probabilistic.persons import Persons, agreeing_pairs, random_pairs
from identity.probabilistic.prepare import TABLE
from identity.probabilistic.training import Chance

SAMPLE = 200_000
EVERY_PAIR = 1_200_000
"""Up to this many pairs all are compared: among so few, matches are no small share of a sample."""
KINDRED = 40_000

_PAIRS = "coalesce(sum(n * (n - 1) / 2), 0)"


@dataclass(frozen=True, slots=True)
class Drawn:
    """Some of the `total` pairs of records that are kindred; of all of these, so many (`agreeing`) agree exactly, by
    their place among the levels of a group."""

    left: Ints
    right: Ints
    total: float
    agreeing: dict[int, float]


@dataclass(frozen=True, slots=True)
class Counts:
    """What counting values says: pairs per factor and level, pairs per bin of a joint factor's parts, and, per factor, of its kindred."""

    total: float
    records: int
    levels: tuple[dict[int, float], ...]
    first: tuple[dict[int, float], ...]
    second: tuple[dict[int, float], ...]
    kindred: tuple[tuple[Drawn, ...], ...]


def count(con: duckdb.DuckDBPyConnection, factors: Sequence[Factor], records: int) -> Counts:
    """Count, in the prepared table, pairs that agree where agreement is too rare for a sample. The table is not needed afterwards."""
    total = records * (records - 1) / 2
    if total <= EVERY_PAIR:
        nothing: tuple[dict[int, float], ...] = tuple({} for _ in factors)
        return Counts(total, records, nothing, nothing, nothing, tuple(() for _ in factors))
    joints = [factor.joint for factor in factors]
    return Counts(
        total,
        records,
        tuple(_counted(con, factor) for factor in factors),
        tuple(_shares(con, joint.same_first) if joint else {} for joint in joints),
        tuple(_shares(con, joint.same_second) if joint else {} for joint in joints),
        tuple(_kindred(con, factor) for factor in factors),
    )


def chance(con: duckdb.DuckDBPyConnection, persons: Persons, factors: Sequence[Factor], counts: Counts, seen: Histogram) -> Chance:
    """For each factor how many of all pairs of records are at each level, those of one person included.

    `seen` are the pairs that met: where these are all there are, nothing is compared again.
    """
    exhaustive = counts.total <= EVERY_PAIR
    if len(seen.of) == counts.total:
        found = seen.patterns[seen.of]
    else:
        found = levels(con, persons, factors, *random_pairs(counts.records, EVERY_PAIR if exhaustive else SAMPLE))
    scale = counts.total / max(len(found), 1)
    pairs = [_estimate(found[:, f], factor, scale) for f, factor in enumerate(factors)]
    unseen = [np.full(len(factor.levels), scale / 2) for factor in factors]
    if not exhaustive:
        for f, factor in enumerate(factors):
            if factor.joint is not None:
                pairs[f] = _joint(factor.joint, np.asarray(factor.groups), pairs[f], counts.first[f], counts.second[f])
            for level, counted in counts.levels[f].items():
                pairs[f][level], unseen[f][level] = counted, 0.5
        _add_kindred(con, persons, factors, pairs, counts)
    spread = tuple(_spread(con, factor.joint) for factor in factors)
    return Chance(tuple(pairs), counts.total, tuple(unseen), kindred_apart=not exhaustive, spread=spread)


def _spread(con: duckdb.DuckDBPyConnection, joint: Joint | None) -> dict[tuple[int, int, int], float]:
    """By the levels of two parts that agree, the shares of the joint levels that this makes."""
    if joint is None or not joint.spread:
        return {}
    found = {(int(one), int(other), int(level)): float(weight) for one, other, level, weight in con.execute(joint.spread).fetchall()}
    totals: dict[tuple[int, int], float] = {}
    for (one, other, _), weight in sorted(found.items()):
        totals[one, other] = totals.get((one, other), 0.0) + weight
    return {key: weight / totals[key[:2]] for key, weight in sorted(found.items())}


def _estimate(found: npt.NDArray[np.uint8], factor: Factor, scale: float) -> Floats:
    return np.asarray(np.bincount(found, minlength=len(factor.levels)) * scale, np.float64)


def _counted(con: duckdb.DuckDBPyConnection, factor: Factor) -> dict[int, float]:
    found: dict[int, float] = {}
    for levels_counted, query in {**factor.counted, **(factor.joint.counted if factor.joint else {})}.items():
        rows = {int(level): float(pairs or 0.0) for level, pairs in con.execute(query).fetchall()}
        found |= {level: rows.get(level, 0.0) for level in levels_counted}
    return found | {factor.levels.index(level): _agreeing(con, column) for column, level in factor.agreeing.items()}


def _kindred(con: duckdb.DuckDBPyConnection, factor: Factor) -> tuple[Drawn, ...]:
    """Too few of the pairs drawn at random have a name in common: where they are a group of their own, draw them by themselves.

    Exact agreement is counted: among some ten thousand pairs a rare coincidence is not seen, or weighs far too much.
    """
    return tuple(
        Drawn(
            *agreeing_pairs(con, kin.columns, KINDRED),
            {factor.levels.index(level) - 1: _agreeing(con, *kin.columns, column) for column, level in factor.agreeing.items()},
        )
        for kin in factor.kindred
    )


def _add_kindred(con: duckdb.DuckDBPyConnection, persons: Persons, factors: Sequence[Factor], pairs: list[Floats], counts: Counts) -> None:
    """Put in what was drawn. Pairs that agree on more are not of a group, nor are any of them of those that have nothing in common."""
    for f, factor in enumerate(factors):
        more: dict[int, float] = {}
        counted = np.array(
            sorted({*(level for several in factor.counted for level in several), *map(factor.levels.index, factor.agreeing.values())})
        )
        for kin, drawn in reversed(list(zip(factor.kindred, counts.kindred[f], strict=True))):
            found = levels(con, persons, [factor], drawn.left, drawn.right)[:, 0]
            own = _estimate(found, factor, drawn.total / max(len(found), 1))[list(kin.levels)]
            for place, agreeing in drawn.agreeing.items():
                own[place], more[place] = max(agreeing - more.get(place, 0.0), 0.0), agreeing
            pairs[f][list(kin.levels)] = own
            pairs[f][counted] = np.maximum(pairs[f][counted] - own[counted - 1], 0.0)


def _agreeing(con: duckdb.DuckDBPyConnection, *columns: str) -> float:
    """Pairs of records with the same values; by hash, for groups of numbers take half the room and time of groups of texts."""
    known = " AND ".join(f"{column} IS NOT NULL" for column in columns)
    counted = f"SELECT count(*)::DOUBLE AS n FROM {TABLE} WHERE {known} GROUP BY hash({', '.join(columns)}) HAVING n > 1"
    return float(con.execute(f"SELECT {_PAIRS} FROM ({counted})").fetchall()[0][0])


def _joint(
    joint: Joint, groups: npt.NDArray[np.int64], pairs: Floats, same_first: dict[int, float], same_second: dict[int, float]
) -> Floats:
    """Two parts are independent of each other by chance, but for what is counted: pairs that agree on both.

    The sample is large enough for each part, and far too small for most combinations.
    """
    size = joint.first * joint.second
    table, group = pairs[:size].reshape(joint.first, joint.second), groups[:size].reshape(joint.first, joint.second)
    both = table[1:, 1:]
    first, second = table[1:].sum(axis=1), table[:, 1:].sum(axis=0)
    for shares, same in ((first, same_first), (second, same_second)):
        total = shares.sum()
        for level, share in same.items():
            shares[level - 1] = share * total
    shares = np.outer(first / max(first.sum(), 1.0), second / max(second.sum(), 1.0))
    result = np.zeros_like(table)
    result[1:, 1:] = shares * both.sum()
    result[1:, 0] = first / max(first.sum(), 1.0) * table[1:, 0].sum()
    result[0, 1:] = second / max(second.sum(), 1.0) * table[0, 1:].sum()
    result[group == 0] = table[group == 0]
    flat = np.concatenate([result.ravel(), pairs[size:]])
    flat[list(joint.never)] = 0.0
    return flat


def _shares(con: duckdb.DuckDBPyConnection, same: tuple[str, str] | None) -> dict[int, float]:
    """Of the pairs that both have a value, the share that agree, by the level that this makes: `same` is a column and that level."""
    if same is None:
        return {}
    column, bins = same
    ((known,),) = con.execute(f"SELECT count({column}) FROM {TABLE}").fetchall()
    binned = f"SELECT {bins} AS bin, records::DOUBLE AS n FROM share_{column}"
    found = con.execute(f"SELECT bin, {_PAIRS} FROM ({binned}) GROUP BY bin").fetchall()
    return {int(bin): float(pairs) / max(known * (known - 1) / 2, 1.0) for bin, pairs in found}
