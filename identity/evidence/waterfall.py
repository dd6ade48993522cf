"""One pair's evidence, taken apart: what each factor says in bits, their sum, and what would have changed the answer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

import numpy as np

from identity.evidence.document import MODEL, Document, probability
from identity.probabilistic.contacts import OF_SEVERAL

TELLING = 0.05
"""Bits below which a factor says nothing: they are shown to one decimal."""


@dataclass(frozen=True, slots=True)
class Bar:
    """One factor of a pair: its level by name, and the bits it speaks for one person (negative: against)."""

    factor: str
    level: str
    bits: float


@dataclass(frozen=True, slots=True)
class Flip:
    """If `factor` were at `level` instead, the odds would be `odds`: on the other side."""

    factor: str
    level: str
    odds: float


@dataclass(frozen=True, slots=True)
class Unmet:
    """A rule that did not link two records, or have them compared: what of it `differ`s and what they `lack`; or their value is shared
    by a `crowd` of so many records that it links nobody, or known to be `nobodys`."""

    rule: str
    differ: tuple[str, ...]
    lack: tuple[str, ...]
    crowd: int | None = None
    nobodys: bool = False


@dataclass(frozen=True, slots=True)
class Waterfall:
    """`prior` + the bits of all `bars` + `household` = `odds` (log2 that the two records are one person); `posterior` the same as
    a probability. `household` ≤ 0 is what the chance that they are two people of one household takes away.

    For exact rules (`engine` "rules") `odds` is only the evidence of the rules that agree, and there is no posterior.
    """

    engine: str
    prior: float
    bars: tuple[Bar, ...]
    household: float
    odds: float
    posterior: float | None
    flips: tuple[Flip, ...] = ()

    @property
    def silent(self) -> tuple[Bar, ...]:
        """The factors that say nothing either way: mostly a value is missing."""
        return tuple(bar for bar in self.bars if abs(bar.bits) < TELLING)

    @property
    def steps(self) -> tuple[tuple[str, float, float], ...]:
        """What a picture draws, in order: the name of each step, the bits where it begins, those that it adds; they add up to `odds`.

        The silent ones are left out; what they come to together, if it is anything, is the last step.
        """
        named = [("what chance gives", self.prior)] if self.prior else []
        named += [(f"{bar.factor}: {bar.level}", bar.bits) for bar in self.bars if abs(bar.bits) >= TELLING]
        named += [("may be one household", self.household)] if self.household <= -TELLING else []
        rest = self.odds - sum(bits for _, bits in named)
        named += [("all else together", rest)] if abs(rest) >= TELLING else []
        starts = accumulate((bits for _, bits in named), initial=0.0)
        return tuple((name, start, bits) for (name, bits), start in zip(named, starts, strict=False))


def waterfall(document: Document, levels: Sequence[int], odds: float) -> Waterfall:
    """Take a scored pair apart. `levels` is its level per factor, `odds` as stored."""
    bars = tuple(Bar(f.name, f.levels[level], f.bits[level]) for f, level in zip(document.factors, levels, strict=True))
    if document.engine != MODEL:
        return Waterfall(document.engine, 0.0, tuple(b for b in bars if b.bits), 0.0, odds, None)
    household = min(odds - document.prior - sum(bar.bits for bar in bars), 0.0)
    return Waterfall(document.engine, document.prior, bars, household, odds, posterior(odds), flips(document, levels, odds))


def told_silent(fall: Waterfall) -> str:
    """The factors of a pair that say nothing either way, in words, level by level; "" if all say something."""
    names: dict[str, list[str]] = {}
    for bar in fall.silent:
        names.setdefault(bar.level, []).append(bar.factor)
    return "; ".join(f"{', '.join(factors)}: {level}" for level, factors in names.items())


def posterior(odds: float) -> float:
    """log2 odds as a probability."""
    return float(probability(np.array([odds]))[0])


def score(document: Document, levels: Sequence[int]) -> float:
    """The odds (log2) of a pattern, as the model gives them."""
    match = document.prior + sum(f.bits[level] for f, level in zip(document.factors, levels, strict=True))
    if document.household is None:
        return match
    mates = document.household + sum(f.household[level] for f, level in zip(document.factors, levels, strict=True))
    return match - float(np.logaddexp2(0.0, mates))


def flips(document: Document, levels: Sequence[int], odds: float) -> tuple[Flip, ...]:
    """Per factor the level that would turn the answer round with the least change of odds; those nearest to turning first.

    A level that never occurs (its bits are far beyond all others) is no answer, nor is one for which a record needs fewer values, or more.
    """
    found = []
    for i, factor in enumerate(document.factors):
        others = []
        for level, name in enumerate(factor.levels):
            if "missing" in name or (OF_SEVERAL in name) != (OF_SEVERAL in factor.levels[levels[i]]):
                continue
            changed = score(document, [*levels[:i], level, *levels[i + 1 :]])
            if (changed > 0) != (odds > 0) and abs(factor.bits[level]) < 35:
                others.append(Flip(factor.name, name, changed))
        found += sorted(others, key=lambda f: abs(f.odds))[:1]
    return tuple(sorted(found, key=lambda f: abs(f.odds)))
