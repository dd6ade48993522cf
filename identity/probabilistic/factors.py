"""What is compared of two records: factors, each with levels from "the same" to "different".

A factor is one CASE over l.<column> and r.<column>. Its levels fall into groups by what is missing: within a group the
probabilities of a class add up to one, so that a missing value is no evidence. Name and place are joint factors: that two people
are both called john and both smith is one fact, and who moves changes street, postcode and city at once.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum

import numpy as np
import numpy.typing as npt

_COMPARED = re.compile(r"\b[lr]\.(\w+)")

Floats = npt.NDArray[np.float64]


class Household(Enum):
    """What the class "another person of the same household" makes of a factor."""

    FREE = "learned"
    RANDOM = "as for two people drawn at random, but for a small share that agree (twins, father and son)"
    GIVEN = "given name as for two people drawn at random: of a table without family names"
    NAME = "family name learned, given name as for two people drawn at random"


@dataclass(frozen=True, slots=True)
class Joint:
    """The two parts of a joint factor: level = first part × `second` + second part; levels beyond are of neither.

    `same_first`, `same_second`: a column whose equal values make the part's levels 1 …, and the expression of which level.
    `counted`: levels, and the query over the prepared table for their pairs (rows of level, pairs). `never`: levels that cannot occur.
    `same`: of each part, how many levels from 1 on are "the same". `spread`: the query for how pairs that agree on both parts would spread
    if the parts knew nothing of each other: rows of first part's level, second part's, joint level, weight.
    """

    first: int
    second: int
    same_first: tuple[str, str] | None
    same_second: tuple[str, str] | None
    counted: dict[tuple[int, ...], str]
    same: tuple[int, int]
    never: tuple[int, ...] = ()
    spread: str = ""


@dataclass(frozen=True, slots=True)
class Kindred:
    """Pairs that agree on `columns` and on nothing that later ones name: they are drawn by themselves, into `levels` of their own."""

    columns: tuple[str, ...]
    levels: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Factor:
    """One factor. A pair that has none of the columns `keys` on both sides is at level 0, whatever `sql` would say.

    `levels` are names, level 0 first; `groups[level]` says what is missing, 0 = nothing to compare.

    `match` and `random` are how often each level is expected among matches and among pairs drawn at random, before any data:
    within a group they are weighed as counts of `PRIOR` pairs. `agreeing`: a column, and the level of those with one value in it.
    `counted`: levels too rare for a sample, and the query over the prepared table for their pairs (rows of level, pairs).
    `own`: levels of exact agreement in what people mostly have to themselves: few of the pairs at them are so by chance.
    `kindred`: further groups, of pairs that have a name in common, for which its levels are repeated: behind all others, in their order.
    `most_apart`: of matches so many, at most, are at the last level, "different".
    `unknown`: what its column holds is not known: training begins as if it told nothing.
    `alike`: the share of a household that agrees although its members are different people; at most `most_alike` is learned.
    """

    name: str
    keys: tuple[str, ...]
    sql: str
    levels: tuple[str, ...]
    groups: tuple[int, ...]
    match: tuple[float, ...]
    random: tuple[float, ...]
    household: Household = Household.FREE
    alike: float = 0.0
    most_alike: float = 0.0
    agreeing: dict[str, str] = field(default_factory=dict)
    counted: dict[tuple[int, ...], str] = field(default_factory=dict)
    joint: Joint | None = None
    kindred: tuple[Kindred, ...] = ()
    own: tuple[int, ...] = ()
    most_apart: float = 1.0
    unknown: bool = False

    @property
    def columns(self) -> list[str]:
        """The columns that `sql` compares."""
        return sorted(set(_COMPARED.findall(self.sql)))


def simple(
    name: str,
    key: str,
    sql: str,
    levels: Sequence[tuple[str, float, float]],
    household: Household = Household.FREE,
    alike: float = 0.0,
    most_alike: float = 0.0,
    agreeing: str = "",
) -> Factor:
    """A factor of one thing: level 0 is "missing", the others are (name, share among matches, share at random)."""
    names, match, random = zip(("missing", 1.0, 1.0), *levels, strict=True)
    groups = (0, *(1 for _ in levels))
    return Factor(name, (key,), sql, names, groups, match, random, household, alike, most_alike, {agreeing: names[1]} if agreeing else {})


def missing(*columns: str) -> str:
    """SQL: one of the two records lacks one of the columns."""
    return " OR ".join(f"{side}.{column} IS NULL" for column in columns for side in "lr")


def one_off(column: str) -> str:
    """One character replaced, or two neighbours exchanged, in values of one length. CASE, because DuckDB evaluates all of an AND."""
    left, right = f"l.{column}", f"r.{column}"
    exchanged = f"list_sort(string_split({left}, '')) = list_sort(string_split({right}, ''))"
    return (
        f"CASE WHEN LENGTH({left}) = LENGTH({right}) "
        f"THEN CASE hamming({left}, {right}) WHEN 1 THEN true WHEN 2 THEN {exchanged} ELSE false END ELSE false END"
    )
