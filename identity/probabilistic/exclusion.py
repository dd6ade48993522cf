"""Pairs that matter where a limit keeps records apart."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from identity.clustering import Ints
from identity.constraints import NOBODY
from identity.matching import Edges


def doubled(labels: Ints, once: Ints) -> tuple[Ints, Ints, Ints]:
    """All pairs (left, right) of records with one label and one number in `once` (NOBODY for none); and that number."""
    told = np.flatnonzero(once != NOBODY)
    code = labels[told] * (int(once.max(initial=0)) + 1) + once[told]
    one, other = _alike(code)
    return told[one], told[other], once[told[one]]


def every_pair(exact: Edges, among: npt.NDArray[np.bool_]) -> Edges:
    """The edges of exact rules, as all pairs that agree instead of stars, for some records (a flag each).

    Whom a limit keeps apart from the first record of a block, it need not keep apart from the others.
    """
    stars = np.flatnonzero(among[exact.left] & np.isfinite(exact.bits))  # a decision is no star
    one, other = (stars[at] for at in _alike(exact.left[stars] * len(exact.rules) + exact.rule[stars]))
    left, right = exact.right[one], exact.right[other]
    return Edges(
        np.concatenate([exact.left, np.minimum(left, right)]),
        np.concatenate([exact.right, np.maximum(left, right)]),
        np.concatenate([exact.rule, exact.rule[one]]),
        np.concatenate([exact.bits, exact.bits[one]]),
        exact.rules,
    )


def _alike(code: Ints) -> tuple[Ints, Ints]:
    """All pairs of places (the first before the second) that have one code."""
    order = np.argsort(code, kind="stable")
    ordered = code[order]
    nth = np.arange(len(order))
    following = np.searchsorted(ordered, ordered, "right") - nth - 1
    step = np.arange(int(following.sum())) - np.repeat(np.cumsum(following) - following, following)
    return np.repeat(order, following), order[np.repeat(nth + 1, following) + step]
