"""Pairs worth a person's time, and what their verdicts say of the whole: a stratified sample, and precision and recall from it.

The strata are pairs of one cluster and pairs across clusters, by their odds. Each stratum is labelled in proportion to its pairs × how
mixed its scores say it is (Neyman 1934), so that few labels tell much. What no rule proposed is in no stratum: recall is that among
the pairs that were compared.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from identity.clustering import Ints
from identity.constraints import Floats
from identity.evidence.document import MODEL, probability
from identity.evidence.reading import StoredEvidence

EDGES = (-6.0, -3.0, -1.0, 1.0, 3.0, 6.0, 10.0)
"""Bits at which strata part."""
UNSCORED = len(EDGES) + 1
"""The stratum of pairs of one cluster that were never compared; those across clusters come after it."""
LEAST_MIXED = 0.02
DRAWS = 4000
MOST_UNSCORED = 2_000_000


@dataclass(frozen=True, slots=True, eq=False)
class Population:
    """All pairs that can be drawn: records, stratum; `size` and `expected` (share that is one person, by the scores) per stratum."""

    left: Ints
    right: Ints
    stratum: Ints
    size: Floats
    expected: Floats
    rest: float
    """Pairs across clusters that the scores say are one, although each is too unlikely to be kept."""
    scored: bool = True
    """Whether a model gave scores, or exact rules none."""

    @property
    def inside(self) -> npt.NDArray[np.bool_]:
        """Which strata are of pairs of one cluster."""
        return np.arange(len(self.size)) <= UNSCORED


@dataclass(frozen=True, slots=True)
class Interval:
    """An estimate, and where 95 % of what is plausible lies."""

    estimate: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Estimate:
    """Pairwise precision and recall of the crosswalk, from `labelled` pairs and, where labels lack, the scores. `recall` is None for
    exact rules: nothing is known of pairs that they did not link. `pairs` were put together; `scored`: by a model, whose scores count."""

    labelled: int
    unsure: int
    precision: Interval
    recall: Interval | None
    pairs: int = 0
    scored: bool = True


def population(evidence: StoredEvidence) -> Population:
    """The pairs of one (entity, space), by strata."""
    inside, near = evidence.inside(), evidence.near()
    document = evidence.document
    more_left, more_right = _never_compared(evidence, inside.left * document.records + inside.right)
    left = np.concatenate([inside.left, more_left, near.left])
    right = np.concatenate([inside.right, more_right, near.right])
    scored = np.where(np.isnan(inside.odds), UNSCORED, np.searchsorted(EDGES, inside.odds))
    if document.engine != MODEL:
        scored = np.full(len(inside), UNSCORED - 1)
    stratum = np.concatenate([scored, np.full(len(more_left), UNSCORED), UNSCORED + 1 + np.searchsorted(EDGES, near.odds)])
    count = 2 * (UNSCORED + 1) - 1
    size = np.bincount(stratum, minlength=count).astype(np.float64)
    sizes = evidence.sizes()
    size[UNSCORED] += int((sizes * (sizes - 1) // 2).sum()) - len(inside) - len(more_left)
    likely = probability(np.concatenate([inside.odds, np.full(len(more_left), np.nan), near.odds]))
    total = np.bincount(stratum, np.nan_to_num(likely), count)
    drawn = np.maximum(np.bincount(stratum, minlength=count), 1)
    expected = total / drawn
    known = size[:UNSCORED].sum()
    average = total[:UNSCORED].sum() / known if known else 0.9
    expected[UNSCORED] = average
    if document.engine != MODEL:
        expected[: UNSCORED + 1] = 0.9  # exact rules give no score: a guess that one label outweighs
    rest = max(document.expected[1] - float(total[UNSCORED + 1 :].sum()), 0.0) if document.engine == MODEL else 0.0
    return Population(left, right, stratum.astype(np.int64), size, expected, rest, document.engine == MODEL)


def _never_compared(evidence: StoredEvidence, known: Ints) -> tuple[Ints, Ints]:
    """Pairs of one cluster of which nothing is kept: one because of others."""
    labels = evidence.labels()
    sizes = np.bincount(labels, minlength=len(labels))
    order = np.argsort(labels, kind="stable")
    starts = np.searchsorted(labels[order], np.arange(len(labels)))
    found, total = [np.empty(0, np.int64)], 0
    for size in np.unique(sizes[sizes > 2]).tolist():
        clusters = np.flatnonzero(sizes == size)
        clusters = clusters[: max((MOST_UNSCORED - total) // (size * (size - 1) // 2), 0)]
        members = np.sort(order[starts[clusters][:, None] + np.arange(size)], axis=1)
        first, second = np.triu_indices(size, 1)
        found.append((members[:, first] * len(labels) + members[:, second]).ravel())
        total += len(found[-1])
    codes = np.setdiff1d(np.concatenate(found), known)
    return codes // max(len(labels), 1), codes % max(len(labels), 1)


def sample(pairs: Population, count: int, done: Iterable[tuple[int, int]] = (), seed: int = 360) -> list[tuple[int, int]]:
    """`count` pairs (or as many as there are) that are not `done`, in random order; always the same ones for a seed."""
    width = int(pairs.right.max(initial=0)) + int(pairs.left.max(initial=0)) + 1
    low, high = np.minimum(pairs.left, pairs.right), np.maximum(pairs.left, pairs.right)
    codes = low * width + high
    free = np.flatnonzero(~np.isin(codes, [min(p) * width + max(p) for p in done]))
    random = np.random.Generator(np.random.PCG64(seed))
    shuffled = free[random.permutation(len(free))]
    share = pairs.size * np.maximum(np.sqrt(pairs.expected * (1 - pairs.expected)), LEAST_MIXED)
    there = np.bincount(pairs.stratum[shuffled], minlength=len(share))
    wanted = _allotted(share, there, count)
    chosen = np.concatenate([shuffled[pairs.stratum[shuffled] == s][: wanted[s]] for s in range(len(share))]).astype(np.int64)
    return [(int(low[i]), int(high[i])) for i in chosen[random.permutation(len(chosen))]]


def _allotted(share: Floats, there: Ints, count: int) -> Ints:
    """How many of each stratum: by share, at least one of each that has any; what one stratum lacks goes to the others."""
    wanted = np.zeros(len(share), np.int64)
    for stratum in np.argsort(-np.where(there > 0, share, -1.0), kind="stable")[:count]:
        wanted[stratum] = min(1, int(there[stratum]))
    while wanted.sum() < min(count, there.sum()):
        lacking = np.where(wanted < there, share / np.maximum(wanted, 1), -1.0)
        wanted[int(np.argmax(lacking))] += 1
    return wanted


def estimate(pairs: Population, labels: Sequence[tuple[int, int, bool]], unsure: int = 0, seed: int = 360) -> Estimate:
    """Precision and recall from labels (record, record, same person?).

    Beta posteriors per stratum. What the scores expect counts as one label; inside clusters only until there are labels, then the prior
    is Jeffreys': the scores, which put these pairs together, are what is judged.
    """
    strata, same = _strata(pairs, labels)
    count = len(pairs.size)
    yes, all_ = np.bincount(strata, same, count), np.bincount(strata, minlength=count)
    prior = np.where(pairs.inside & (all_ > 0), 0.5, np.clip(pairs.expected, 0.005, 0.995))
    random = np.random.Generator(np.random.PCG64(seed))
    shares = random.beta(prior + yes, 1 - prior + all_ - yes, (DRAWS, count))
    mean = (prior + yes) / (1 + all_)
    sizes = pairs.size * pairs.inside, pairs.size * ~pairs.inside
    right, missed = (shares @ size for size in sizes)
    told, lost = (float(mean @ size) for size in sizes)
    total = max(float(sizes[0].sum()), 1.0)
    precision = _interval(told / total, right / total)
    recall = None
    if sizes[1].sum() or pairs.rest:
        recall = _interval(told / max(told + lost + pairs.rest, 1e-9), right / np.maximum(right + missed + pairs.rest, 1e-9))
    return Estimate(len(strata), unsure, precision, recall, round(float(sizes[0].sum())), pairs.scored)


def _strata(pairs: Population, labels: Sequence[tuple[int, int, bool]]) -> tuple[Ints, Floats]:
    """The stratum of each label's pair, and whether it is one person. Pairs in no stratum tell nothing of one."""
    width = int(max(pairs.left.max(initial=0), pairs.right.max(initial=0))) + 1
    codes = np.minimum(pairs.left, pairs.right) * width + np.maximum(pairs.left, pairs.right)
    order = np.argsort(codes)
    wanted = np.array([min(a, b) * width + max(a, b) for a, b, _ in labels], np.int64)
    at = np.minimum(np.searchsorted(codes[order], wanted), max(len(codes) - 1, 0))
    known = codes[order[at]] == wanted if len(codes) else np.zeros(len(wanted), bool)
    same = np.array([float(answer) for _, _, answer in labels])
    return pairs.stratum[order[at[known]]], same[known]


def _interval(mean: float, draws: Floats) -> Interval:
    low, high = np.quantile(draws, (0.025, 0.975))
    return Interval(round(mean, 4), round(float(low), 4), round(float(high), 4))
