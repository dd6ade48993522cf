"""What each level is worth, learned without labels: expectation maximisation over the histogram of patterns.

Three classes (after Fellegi and Sunter 1969; the second is our own): the same person; another person of the same household; two
people who met by chance. The third is not free to roam: how often two random records agree is known, by counting values and by
comparing pairs drawn at random; what the other two classes take of it is taken off. Of a household, given name, birth date and
numbers agree as by chance. So identified, the model settles in some ten rounds, where a free mixture flips between its modes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from identity.probabilistic.compare import Histogram
from identity.probabilistic.factors import Factor, Floats, Household, Joint
from identity.probabilistic.names import household_given, household_names, mostly_one_given_name

PRIOR = 30.0
"""As many pairs as the expected shares of a factor's levels count for among matches."""
RANDOM_PRIOR = 0.5
LEAST_RANDOM_PRIOR = 1000.0
"""As many pairs as the expected shares count for among pairs that met by chance: this often the root of their number, but at least so
many. Of a few records too little can be seen: where one pair of fifteen agrees, it need not be by chance."""
MOST_BY_CHANCE = 0.1
"""The share, at most, of pairs that agree exactly on what people mostly have to themselves (`Factor.own`). Where a table has little else,
nothing in it would tell: all of them might be of two people as well as of one."""
DOUBTFUL_BY_CHANCE = 0.45
"""And of those that matches do not account for, so many are by chance: any number would fit there, and rounds would end at the first."""
PRIOR_OWN = 0.1
"""As many pairs for each record as the expected shares of such a factor count for among matches, as long as it agrees less often than
expected: where hardly anybody is twice, twins and those who share a phone are most of what looks like matches. Where nothing else tells
people apart they count however often it agrees: how often is then known from one other such factor alone."""
HOUSEHOLDS = 0.04
"""At least so many pairs of a household are there for each record, where given names tell its members apart. Name and birth date alone
show only twins: in a table in which nobody is twice these would be all that looks like matches."""
MOST_TOGETHER = 1.5
"""So many times as often as if they knew nothing of each other do both parts of a joint factor agree by chance, as far as no other factor
tells which of those pairs are one person. (Among real voters, whose names are known to go together, it is no more than once.)"""
NAMESAKES = 0.03
"""So many pairs of a household, at most, have one given name, for each that has two: fathers and sons."""
TOLD = 0.01
"""Of more pairs than this both values are known, or the factor tells nothing apart: hardly anybody has a "Jr." in their name."""
OF_A_FAMILY = 0.3
"""Of the pairs that agree on an identifier more than this are of two people: then it is a family's (an insurance policy, a club card)."""
HARDLY_ANY = 1e-3
"""So many pairs a class has that has none."""
_BY_GIVEN_NAME = (Household.NAME, Household.GIVEN)
ROUNDS = 60
SETTLED = 1e-4


@dataclass(frozen=True, slots=True)
class Model:
    """`match[f][level]`, `household[f][level]`, `random[f][level]`: how often each level occurs in a class, given what is missing.
    `shares`: how many of all pairs of records belong to each class."""

    match: tuple[Floats, ...]
    household: tuple[Floats, ...]
    random: tuple[Floats, ...]
    shares: tuple[float, float, float]

    def logits(self, patterns: npt.NDArray[np.uint8]) -> Floats:
        """For each pattern the log odds (natural) that it is a match."""
        match, household, random = self.logs(patterns)
        return np.asarray(match - np.logaddexp(household, random), np.float64)

    def logs(self, patterns: npt.NDArray[np.uint8]) -> tuple[Floats, Floats, Floats]:
        """Log of share × probability of each pattern, per class."""

        def of(share: float, table: tuple[Floats, ...]) -> Floats:
            logs = np.full(len(patterns), np.log(max(share, 1e-300)))
            for f, probabilities in enumerate(table):
                logs += np.log(probabilities[patterns[:, f]])
            return logs

        match, household, random = self.shares
        return of(match, self.match), of(household, self.household), of(random, self.random)


@dataclass(frozen=True, slots=True)
class Chance:
    """What is known of pairs at random: `pairs[f][level]` of all pairs of records, estimated; `total` is their number.

    `unseen[f][level]` is half of what one pair more would have made of it: where a sample shows none, there may be so many.
    `spread[f]`: of a joint factor, by the levels of its parts that agree, the shares of the joint levels that this makes.
    `kindred_apart`: the levels of kindred were counted among pairs that agree exactly on their columns, who nearly do are among others.
    """

    pairs: tuple[Floats, ...]
    total: float
    unseen: tuple[Floats, ...]
    kindred_apart: bool = False
    spread: tuple[dict[tuple[int, int, int], float], ...] = ()


def train(factors: Sequence[Factor], seen: Histogram, chance: Chance, records: int) -> Model:
    """Learn the model from candidate pairs and from what chance gives."""
    learner = _Learner(factors, seen, chance, records)
    before = np.zeros(len(seen.counts))
    for _ in range(ROUNDS):
        model = learner.model()
        weights = _weights(model, seen.patterns)
        if np.abs(weights[0] - before).max(initial=0.0) < SETTLED:
            break
        learner.learn(weights)
        before = weights[0]
    return model


def _weights(model: Model, patterns: npt.NDArray[np.uint8]) -> Floats:
    """Of each class and pattern, how likely a pair of the pattern is of the class: shape (3, patterns)."""
    logs = np.stack(model.logs(patterns))
    logs -= logs.max(axis=0)
    weights = np.exp(logs)
    return np.asarray(weights / weights.sum(axis=0), np.float64)


class _Learner:
    """The tables of the three classes and their sizes, which `learn` adjusts to how likely each pair is of each class."""

    def __init__(self, factors: Sequence[Factor], seen: Histogram, chance: Chance, records: int) -> None:
        factors = [replace(f, household=Household.FREE) if f in _of_families(factors, seen) else f for f in factors]
        self._factors, self._seen, self._chance = factors, seen, chance
        self._groups = [np.asarray(f.groups) for f in factors]
        self._prior = [_within(np.asarray(f.match), g) for f, g in zip(factors, self._groups, strict=True)]
        self._expected = [_within(np.asarray(f.random), g) for f, g in zip(factors, self._groups, strict=True)]
        self._counts = seen.counts.astype(np.float64)
        agree = _agreeing(factors, seen.patterns) if chance.kindred_apart else {}
        self._counted = [_as_counted(factor, seen.patterns[:, f], agree) for f, factor in enumerate(factors)]
        nothing: list[Floats] = [np.zeros(len(f.levels)) for f in factors]
        self._random = _random(chance, nothing, nothing, self._expected, self._groups, factors)
        # what unknown columns are worth is learned from pairs that others tell apart: a dozen that agree by chance would outweigh those
        self._match = [self._random[f] if factor.unknown else self._prior[f] for f, factor in enumerate(factors)]
        self._household = self._tied(self._match)
        # where nothing tells the people of a household apart, there are only people
        known = (self._counts @ (seen.patterns > 0)) > TOLD * self._counts.sum()
        self._told_apart = any(factor.household is not Household.FREE and known[f] for f, factor in enumerate(factors))
        self._matches, self._mates = 0.3 * records, 0.1 * records if self._told_apart else HARDLY_ANY
        self._least_mates = HOUSEHOLDS * records if any(factor.household in _BY_GIVEN_NAME for factor in factors) else HARDLY_ANY
        self._namesakes = _namesakes(factors, seen.patterns)
        self._prior_own = max(PRIOR, PRIOR_OWN * records)

    def model(self) -> Model:
        shares = (self._matches, self._mates, max(self._chance.total - self._matches - self._mates, 1.0))
        return Model(tuple(self._match), tuple(self._household), tuple(self._random), shares)

    def learn(self, weights: Floats) -> None:
        """Count the levels of each class anew, each pair by its weight in the class."""
        match, household, random = weights
        moved = self._namesakes_too_many(household * self._counts)
        match, household = match + moved * household, (1 - moved) * household
        of_match, of_household = match * self._counts, household * self._counts
        self._mates = max(float(of_household.sum()), self._least_mates) if self._told_apart else HARDLY_ANY
        in_doubt = self._counts * (1 - random * np.maximum(1 - 2 * match, 0) ** 2)  # all but what is surely of strangers
        columns = list(self._seen.patterns.T)
        matches, mates, doubted = (self._by_level(columns, pairs) for pairs in (of_match, of_household, in_doubt))
        taken = self._by_level(self._counted, of_match + of_household)
        # given names that are not alike are a few of the matches: where hardly any are alike, those others are twins and couples
        excess = (
            pairs - mostly_one_given_name(pairs) for f, pairs in zip(self._factors, matches, strict=True) if f.household in _BY_GIVEN_NAME
        )
        self._matches = max(float(of_match.sum()) - sum(float(pairs.sum()) for pairs in excess), 1.0)
        self._match = [self._of_matches(f, matches[f]) for f in range(len(self._factors))]
        learned = [_within(mates[f] + PRIOR * before, self._groups[f]) for f, before in enumerate(self._household)]
        self._random = _random(self._chance, taken, doubted, self._expected, self._groups, self._factors)
        self._household = self._tied(learned)

    def _namesakes_too_many(self, of_household: Floats) -> Floats:
        """Of each pattern the share of a household's pairs that must be matches: a household seldom has two of one given name.

        Else one person's records that differ in what is not known to tell people apart (two cards, two orders) would be a household's.
        """
        namesakes, others = self._namesakes
        found, usual = of_household[namesakes].sum(), NAMESAKES * of_household[others].sum()
        return np.where(namesakes, max(1 - usual / max(found, 1e-12), 0.0), 0.0)

    def _of_matches(self, f: int, pairs: Floats) -> Floats:
        """The match's table of a factor, from the pairs of matches at each level. Where given names tell people apart, matches seldom have
        two, nor two birth dates; and what people have to themselves seldom agrees less than expected."""
        factor, groups = self._factors[f], self._groups[f]
        learned = pairs + PRIOR * self._prior[f]
        table = _within(mostly_one_given_name(learned) if factor.household in _BY_GIVEN_NAME else learned, groups)
        if table[-1] > factor.most_apart:
            table = _within(np.append(table[:-1], factor.most_apart / (1 - factor.most_apart) * table[1:-1].sum()), groups)
        usual = _within(pairs + self._prior_own * self._prior[f], groups)
        for group in {factor.groups[level] for level in factor.own}:
            same = [level for level in factor.own if factor.groups[level] == group]
            if not self._told_apart or usual[same].sum() > table[same].sum():
                table = np.where(groups == group, usual, table)
        return table

    def _by_level(self, columns: Sequence[npt.NDArray[np.uint8]], pairs: Floats) -> list[Floats]:
        """How many pairs each level of each factor has."""
        counted = (np.bincount(columns[f], pairs, len(factor.levels)) for f, factor in enumerate(self._factors))
        return [np.asarray(c, np.float64) for c in counted]

    def _tied(self, learned: Sequence[Floats]) -> list[Floats]:
        """The household's tables as each factor ties them to those of chance."""
        return [_household(factor, learned[f], self._random[f], self._groups[f]) for f, factor in enumerate(self._factors)]


def _of_families(factors: Sequence[Factor], seen: Histogram) -> list[Factor]:
    """The identifiers that mostly agree between two people: other given names, and other birth dates where they are known."""
    known, apart = np.zeros(len(seen.counts), bool), np.ones(len(seen.counts), bool)
    for f, factor in enumerate(factors):
        level = seen.patterns[:, f]
        if factor.joint is not None and factor.household in _BY_GIVEN_NAME:
            given = np.minimum(level // factor.joint.second, factor.joint.first)
            known |= given > 0
            apart &= given == factor.joint.first - 1
        elif factor.most_apart < 1:
            apart &= (level == 0) | (level == len(factor.levels) - 1)
    found = []
    for f, factor in enumerate(factors):
        if factor.own and factor.household is Household.RANDOM:
            same = np.isin(seen.patterns[:, f], factor.own) & known
            if seen.counts[same & apart].sum() > OF_A_FAMILY * seen.counts[same].sum():
                found.append(factor)
    return found


def _namesakes(factors: Sequence[Factor], patterns: npt.NDArray[np.uint8]) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_]]:
    """Which patterns are of pairs of one given name whom nothing else tells apart that is known to; and which of two given names."""
    same, other, apart = (np.zeros(len(patterns), bool) for _ in range(3))
    for f, factor in enumerate(factors):
        if factor.joint is not None and factor.household in _BY_GIVEN_NAME:
            given = np.where(patterns[:, f] < factor.joint.first * factor.joint.second, patterns[:, f] // factor.joint.second, 0)
            same |= (given > 0) & (given <= factor.joint.same[0])
            other |= given > factor.joint.same[0]
        elif factor.household is Household.RANDOM and not factor.own:  # one may have two cards, two passports
            apart |= patterns[:, f] == len(factor.levels) - 1
    return same & ~apart, other


def _agreeing(factors: Sequence[Factor], patterns: npt.NDArray[np.uint8]) -> dict[tuple[str, ...], npt.NDArray[np.bool_]]:
    """Which patterns are of records that agree on some columns: the first of a joint factor, or both."""
    found: dict[tuple[str, ...], npt.NDArray[np.bool_]] = {}
    for f, factor in enumerate(factors):
        joint = factor.joint
        if joint is not None and joint.same_first and joint.same_second:
            first, second = joint.same_first[0], joint.same_second[0]
            part = patterns[:, f] // joint.second
            found[(first,)] = (part > 0) & (part <= joint.same[0])
            found[(first, second)] = np.isin(patterns[:, f], _both_same(joint))
    return found


def _as_counted(
    factor: Factor, column: npt.NDArray[np.uint8], agree: dict[tuple[str, ...], npt.NDArray[np.bool_]]
) -> npt.NDArray[np.uint8]:
    """The level of each pattern by what its records agree on exactly (see `Chance.kindred_apart`)."""
    if not agree or not factor.kindred:
        return column
    size = len(factor.kindred[0].levels)
    place = (column - 1) % size
    found = 1 + place
    for kin in factor.kindred:
        found = np.where(agree[kin.columns], kin.levels[0] + place, found)
    return np.where(column == 0, column, found).astype(np.uint8)


def _within(values: Floats, groups: npt.NDArray[np.int64]) -> Floats:
    """`values` as shares of their group."""
    totals = np.bincount(groups, values)
    return np.asarray(np.maximum(values, 1e-12) / np.maximum(totals[groups], 1e-12), np.float64)


def _random(
    chance: Chance,
    taken: list[Floats],
    doubted: list[Floats],
    expected: list[Floats],
    groups: list[npt.NDArray[np.int64]],
    factors: Sequence[Factor],
) -> list[Floats]:
    """How often each level occurs by chance: what all pairs show, less what matches and households account for (`taken`).

    Of a joint factor, less what may be matches (`doubted`), as far as that is more than its parts agree by chance.
    """
    found = []
    spreads = chance.spread or ({},) * len(factors)
    for factor, pairs, away, doubt, unseen, usual, group, spread in zip(
        factors, chance.pairs, taken, doubted, chance.unseen, expected, groups, spreads, strict=True
    ):
        left = np.maximum(pairs - away, 0.0) if factor.joint is None else _joint_left(factor.joint, pairs, away, pairs - doubt, spread)
        totals = np.bincount(group, left)[group]
        if factor.joint is None:
            own = list(factor.own)
            left[own] *= DOUBTFUL_BY_CHANCE
            left = np.maximum(left, np.minimum(unseen, usual * totals))
            left[own] = np.minimum(left[own], MOST_BY_CHANCE * pairs[own])
        weight = np.maximum(RANDOM_PRIOR * np.sqrt(totals), LEAST_RANDOM_PRIOR)
        found.append(_within(left + weight * usual, group))
    return found


def _joint_left(joint: Joint, pairs: Floats, away: Floats, sure: Floats, spread: dict[tuple[int, int, int], float]) -> Floats:
    """The same for two parts that are independent by chance: taken off part by part, where the numbers are large."""
    size = joint.first * joint.second
    table, gone = (values[:size].reshape(joint.first, joint.second) for values in (pairs, away))
    left = np.maximum(pairs - away, 0.0)
    first, second = (np.maximum(table[1:, 1:].sum(axis) - gone[1:, 1:].sum(axis), 0.1 * table[1:, 1:].sum(axis)) for axis in (1, 0))
    both = np.outer(first, second) / max(first.sum(), 1.0)
    counted = _both_same(joint)
    # by chance both parts agree at least as often as if they knew nothing of each other, however much of it matches seem to explain;
    # and little more often, however little: else agreement would seem to be chance wherever nothing else tells that it is not
    agree = first[: joint.same[0]].sum() * second[: joint.same[1]].sum() / max(first.sum(), 1.0)
    apart = np.maximum(table - gone, 0.0)[1:, 1:]  # who agrees on one part alone tells how agreement on it spreads, with few matches in it
    one, other = apart[: joint.same[0], joint.same[1] :].sum(axis=1), apart[joint.same[0] :, : joint.same[1]].sum(axis=0)
    least = np.zeros(len(pairs))
    for (i, j, level), share in spread.items():
        least[level] += one[i - 1] * other[j - 1] * share
    least = agree * (least / least.sum() if least.sum() else pairs / max(pairs.sum(), 1.0))
    kept = np.minimum(left[counted], np.maximum(sure[counted], MOST_TOGETHER * least[counted]))
    lacking = max(agree - kept.sum(), 0.0)
    kept += lacking * pairs[counted] / max(pairs[counted].sum(), 1.0)
    left[:size].reshape(joint.first, joint.second)[1:, 1:] = both
    left[counted] = kept
    left[list(joint.never)] = 0.0
    return left


def _both_same(joint: Joint) -> list[int]:
    """The levels at which both parts are the same."""
    return [level for levels in joint.counted for level in levels if level < joint.first * joint.second]


def _household(factor: Factor, learned: Floats, random: Floats, groups: npt.NDArray[np.int64]) -> Floats:
    """The household's table under the factor's tie."""
    if factor.household is Household.FREE:
        return learned
    if factor.household is Household.RANDOM:
        same = (groups == 0) | (np.arange(len(random)) == 1)
        alike = min(max(float(learned[1]), factor.alike), factor.most_alike)
        return _within((1 - alike) * random + alike * same, groups)
    if factor.household is Household.GIVEN:
        return _within(household_given(random, factor.alike), groups)
    return _within(household_names(learned, random, factor.alike), groups)
