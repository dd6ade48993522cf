"""A population with the people who are hard to tell apart: households, twins, fathers and sons of one name, namesakes in one town.

Arrays with one entry per person, per household, per address; names and places are numbers until records are written of them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchmarks.identity.names import COMPANIES, STREETS, TOWNS, Ints, names, zipf

Days = NDArray[np.datetime64]
NONE = -1
HOUSEHOLD_SIZES = (0.36, 0.33, 0.14, 0.11, 0.045, 0.015)  # of 1, 2 … people
FLATSHARES = 0.08  # of the households: neither names nor community in common
BUILDINGS = 0.15  # of the households: they live in a house of ten
TWINS, NAMESAKES = 0.05, 0.05  # of the second and later children; of the first sons
MARRIED = 0.07  # of the women: some records bear the name from before
LANDLINES, SHARED_MAILS = 0.3, 0.04  # of the households of two and more
MOVED, MOVED_TOGETHER = 0.31, 0.6


@dataclass(frozen=True, slots=True)
class Addresses:
    """Town (0 …), postcode within the town, street, house number, flat (0: none)."""

    town: Ints
    postcode: Ints
    street: Ints
    number: Ints
    flat: Ints


@dataclass(frozen=True, slots=True)
class Population:
    """Who there is. Numbers of names are those of `names()`; NONE where there is nothing.

    `address` and `earlier` are rows of `addresses`; `mobile` has two numbers a person (the second may be NONE), `landline` is the
    household's, and `shared_mail` says whether it also has an e-mail that all of it use. Telephone numbers have ten digits.
    """

    household: Ints
    first: Ints
    last: Ints
    maiden: Ints
    born: Days
    address: Ints
    earlier: Ints
    mobile: Ints
    landline: Ints
    shared_mail: NDArray[np.bool_]
    company: Ints
    addresses: Addresses

    def __len__(self) -> int:
        return len(self.household)


def populate(count: int, random: np.random.Generator) -> Population:
    """`count` people, in their households."""
    size = random.choice(6, count, p=HOUSEHOLD_SIZES) + 1
    size = size[: np.searchsorted(np.cumsum(size), count) + 1]
    household = np.repeat(np.arange(len(size)), size)[:count]
    place = (np.arange(count) - np.repeat(np.cumsum(size) - size, size)[:count]).astype(np.int64)
    flatshare = ((random.random(len(size)) < FLATSHARES) & (size < 5))[household]
    head = np.maximum.accumulate(np.where((place == 0) | flatshare, np.arange(count), 0))  # of flatmates everyone is a head

    woman = random.random(count) < 0.5
    spouse = (place == 1) & ~flatshare
    woman = np.where(spouse, woman[head] ^ (random.random(count) < 0.97), woman)
    born = _born(place, head, random)
    twin = (place >= 3) & ~flatshare & (random.random(count) < TWINS)
    born[twin] = born[np.flatnonzero(twin) - 1]
    first, last, own_last = _names(household, place, head, woman, random)
    maiden = np.where(woman & (random.random(count) < MARRIED), own_last, NONE)

    addresses, address, earlier = _homes(household, len(size), count, random)
    town = addresses.town[address]
    several = size[household] > 1
    landline = _telephones(addresses.town[: len(size)], 2, random)
    landline[random.random(len(size)) > LANDLINES] = NONE
    second = np.where(random.random(count) < 0.28, _telephones(town, 6, random), NONE)
    return Population(
        household,
        first,
        last,
        np.where(maiden == last, NONE, maiden),
        born,
        address,
        earlier,
        np.stack([_telephones(town, 4, random), second], 1),
        np.where(several, landline[household], NONE),
        several & (random.random(len(size)) < SHARED_MAILS)[household],
        np.searchsorted(np.cumsum(zipf(COMPANIES, 0.8, 10)), random.random(count)).clip(0, COMPANIES - 1),
        addresses,
    )


def _born(place: Ints, head: Ints, random: np.random.Generator) -> Days:
    """Heads from 1932 to 2006, spouses near them, children a generation later; who would be a child today is a sibling instead."""
    count = len(place)
    head_day = np.int64(-13_800) + (np.sqrt(random.random(count)) * 0.55 + random.random(count) * 0.45) * 27_000
    near = head_day[head] + random.normal(0, 1_500, count)
    child = head_day[head] + random.uniform(20, 38, count) * 365.25
    day = np.select([head == np.arange(count), place == 1], [head_day, near], np.where(child < 13_500, child, near))
    day = np.where(np.abs(day) < 14_200, day, head_day)  # not the limit itself: many people would share that day
    return day.astype(np.int64).astype("M8[D]")


def _names(household: Ints, place: Ints, head: Ints, woman: NDArray[np.bool_], random: np.random.Generator) -> tuple[Ints, Ints, Ints]:
    """First names, last names, and the last names that people would have by birth: children their head's, spouses mostly."""
    count = len(place)
    communities = names().communities
    drawn = random.choice(len(communities), count, p=[c.share for c in communities])
    mixed = random.random(count) < 0.1  # of the couples
    community = np.where((place == 1) & mixed, drawn, drawn[head])
    own_last = np.empty(count, np.int64)
    for number, c in enumerate(communities):
        rows = np.flatnonzero(community == number)
        own_last[rows] = c.last.draw(random, len(rows))
    keeps_own = (place == 1) & (random.random(count) < 0.2)
    last = np.where(keeps_own, own_last, own_last[head])

    first = np.full(count, NONE)
    again = np.arange(count)
    for _ in range(4):  # no two of one household by the same name, but for sons named so
        for number, c in enumerate(communities):
            for gender in (0, 1):
                rows = again[(community[again] == number) & (woman[again] != bool(gender))]
                first[rows] = c.first[gender].draw(random, len(rows))
        key = household * 10_000 + first
        order = np.argsort(key, kind="stable")
        again = order[np.flatnonzero(np.diff(key[order]) == 0) + 1]
    son = (place == 2) & ~woman & ~woman[head] & (head != np.arange(count)) & (random.random(count) < NAMESAKES)
    return np.where(son, first[head], first), last, own_last


def _homes(household: Ints, households: int, count: int, random: np.random.Generator) -> tuple[Addresses, Ints, Ints]:
    """The addresses; each person's and, for those who moved, the one before: first the households', then theirs before, then persons'."""
    town = np.searchsorted(np.cumsum(zipf(TOWNS, 0.9, 5)), random.random(households)).clip(0, TOWNS - 1)
    moved_together = random.random(households) < MOVED * MOVED_TOGETHER
    moved_alone = np.flatnonzero(~moved_together[household] & (random.random(count) < MOVED * (1 - MOVED_TOGETHER)))
    towns = np.concatenate([town, town, town[household[moved_alone]]])
    before = np.arange(len(towns)) >= households
    elsewhere = np.searchsorted(np.cumsum(zipf(TOWNS, 0.9, 5)), random.random(len(towns))).clip(0, TOWNS - 1)
    towns = np.where(before & (random.random(len(towns)) < 0.45), elsewhere, towns)
    postcodes = 1 + 60 * 25 // (towns + 25)
    postcode = (random.random(len(towns)) * postcodes).astype(np.int64)
    # A postcode has about forty of the streets, the usual ones more often: which, follows from its number.
    common = np.searchsorted(np.cumsum(zipf(STREETS, 0.7, 5)), random.random(len(towns))).clip(0, STREETS - 1)
    local = ((towns * 61 + postcode) * 7_919 + random.integers(0, 30, len(towns)) * 104_729) % STREETS
    street = np.where(random.random(len(towns)) < 0.25, common, local)
    number = np.floor(1 + 1_500 * random.random(len(towns)) ** 2.2).astype(np.int64)
    flat = np.zeros(len(towns), np.int64)
    in_building = np.flatnonzero(random.random(households) < BUILDINGS)
    in_building = in_building[np.argsort(town[in_building], kind="stable")]
    first_of_ten = in_building[np.arange(len(in_building)) // 10 * 10]
    for part in (towns, postcode, street, number):
        part[in_building] = part[first_of_ten]
    flat[in_building] = 1 + np.arange(len(in_building)) % 10
    earlier = np.where(moved_together[household], households + household, NONE)
    earlier[moved_alone] = 2 * households + np.arange(len(moved_alone))
    return Addresses(towns, postcode, street, number, flat), household, earlier


def _telephones(town: Ints, leading: int, random: np.random.Generator) -> Ints:
    """A number for each, in its town's area, no two alike: `leading` and the next digit keep the kinds of number apart."""
    area = (201 + town) * 10_000_000
    numbers = np.zeros(len(town), np.int64)
    again = np.arange(len(town))
    while len(again):
        numbers[again] = area[again] + random.integers(leading * 1_000_000, (leading + 2) * 1_000_000, len(again))
        order = np.argsort(numbers, kind="stable")
        again = order[np.flatnonzero(np.diff(numbers[order]) == 0) + 1]
    return numbers
