"""What people, towns and streets are called, and how often: skewed as real names are, because rare and common names are not alike evidence.

First and last names with their frequencies are Faker's (United States, Mexico, India, Vietnam); Faker's thousand American surnames
are only the head, so a tail of pronounceable surnames is added. Names go together within a community: a joint name is more
common than the product of its halves says.
"""

# ruff: noqa: SIM905 (thirty quoted syllables read worse than a text of them)
from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
from faker.providers.person import en_IN, en_US, es_MX, vi_VN
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

TAIL = 40_000  # surnames that follow the thousand
TAIL_SHARE = 0.5
TOWNS = 600
STREETS = 2_500
COMPANIES = 6_000

ONSETS = "B Br C Ch D Dr F Fl G Gr H J K Kl L M N P Pr R S Sch St T Tr V W Z".split()
VOWELS = "a e i o u ai ea ie oo ou".split()
MIDDLES = "b ck d dd ft g l ll ld lm m mm n nd nn ng r rd rn rr s ss st t tt v z".split()
ENDINGS = "er man son berg ton ley ford wood field stein ski ov ez ini well ham by den dahl elli eau ak ic as us".split()
TOWN_ENDINGS = "ton ville burg field ford port wood dale mouth haven ridge brook view land bury".split()
STREET_NAMES = (
    "Main Oak Park Maple Church Cedar Elm Washington Lake Hill Pine Second Third First High Mill River Spring Station Walnut".split()
)
STREET_KINDS = (
    *(("Street", "St", 0.34), ("Avenue", "Ave", 0.2), ("Road", "Rd", 0.16), ("Drive", "Dr", 0.12)),
    *(("Lane", "Ln", 0.08), ("Court", "Ct", 0.05), ("Boulevard", "Blvd", 0.03), ("Place", "Pl", 0.02)),
)

NICKNAMES = """
Abigail Abby Gail|Alexander Alex Xander|Alexandra Alex Sandra|Alexis Alex|Amanda Mandy|Andrea Andie|Andrew Andy Drew|Angela Angie
Anthony Tony|Barbara Barb Babs|Benjamin Ben Benji|Bradley Brad|Cassandra Cassie|Catherine Cathy Kate|Charles Charlie Chuck
Christina Tina Chris|Christine Chris Chrissy|Christopher Chris Topher|Cynthia Cindy|Daniel Dan Danny|David Dave|Deborah Deb Debbie
Donald Don Donnie|Dorothy Dot Dottie|Douglas Doug|Edward Ed Eddie Ted|Elizabeth Liz Beth Betty|Emily Em|Frances Fran|Frederick Fred
Gabriel Gabe|Gerald Jerry|Gregory Greg|Jacob Jake|Jacqueline Jackie|James Jim Jimmy|Jason Jay|Jeffrey Jeff|Jennifer Jen Jenny
Jessica Jess Jessie|John Jack Johnny|Jonathan Jon|Joseph Joe Joey|Joshua Josh|Judith Judy|Katherine Kathy Kate Katie|Kathleen Kathy
Kenneth Ken Kenny|Kimberly Kim|Lawrence Larry|Leonard Len|Margaret Maggie Peggy Meg|Matthew Matt|Melissa Mel Missy|Michael Mike Mick
Michelle Shelly|Nancy Nan|Natalie Nat|Nathan Nate|Nathaniel Nate|Nicholas Nick|Nicole Nicky|Pamela Pam|Patricia Pat Patty Trish
Patrick Pat Paddy|Peter Pete|Philip Phil|Phillip Phil|Raymond Ray|Rebecca Becky Becca|Richard Rick Dick Rich|Robert Bob Rob Bobby
Ronald Ron Ronnie|Samantha Sam|Samuel Sam|Sandra Sandy|Sarah Sally|Stephanie Steph|Stephen Steve|Steven Steve|Susan Sue Susie
Teresa Terry Tess|Theodore Ted Theo|Theresa Terry Tess|Thomas Tom Tommy|Timothy Tim|Victoria Vicky Tori|Vincent Vince|Virginia Ginny
William Bill Will Billy|Zachary Zach|Guadalupe Lupe|Francisco Paco Pancho|Jesús Chuy|José Pepe|Ignacio Nacho|Alejandro Alex
"""


@dataclass(frozen=True, slots=True)
class Pool:
    """Numbers that stand for values elsewhere, and how likely each is (in any unit)."""

    numbers: Ints
    weights: Floats

    def draw(self, random: np.random.Generator, count: int) -> Ints:
        """`count` numbers by their weights."""
        ends = np.cumsum(self.weights)
        at = np.searchsorted(ends, random.random(count) * ends[-1], side="right").clip(0, len(ends) - 1)
        return np.asarray(self.numbers[at], np.int64)


@dataclass(frozen=True, slots=True)
class Community:
    """People who share names: their share of all, their surnames, the first names of women and of men."""

    share: float
    last: Pool
    first: tuple[Pool, Pool]


@dataclass(frozen=True, slots=True)
class Names:
    """Every first and last name, by the numbers that the communities' pools draw; nicknames by the number of their first name."""

    first: tuple[str, ...]
    last: tuple[str, ...]
    communities: tuple[Community, ...]
    nicknames: Ints  # first name × 3: numbers of first names, repeated to fill three; -1 if there is none


def zipf(count: int, exponent: float, offset: float = 0) -> Floats:
    """How likely the first, second … of `count` values is."""
    weights = (np.arange(1, count + 1) + offset) ** -exponent
    return np.asarray(weights / weights.sum(), np.float64)


def word(random: np.random.Generator, endings: list[str]) -> str:
    """A pronounceable name: Brallston, Theifield."""
    parts = [ONSETS, VOWELS, MIDDLES, endings] if random.random() < 0.8 else [ONSETS, VOWELS, MIDDLES, VOWELS, MIDDLES, endings]
    return "".join(part[random.integers(len(part))] for part in parts)


def words(random: np.random.Generator, endings: list[str], count: int) -> list[str]:
    """As many different ones."""
    found: dict[str, None] = {}
    while len(found) < count:
        found[word(random, endings)] = None
    return list(found)


@cache
def names() -> Names:
    """The same in every world: worlds differ in who bears them."""
    random = np.random.default_rng(1)
    first: dict[str, int] = {}
    last: dict[str, int] = {}

    def pool(numbers: dict[str, int], values: list[str], weights: Floats) -> Pool:
        return Pool(np.array([numbers.setdefault(value, len(numbers)) for value in values]), weights)

    def skewed(numbers: dict[str, int], values: tuple[str, ...], exponent: float) -> Pool:
        order = [str(value) for value in random.permutation(sorted(set(values)))]
        return pool(numbers, order, zipf(len(order), exponent))

    us, mx, india, vietnam = en_US.Provider, es_MX.Provider, en_IN.Provider, vi_VN.Provider
    women = pool(first, list(us.first_names_female), np.array([*us.first_names_female.values()]))
    men = pool(first, list(us.first_names_male), np.array([*us.first_names_male.values()]))
    head = np.array([*us.last_names.values()])
    weights = np.concatenate([head / head.sum() * (1 - TAIL_SHARE), zipf(TAIL, 1.0, 300) * TAIL_SHARE])
    surnames = pool(last, [*us.last_names, *words(random, ENDINGS, TAIL)], weights)
    communities = [Community(0.785, surnames, (women, men))]
    for share, theirs, exponent in ((0.13, mx, 0.6), (0.07, india, 0.7), (0.015, vietnam, 0.9)):
        own = [skewed(first, tuple(values), 0.7) for values in (theirs.first_names_female, theirs.first_names_male)]
        both = [
            Pool(np.r_[a.numbers, b.numbers], np.r_[a.weights, b.weights / b.weights.sum()]) for a, b in zip(own, (women, men), strict=True)
        ]
        communities.append(Community(share, skewed(last, tuple(theirs.last_names), exponent), (both[0], both[1])))
    short = {line.split()[0]: line.split()[1:] for line in NICKNAMES.replace("\n", "|").split("|") if line}
    for nickname in (n for some in short.values() for n in some):
        first.setdefault(nickname, len(first))
    nicknames = np.full((len(first), 3), -1)
    for name, some in short.items():
        if name in first:
            nicknames[first[name]] = [first[nick] for nick in (some * 3)[:3]]
    return Names(tuple(first), tuple(last), tuple(communities), nicknames)
