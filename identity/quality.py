"""How good a partition is against the truth, and how honest scores are: numpy only, seconds for millions of records.

Two views of the same partition. Pairwise: of the pairs of records put together, how many belong together. B-cubed: for the
average record, how much of its cluster is its own person. Pairwise punishes one giant cluster hard, B-cubed mildly, so both
are given. Both judge the final partition, after closure: the pairs that a matcher scored are not what a crosswalk says.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from identity.clustering import Ints


class Score(NamedTuple):
    """Shares from 0 to 1. What is 0 of 0 counts as 1: who puts nothing together is never wrong."""

    precision: float
    recall: float

    @property
    def f1(self) -> float:
        """The harmonic mean; 0 if both are."""
        total = self.precision + self.recall
        return 2 * self.precision * self.recall / total if total else 0.0


@dataclass(frozen=True, slots=True)
class Quality:
    """A partition of `records` records into `clusters`, judged.

    `true_pairs` are the pairs that belong together, `found_pairs` those that the partition puts together, `right_pairs` those in
    both. `largest_wrong_cluster` is the size of the largest cluster that holds more than one person, 0 if none does.
    """

    precision: float
    recall: float
    f1: float
    bcubed_precision: float
    bcubed_recall: float
    bcubed_f1: float
    records: int
    clusters: int
    true_pairs: int
    found_pairs: int
    right_pairs: int
    largest_cluster: int
    largest_wrong_cluster: int


@dataclass(frozen=True, slots=True)
class Bin:
    """Pairs of similar score: their number, their mean score, and the share of them that is in truth one person."""

    count: int
    score: float
    actual: float


@dataclass(frozen=True, slots=True)
class Calibration:
    """The expected calibration error, 0 if a score of 0.7 is right 7 times in 10, and the bins it comes from, without empty ones."""

    error: float
    bins: tuple[Bin, ...]


class _Overlap(NamedTuple):
    """Sizes: of every cluster, of every person, and of each of their overlaps that is not empty, with its cluster and person."""

    clusters: Ints
    persons: Ints
    cells: Ints
    cell_cluster: Ints
    cell_person: Ints


def pairwise(labels: ArrayLike, truth: ArrayLike) -> Score:
    """Of the pairs of records put together, the share that belongs together; of those that belong together, the share found.

    `labels` and `truth` are integers, one per record: whose cluster it is in, whose person it is. ValueError if the lengths differ.

    >>> pairwise([1, 1, 1, 2], [7, 7, 8, 8])
    Score(precision=0.3333333333333333, recall=0.5)
    """
    return _pairwise(_overlap(labels, truth))


def bcubed(labels: ArrayLike, truth: ArrayLike) -> Score:
    """For the average record: the share of its cluster that is its person; the share of its person that is in its cluster.

    >>> bcubed([1, 1, 1, 2], [7, 7, 8, 8])
    Score(precision=0.6666666666666666, recall=0.75)
    """
    return _bcubed(_overlap(labels, truth))


def assess(labels: ArrayLike, truth: ArrayLike) -> Quality:
    """Everything above in one pass over the partition.

    >>> quality = assess([1, 1, 1, 2], [7, 7, 8, 8])
    >>> quality.f1, quality.right_pairs, quality.true_pairs, quality.largest_wrong_cluster
    (0.4, 1, 2, 3)
    """
    overlap = _overlap(labels, truth)
    pairs, cubed = _pairwise(overlap), _bcubed(overlap)
    mixed = overlap.clusters[overlap.cell_cluster[overlap.cells < overlap.clusters[overlap.cell_cluster]]]
    return Quality(
        *(*pairs, pairs.f1),
        *(*cubed, cubed.f1),
        records=int(overlap.clusters.sum()),
        clusters=len(overlap.clusters),
        true_pairs=_pairs(overlap.persons),
        found_pairs=_pairs(overlap.clusters),
        right_pairs=_pairs(overlap.cells),
        largest_cluster=int(overlap.clusters.max(initial=0)),
        largest_wrong_cluster=int(mixed.max(initial=0)),
    )


def expected_calibration_error(scores: ArrayLike, actual: ArrayLike, bins: int = 10) -> Calibration:
    """How far scores are from the share of pairs that is right: per bin of equal width, weighted by the pairs in it.

    `scores` are probabilities from 0 to 1, `actual` whether the pair is one person. ValueError if the lengths differ, or for a
    score outside 0 to 1.

    >>> expected_calibration_error([0.1, 0.1, 0.9, 0.9], [False, False, True, False])
    Calibration(error=0.25, bins=(Bin(count=2, score=0.1, actual=0.0), Bin(count=2, score=0.9, actual=0.5)))
    """
    score, right = np.asarray(scores, np.float64), np.asarray(actual, np.float64)
    if score.shape != right.shape:
        raise ValueError(f"{score.size} scores, but {right.size} answers")
    if score.size and not (score.min() >= 0 and score.max() <= 1):
        raise ValueError("a score must be a probability, from 0 to 1")
    index = np.minimum((score * bins).astype(np.int64), bins - 1)
    count = np.bincount(index, minlength=bins)
    used = np.flatnonzero(count)
    mean = np.bincount(index, score, bins)[used] / count[used]
    share = np.bincount(index, right, bins)[used] / count[used]
    error = float(np.abs(mean - share) @ count[used] / max(score.size, 1))
    rows = zip(count[used].tolist(), mean.tolist(), share.tolist(), strict=True)
    return Calibration(error, tuple(Bin(*row) for row in rows))


def _overlap(labels: ArrayLike, truth: ArrayLike) -> _Overlap:
    cluster, person = _codes(labels), _codes(truth)
    if cluster.shape != person.shape:
        raise ValueError(f"{cluster.size} labels, but the truth of {person.size} records")
    width = int(person.max(initial=0)) + 1
    keys = np.sort(cluster * width + person)
    starts = np.flatnonzero(np.diff(keys, prepend=-1))
    cell_cluster, cell_person = np.divmod(keys[starts], width)
    return _Overlap(
        np.bincount(cluster).astype(np.int64),
        np.bincount(person).astype(np.int64),
        np.diff(starts, append=keys.size),
        cell_cluster,
        cell_person,
    )


def _codes(values: ArrayLike) -> Ints:
    """0, 1, 2 … for the distinct values: their product with another's then fits 64 bits."""
    return np.unique(np.asarray(values), return_inverse=True)[1].astype(np.int64).reshape(-1)


def _pairs(sizes: Ints) -> int:
    return int((sizes * (sizes - 1) // 2).sum())


def _share(part: float, whole: float) -> float:
    return part / whole if whole else 1.0


def _pairwise(overlap: _Overlap) -> Score:
    right = _pairs(overlap.cells)
    return Score(_share(right, _pairs(overlap.clusters)), _share(right, _pairs(overlap.persons)))


def _bcubed(overlap: _Overlap) -> Score:
    squares = (overlap.cells * overlap.cells).astype(np.float64)
    records = int(overlap.cells.sum())
    precision = float((squares / overlap.clusters[overlap.cell_cluster]).sum())
    recall = float((squares / overlap.persons[overlap.cell_person]).sum())
    return Score(_share(precision, records), _share(recall, records))
