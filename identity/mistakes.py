"""Where a partition is not the truth: pairs of records, with what spoke for them and against."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from identity.clustering import Ints
from identity.matching import Scored

MISSED, WRONG = "missed", "wrong"


@dataclass(frozen=True, slots=True)
class Mistake:
    """The records in rows `left` < `right` of the file (0 is the first) are one person and were not joined (MISSED), or the other way
    round (WRONG). `odds` is log2 of the odds that they are one, None if they were not compared; `bars` are the factors: name, level, bits.
    """

    kind: str
    left: int
    right: int
    odds: float | None
    bars: tuple[tuple[str, str, float], ...]

    def __str__(self) -> str:
        """One line.

        >>> print(Mistake(MISSED, 3, 17, -2.06, (("phone", "different", -3.1),)))
        missed  rows 3, 17     -2.1 bits: phone different -3.1
        >>> print(Mistake(WRONG, 3, 17, None, ()))
        wrong   rows 3, 17    not compared
        """
        rows = f"rows {self.left}, {self.right}"
        if self.odds is None:
            return f"{self.kind:7} {rows:13} not compared"
        return (
            f"{self.kind:7} {rows:13} {self.odds:5.1f} bits: {', '.join(f'{name} {level} {bits:+.1f}' for name, level, bits in self.bars)}"
        )


def mistakes(labels: Ints, truth: Ints, scored: Scored, rows: Ints, most: int | None = None) -> Iterator[Mistake]:
    """The pairs that are missed, then those that are wrong, in the order of records; up to `most` of each.

    `labels[rec]` is whose cluster a record is in, `truth[rec]` whose person it is, `rows[rec]` the row it stands in.
    """
    count = len(labels)
    codes = scored.left * count + scored.right
    order = np.argsort(codes)
    for kind, here, there in ((MISSED, truth, labels), (WRONG, labels, truth)):
        for code in _apart(here, there, most).tolist():
            at = int(np.searchsorted(codes, code, sorter=order))
            compared = at < len(codes) and codes[order[at]] == code
            left, right = sorted((int(rows[code // count]), int(rows[code % count])))
            odds = float(scored.odds[order[at]]) if compared else None
            yield Mistake(kind, left, right, odds, _bars(scored, int(order[at])) if compared else ())


def _apart(here: Ints, there: Ints, most: int | None) -> Ints:
    """Pairs of records that are one by `here` and two by `there`, as left × count + right, in order; the first `most`."""
    order = np.argsort(here, kind="stable")
    starts = np.flatnonzero(np.diff(here[order], prepend=here[order[:1]] - 1))
    found: list[Ints] = []
    for members in np.split(order, starts[1:]):
        if len(members) > 1 and (there[members] != there[members[0]]).any():
            first, second = np.triu_indices(len(members), 1)
            apart = there[members[first]] != there[members[second]]
            found.append(members[first[apart]] * len(here) + members[second[apart]])
    return np.sort(np.concatenate([np.empty(0, np.int64), *found]))[:most]


def _bars(scored: Scored, at: int) -> tuple[tuple[str, str, float], ...]:
    levels = zip(scored.factors, scored.levels[at].tolist(), strict=True)
    return tuple((factor.name, factor.levels[level], round(factor.bits[level], 1)) for factor, level in levels if level)
