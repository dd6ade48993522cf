"""Quality of a partition against counting pair by pair and record by record."""

from __future__ import annotations

import time
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from identity.quality import assess, bcubed, expected_calibration_error, pairwise

LABELLED = st.lists(st.tuples(st.integers(-3, 6), st.integers(-(2**62), 2**62) | st.integers(0, 4)), max_size=30)


Rows = list[tuple[int, int]]


def share(part: float, whole: float) -> float:
    return part / whole if whole else 1.0


@given(LABELLED)
def test_pairwise_is_what_counting_pairs_gives(rows: Rows) -> None:
    found = {(i, j) for i, j in combinations(range(len(rows)), 2) if rows[i][0] == rows[j][0]}
    true = {(i, j) for i, j in combinations(range(len(rows)), 2) if rows[i][1] == rows[j][1]}
    labels, truth = np.array([r[0] for r in rows], np.int64), np.array([r[1] for r in rows], np.int64)
    score, quality = pairwise(labels, truth), assess(labels, truth)
    assert score == (share(len(found & true), len(found)), share(len(found & true), len(true)))
    assert (quality.precision, quality.recall, quality.f1) == (*score, score.f1)
    assert (quality.found_pairs, quality.true_pairs, quality.right_pairs) == (len(found), len(true), len(found & true))


@given(LABELLED)
def test_bcubed_is_what_asking_every_record_gives(rows: Rows) -> None:
    precision = recall = 0.0
    for label, person in rows:
        cluster = [r for r in rows if r[0] == label]
        owner = [r for r in rows if r[1] == person]
        both = [r for r in cluster if r[1] == person]
        precision += len(both) / len(cluster)
        recall += len(both) / len(owner)
    score = bcubed([r[0] for r in rows], [r[1] for r in rows])
    assert score == pytest.approx((share(precision, len(rows)), share(recall, len(rows))))


@given(LABELLED)
def test_clusters_are_counted_and_the_largest_wrong_one_is_found(rows: Rows) -> None:
    clusters: dict[int, list[int]] = {}
    for label, person in rows:
        clusters.setdefault(label, []).append(person)
    quality = assess([r[0] for r in rows], [r[1] for r in rows])
    assert (quality.records, quality.clusters) == (len(rows), len(clusters))
    assert quality.largest_cluster == max(map(len, clusters.values()), default=0)
    assert quality.largest_wrong_cluster == max((len(c) for c in clusters.values() if len(set(c)) > 1), default=0)


def test_names_of_clusters_do_not_matter() -> None:
    assert assess([5, 5, -9], [1, 1, 2]) == assess([0, 0, 1], [9, 9, 3])
    assert assess([5, 5, -9], [1, 1, 2]).f1 == 1.0


def test_lengths_must_agree() -> None:
    with pytest.raises(ValueError, match="2 labels, but the truth of 1 records"):
        pairwise([1, 2], [1])
    with pytest.raises(ValueError, match="2 scores, but 1 answers"):
        expected_calibration_error([0.1, 0.2], [True])
    with pytest.raises(ValueError, match="probability"):
        expected_calibration_error([1.2], [True])


@given(st.lists(st.tuples(st.floats(0, 1), st.booleans()), max_size=40), st.integers(1, 12))
def test_calibration_is_what_bin_by_bin_gives(pairs: list[tuple[float, bool]], bins: int) -> None:
    table: dict[int, list[tuple[float, bool]]] = {}
    for pair in pairs:
        table.setdefault(min(int(pair[0] * bins), bins - 1), []).append(pair)
    expected = sum(abs(sum(p[0] for p in rows) - sum(p[1] for p in rows)) for rows in table.values()) / max(len(pairs), 1)
    calibration = expected_calibration_error([p[0] for p in pairs], [p[1] for p in pairs], bins)
    assert calibration.error == pytest.approx(expected)
    assert [b.count for b in calibration.bins] == [len(table[i]) for i in sorted(table)]


def test_honest_scores_have_next_to_no_error() -> None:
    random = np.random.default_rng(0)
    scores = random.random(200_000)
    assert expected_calibration_error(scores, random.random(200_000) < scores).error < 0.01
    assert expected_calibration_error(scores, random.random(200_000) < scores / 2).error > 0.2


def test_a_million_records_take_seconds() -> None:
    random = np.random.default_rng(0)
    truth = random.integers(0, 500_000, 1_000_000)
    start = time.perf_counter()
    assert assess(truth, truth).f1 == 1.0
    assert time.perf_counter() - start < 10
