"""What a version says of one (entity, space) besides its pairs."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from identity.column_fit import ColumnFit
from identity.constraints import Floats
from identity.matching import FactorBits, RuleYield, SharedValue
from identity.model_use import BlockingYield, ModelUse

RULES, MODEL = "rules", "model"
BY_MODEL = 0
"""Where a model is, it is the first of `Document.rules`."""
BINS = range(-40, 41)
"""Scores are counted by whole bits."""


@dataclass(frozen=True, slots=True)
class Document:
    """What is known of one (entity, space) besides its pairs.

    `engine` is MODEL or RULES. `rules` are what `inside.rule` counts: the model, exact rules, decisions; `limits` what `refused.kept_by`
    counts. `factors`, `prior`, `household` as in matching.Scored. `compared` counts all pairs that were scored; `inside` and `across`
    count them by odds in whole bits (from -40 or less to 40 or more). `expected` are the pairs that the scores say are one: inside
    clusters, across them. `pairs`: all pairs of records of one cluster, scored or not. `sizes`: records per cluster → clusters.
    `left_out`: near pairs beyond MOST_NEAR. `firsts`: of each link table (by its name) the number of its first record; they stay over
    incremental resolves, which only touch `records` (then the first number that no record has) besides the pairs: the other figures are
    those of the last whole resolve, which was number `run`.
    """

    engine: str
    records: int
    rules: tuple[str, ...]
    limits: tuple[str, ...] = ()
    factors: tuple[FactorBits, ...] = ()
    blocking: tuple[str, ...] = ()
    prior: float = 0.0
    household: float | None = None
    compared: int = 0
    inside: tuple[int, ...] = ()
    across: tuple[int, ...] = ()
    expected: tuple[float, float] = (0.0, 0.0)
    pairs: int = 0
    sizes: dict[int, int] = field(default_factory=dict)
    left_out: int = 0
    firsts: dict[str, int] = field(default_factory=dict)
    yields: tuple[RuleYield, ...] = ()
    shared: tuple[SharedValue, ...] = ()
    proposals: tuple[BlockingYield, ...] = ()
    model: ModelUse | None = None
    run: int = 0
    fits: tuple[ColumnFit, ...] = ()


def probability(odds: Floats) -> Floats:
    """log2 odds as a probability."""
    return np.asarray(1 / (1 + np.exp2(-np.clip(odds, -60, 60))), np.float64)
