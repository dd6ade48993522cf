"""The condition of one (entity, space) of the crosswalk in numbers: what a quality report shows, and nothing of any record."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from identity.clustering import Ints
from identity.column_fit import ColumnFit
from identity.constraints import Floats
from identity.evidence.document import BINS, MODEL, probability
from identity.evidence.limits import told_limit
from identity.evidence.reading import StoredEvidence
from identity.matching import RuleYield, SharedValue
from identity.model_use import BlockingYield, Drift, GenericCount
from identity.quality import Calibration, Score, bcubed, expected_calibration_error, pairwise
from identity.stewardship.doubts import doubts
from identity.stewardship.kinds import NEAR, REFUSED

SUSPECTS = 20
LEAST_COHESION = 0.5


@dataclass(frozen=True, slots=True)
class Suspect:
    """A person who may be several (`other` None), or two who may be one. `why` says so; `odds` are those that `why` tells of."""

    id360: int
    other: int | None
    records: int
    odds: float | None
    why: str


@dataclass(frozen=True, slots=True)
class Judged:
    """The crosswalk against labels of `records`: over the labelled `pairs` alone, or (`pairs` 0), where it is known who each record is,
    over all their pairs; B-cubed only then. The calibration is that of the pairs whose scores are kept."""

    pairs: int
    records: int
    pairwise: Score
    bcubed: Score | None
    calibration: Calibration | None


@dataclass(frozen=True, slots=True)
class Condition:
    """`run` is the resolve that matched all records last (0: not known): if that is not the version, the counts of pairs, what is expected,
    rules, values, drift and `fits` are of then; records, people, sizes and suspects are of now.

    `inside` and `across` count the pairs that were compared by odds in whole bits from `first_bit` on. `precision` and `recall` are
    expected by the scores alone, None without a model; recall is among pairs that were compared.
    """

    entity: str
    space: str
    engine: str
    version: int
    run: int
    records: int
    persons: int
    largest: int
    compared: int
    first_bit: int
    inside: tuple[int, ...]
    across: tuple[int, ...]
    sizes: dict[int, int]
    precision: float | None
    recall: float | None
    rules: tuple[RuleYield, ...]
    proposals: tuple[BlockingYield, ...]
    shared: tuple[SharedValue, ...]
    generic: tuple[GenericCount, ...]
    drift: tuple[Drift, ...]
    over_merged: tuple[Suspect, ...]
    over_split: tuple[Suspect, ...]
    judged: Judged | None = None
    fits: tuple[ColumnFit, ...] = ()


def condition(evidence: StoredEvidence, labels: Sequence[tuple[int, int, bool]] = (), truth: Mapping[int, str] | None = None) -> Condition:
    """Put together what is known. `labels`: pairs of records, and whether they are one person. `truth`: who each of some records is."""
    document = evidence.document
    right, missed = document.expected
    sizes = evidence.sizes()
    several, clusters = (found.tolist() for found in np.unique(sizes, return_counts=True))
    scored = document.engine == MODEL
    return Condition(
        evidence.entity, evidence.space, document.engine, evidence.crosswalk.version, document.run, int(sizes.sum()), len(sizes),
        int(sizes.max(initial=0)), document.compared, BINS[0], document.inside, document.across, dict(zip(several, clusters, strict=True)),
        round(right / document.pairs, 4) if scored and document.pairs else None,
        round(right / (right + missed), 4) if scored and right + missed else None,
        document.yields, document.proposals, document.shared, document.model.generic if document.model else (),
        document.model.drift if document.model else (), tuple(_over_merged(evidence)), tuple(_over_split(evidence)),
        _judged(evidence, labels, truth or {}) if labels or truth else None, document.fits,
    )  # fmt: skip


def _over_merged(evidence: StoredEvidence) -> list[Suspect]:
    """People who hang on a bridge, or of whose pairs few speak for one person; those with most records first."""
    clusters, inside = evidence.clusters(), evidence.inside()
    cluster, records = clusters["cluster"].astype(np.int64), clusters["records"].astype(np.int64)
    holds = np.bincount(inside.cluster[(inside.odds > 0) | (inside.rule >= 0)], minlength=evidence.document.records + 1)
    cohesion = holds[cluster] / np.maximum(records * (records - 1) / 2, 1)
    bridged = ~np.isnan(clusters["bridge_l"])
    loose = (cohesion < LEAST_COHESION) & (evidence.document.engine == MODEL)
    suspect = np.flatnonzero(bridged | loose)
    suspect = suspect[np.lexsort((cluster[suspect], cohesion[suspect], -records[suspect]))][:SUSPECTS]
    ids = _ids(evidence, cluster[suspect])
    return [
        Suspect(
            int(id360), None, int(records[i]), _told(clusters["weakest"][i]),
            f"a bridge: {int(clusters['part'][i])} and {int(records[i] - clusters['part'][i])} records hang together by one pair"
            if bridged[i] else f"{cohesion[i]:.0%} of its pairs speak for one person",
        )
        for id360, i in zip(ids, suspect.tolist(), strict=True)
    ]  # fmt: skip


def _over_split(evidence: StoredEvidence) -> list[Suspect]:
    """Two people each who are nearly one, or whom a limit keeps apart; in the order of the review queue."""
    found, sizes = [], evidence.cluster_sizes()
    for some in doubts(evidence):
        if some.kind in (NEAR, REFUSED):
            weight = some.records * some.unsure
            best = np.lexsort((some.right, some.left, -weight))[:SUSPECTS]
            ids = zip(_ids(evidence, some.cluster[best]), _ids(evidence, some.beyond[best]), strict=True)
            for i, (a, b) in zip(best.tolist(), ids, strict=True):
                odds, by = float(some.odds[i]), ""
                pairs, votes = int(sizes[some.cluster[i]] * sizes[some.beyond[i]]), some.votes_on(i)
                if votes is not None:
                    odds, by = evidence.odds[some.pattern[i]] if some.pattern[i] >= 0 else np.nan, ", by their best pair"
                elif pairs > 1:
                    by = f", by the mean of their {pairs:,} pairs"
                likely = "" if np.isnan(odds) else f"{probability(np.array([odds]))[0]:.0%} likely one person{by}"
                limit = f"{told_limit(some.why[i])}{f': {votes}' if votes else ''}" if some.kind == REFUSED else ""
                why = "; ".join(filter(None, (likely, limit)))
                found.append((-float(weight[i]), Suspect(a, b, int(some.records[i]), _told(odds), why)))
    return [suspect for _, suspect in sorted(found, key=lambda f: (f[0], f[1].id360, f[1].other or 0))[:SUSPECTS]]


def _ids(evidence: StoredEvidence, recs: Ints) -> list[int]:
    named = evidence.named(recs.tolist())
    return [named[rec].id360 for rec in recs.tolist()]


def _told(odds: float) -> float | None:
    return round(float(odds), 2) if np.isfinite(odds) else None


def _judged(evidence: StoredEvidence, labels: Sequence[tuple[int, int, bool]], truth: Mapping[int, str]) -> Judged:
    if truth:
        recs = np.array(sorted(truth), np.int64)
        person = np.unique([truth[rec] for rec in recs.tolist()], return_inverse=True)[1].astype(np.int64)
        mine = evidence.labels()[recs]
        left, right = _kept_pairs(evidence, recs)
        same = person[np.searchsorted(recs, left)] == person[np.searchsorted(recs, right)]
        return Judged(0, len(recs), pairwise(mine, person), bcubed(mine, person), _calibration(evidence, left, right, same))
    left, right = (np.array([pair[side] for pair in labels], np.int64) for side in (0, 1))
    same = np.array([answer for _, _, answer in labels])
    cluster = evidence.labels()
    found = cluster[left] == cluster[right]
    right_ones = int((found & same).sum())
    score = Score(right_ones / max(int(found.sum()), 1), right_ones / max(int(same.sum()), 1))
    return Judged(len(labels), len(np.union1d(left, right)), score, None, _calibration(evidence, left, right, same))


def _kept_pairs(evidence: StoredEvidence, recs: Ints) -> tuple[Ints, Ints]:
    """The pairs that are kept, of these records."""
    inside, near = evidence.inside(), evidence.near()
    left, right = (np.concatenate([getattr(some, side) for some in (inside, near)]) for side in ("left", "right"))
    both = np.isin(left, recs) & np.isin(right, recs)
    return left[both], right[both]


def _calibration(evidence: StoredEvidence, left: Ints, right: Ints, same: npt.NDArray[np.bool_]) -> Calibration | None:
    scores, known = _scores(evidence, left, right)
    return expected_calibration_error(probability(scores[known]), same[known]) if known.any() else None


def _scores(evidence: StoredEvidence, left: Ints, right: Ints) -> tuple[Floats, npt.NDArray[np.bool_]]:
    """The odds that are kept of some pairs, and of which there are any."""
    inside, near = evidence.inside(), evidence.near()
    width = evidence.document.records + 1
    codes = np.concatenate([inside.left * width + inside.right, near.left * width + near.right])
    odds = np.concatenate([inside.odds, near.odds])
    order = np.argsort(codes)
    wanted = np.minimum(left, right) * width + np.maximum(left, right)
    if evidence.document.engine != MODEL or not len(codes):
        return np.zeros(len(wanted)), np.zeros(len(wanted), bool)
    at = np.minimum(np.searchsorted(codes[order], wanted), len(codes) - 1)
    found = odds[order[at]]
    return found, (codes[order[at]] == wanted) & ~np.isnan(found)
