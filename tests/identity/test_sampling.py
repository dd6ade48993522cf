"""Labels of a stratified sample tell precision and recall: held against the truth."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from people import Row, kin, moved, people_set, resolved, strangers
from records import RULES, SECRET, record_set

from identity.errors import LabelsFile
from identity.evidence.reading import StoredEvidence, evidence_of
from identity.quality import pairwise
from identity.resolve import resolve
from identity.stewardship.decisions import RecordName
from identity.stewardship.labels import Label, add_label, read_labels
from identity.stewardship.sampling import Population, estimate, population, sample
from identity.versions.store import CrosswalkStore

Truth = np.ndarray


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> tuple[StoredEvidence, Truth]:
    """Real evidence, and who each record is; of those who moved every third is somebody else."""
    people: list[Row] = strangers(300, 100)
    made = people + kin(people[150:170]) + moved(people[200:240])
    truth = np.array([*range(300), *range(100), *range(300, 320), *(200 + i if i % 3 else 400 + i for i in range(40))])
    store = CrosswalkStore(tmp_path_factory.mktemp("sampling"))
    return evidence_of(resolved(store, people_set(made)), "individual", ""), truth


def answers(pairs: list[tuple[int, int]], truth: Truth) -> list[tuple[int, int, bool]]:
    return [(a, b, bool(truth[a] == truth[b])) for a, b in pairs]


def test_a_sample_is_the_same_for_a_seed_and_takes_from_every_stratum(kept: tuple[StoredEvidence, Truth]) -> None:
    pairs = population(kept[0])
    drawn = sample(pairs, 30)
    assert drawn == sample(pairs, 30) != sample(pairs, 30, seed=1) and len(set(drawn)) == 30
    known = {(min(a, b), max(a, b)): s for a, b, s in zip(pairs.left.tolist(), pairs.right.tolist(), pairs.stratum.tolist(), strict=True)}
    assert {known[pair] for pair in drawn} == set(pairs.stratum.tolist())
    assert not set(sample(pairs, 10_000, drawn)) & set(drawn)
    assert len(sample(pairs, 10_000)) == len(pairs.left)


def test_with_all_labels_the_estimate_is_the_truth(kept: tuple[StoredEvidence, Truth]) -> None:
    evidence, truth = kept
    pairs = population(evidence)
    found = estimate(pairs, answers(sample(pairs, 10_000), truth))
    exact = pairwise(evidence.labels(), truth)
    assert found.precision.estimate == pytest.approx(exact.precision, abs=0.02)
    assert found.recall is not None and found.precision.low < exact.precision < found.precision.high
    compared = sum(truth[a] == truth[b] for a, b in zip(pairs.left, pairs.right, strict=True))
    right = sum(same for _, _, same in answers(_inside(pairs), truth))
    assert found.recall.estimate == pytest.approx(right / compared, abs=0.03)


def _inside(pairs: Population) -> list[tuple[int, int]]:
    inside = pairs.inside[pairs.stratum]
    return list(zip(pairs.left[inside].tolist(), pairs.right[inside].tolist(), strict=True))


def test_intervals_cover_the_truth_and_narrow_with_labels(kept: tuple[StoredEvidence, Truth]) -> None:
    evidence, truth = kept
    pairs, exact = population(evidence), pairwise(evidence.labels(), truth)
    covered, width = {15: 0, 60: 0}, {15: 0.0, 60: 0.0}
    for labels in covered:
        for seed in range(20):
            found = estimate(pairs, answers(sample(pairs, labels, seed=seed), truth)).precision
            covered[labels] += found.low <= exact.precision <= found.high
            width[labels] += (found.high - found.low) / 20
    assert min(covered.values()) >= 18 and width[60] < 0.7 * width[15]


def test_pairs_that_are_one_because_of_others_are_counted(tmp_path: Path) -> None:
    """Three records, two rules, one pair of which nothing is kept."""
    rows = [
        {"k0": 1, "email": "a@example.org"},
        {"k0": 2, "email": "a@example.org", "phone": "0441234567"},
        {"k0": 3, "phone": "0441234567"},
    ]
    store = CrosswalkStore(tmp_path)
    resolve([record_set(rows)], RULES, store, SECRET)
    crosswalk = store.current()
    assert crosswalk is not None
    pairs = population(evidence_of(crosswalk, "individual", ""))
    assert sorted(zip(pairs.left.tolist(), pairs.right.tolist(), strict=True)) == [(0, 1), (0, 2), (1, 2)]
    assert pairs.size.sum() == 3 and estimate(pairs, [(0, 2, False)]).recall is None


def test_the_last_label_of_a_pair_counts(tmp_path: Path) -> None:
    file, (a, b) = tmp_path / "labels.jsonl", (RecordName("crm", "contact", (k,)) for k in "12")
    now = datetime.now(UTC).replace(microsecond=0)
    assert read_labels(file) == []
    for verdict, one, other in (("same", a, b), ("different", b, a)):
        add_label(file, Label(verdict, "individual", "", one, other, "mia", now))
    assert [(x.verdict, x.a, x.at) for x in read_labels(file)] == [("different", b, now)]
    file.write_text(file.read_text() + '{"verdict": "maybe"}\n')
    with pytest.raises(LabelsFile, match=r"labels\.jsonl:3"):
        read_labels(file)
