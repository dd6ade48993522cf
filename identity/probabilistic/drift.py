"""Whether a frozen model still fits: what its matches look like now, beside what they looked like when it was trained."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from identity.model_use import Drift
from identity.probabilistic.factors import Floats
from identity.probabilistic.training import Model

ALARMING = 0.25
"""The population stability index from which on a distribution counts as another one."""
FEWEST = 50
"""Fewer matches than this, then or now, tell nothing."""
RARE = 0.01
"""Levels with less than this share, then and now, are counted together."""
CHUNK = 1 << 18


@dataclass(frozen=True, slots=True)
class Observed:
    """Pairs by what the model makes of them: expected numbers of matches and households; `levels[f][level]`: matches at a level."""

    matches: float
    households: float
    levels: tuple[Floats, ...]


def observe(levels: npt.NDArray[np.uint8], model: Model) -> Observed:
    """Weigh each pair (a row: its level of each factor) by the probability that it is a match."""
    tables = [np.log(np.stack(classes)) for classes in zip(model.match, model.household, model.random, strict=True)]
    shares = np.log(np.maximum(model.shares, 1e-300))[:, None]
    matches, households = 0.0, 0.0
    counts = [np.zeros(table.shape[1]) for table in tables]
    for start in range(0, len(levels), CHUNK):
        some = levels[start : start + CHUNK]
        logs = shares + sum((table[:, some[:, f]] for f, table in enumerate(tables)), np.zeros((3, len(some))))
        weights = np.exp(logs - logs.max(axis=0))
        weights /= weights.sum(axis=0)
        matches += float(weights[0].sum())
        households += float(weights[1].sum())
        for f, count in enumerate(counts):
            count += np.bincount(some[:, f], weights[0], len(count))
    return Observed(matches, households, tuple(counts))


def drifted(factors: Sequence[tuple[str, tuple[str, ...]]], usual: Sequence[Floats], now: Sequence[Floats]) -> tuple[Drift, ...]:
    """The factors whose matches changed alarmingly, worst first; `usual` and `now` are numbers of matches by level.

    Missing values are levels too: a column that a source no longer fills is seen here.
    """
    found = []
    for (name, levels), before, after in zip(factors, usual, now, strict=True):
        if min(before.sum(), after.sum()) < FEWEST:
            continue
        was, is_ = before / before.sum(), after / after.sum()
        index = _stability(before, after, (was >= RARE) | (is_ >= RARE))
        if index > ALARMING:
            most = int(np.abs(is_ - was).argmax())
            found.append(Drift(name, round(index, 3), levels[most], round(float(was[most]), 4), round(float(is_[most]), 4)))
    return tuple(sorted(found, key=lambda d: -d.index))


def _stability(before: Floats, after: Floats, common: npt.NDArray[np.bool_]) -> float:
    """The population stability index of two counts, less its expectation where both are drawn from one distribution."""
    was, is_ = (np.append(counts[common], counts[~common].sum()) + 0.5 for counts in (before, after))
    noise = (len(was) - 1) * (1 / was.sum() + 1 / is_.sum())
    was, is_ = was / was.sum(), is_ / is_.sum()
    return float(((is_ - was) * np.log(is_ / was)).sum() - noise)
