"""E-mail addresses: what people make of their names, no two people's alike, and those that belong to nobody alone."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from benchmarks.identity.names import COMPANIES, ENDINGS, ONSETS, VOWELS, Ints, names, words, zipf
from benchmarks.identity.population import NONE, Population

PROVIDERS = ("gmail.com", "yahoo.com", "hotmail.com", "outlook.com", "icloud.com", "aol.com", "comcast.net", "proton.me", "mail.com")
PROVIDER_SHARES = (0.44, 0.16, 0.11, 0.09, 0.07, 0.05, 0.04, 0.02, 0.02)
ROLES = ("info", "office", "contact", "sales", "hello")
PATTERNS = (0.24, 0.13, 0.16, 0.17, 0.09, 0.05, 0.1, 0.06)  # in the order of `_locals`
AT_WORK = 0.35  # of the second addresses


@dataclass(frozen=True, slots=True)
class Emails:
    """All addresses; by person the first, the second and the third (NONE: has none), the household's; by company the role's."""

    text: pa.Array
    own: Ints
    household: Ints
    role: Ints


def emails(people: Population, random: np.random.Generator) -> Emails:
    """Every person has one, two of five a second, some a third."""
    count = len(people)
    companies = [
        name.lower() + ".com" for name in words(np.random.default_rng(2), ["soft", "works", "corp", "tech", "bank", "group"], COMPANIES)
    ]
    domains = pa.array([*PROVIDERS, *companies])
    second, third = (np.flatnonzero(random.random(count) < share) for share in (0.38, 0.08))
    person = np.concatenate([np.arange(count), second, third])
    domain = random.choice(len(PROVIDERS), len(person), p=PROVIDER_SHARES)
    at_work = (np.arange(len(person)) >= count) & (random.random(len(person)) < AT_WORK)
    domain = np.where(at_work, len(PROVIDERS) + people.company[person], domain)
    own = _unlike(_locals(people, person, at_work, random), domains.take(pa.array(domain)), random)

    sharing = np.flatnonzero(people.shared_mail)
    households, first_member = np.unique(people.household[sharing], return_index=True)
    lasts = _plain(names().last).take(pa.array(people.last[sharing[first_member]]))
    number = pa.array(households).cast(pa.string())
    provider = domains.take(pa.array(random.choice(len(PROVIDERS), len(households), p=PROVIDER_SHARES)))
    shared = pc.binary_join_element_wise("the", lasts, "family", number, "@", provider, "")
    roles = pc.binary_join_element_wise(pa.array([ROLES[i % len(ROLES)] for i in range(COMPANIES)]), pa.array(companies), "@")

    mine = np.full((count, 3), NONE)
    mine[:, 0] = np.arange(count)
    mine[second, 1] = count + np.arange(len(second))
    mine[third, 2] = count + len(second) + np.arange(len(third))
    household = np.full(count, NONE)
    household[sharing] = len(person) + np.searchsorted(households, people.household[sharing])
    role = len(person) + len(households) + np.arange(COMPANIES)
    return Emails(pa.concat_arrays([own, shared, roles]), mine, household, role)


def _locals(people: Population, person: Ints, at_work: np.ndarray, random: np.random.Generator) -> pa.Array:
    """What stands before the @."""
    first = _plain(names().first).take(pa.array(people.first[person]))
    last = _plain(names().last).take(pa.array(people.last[person]))
    f, l1 = pc.utf8_slice_codeunits(first, 0, 1), pc.utf8_slice_codeunits(last, 0, 1)
    year = pa.array(people.born[person].astype("M8[Y]").astype(int) + 1970).cast(pa.string())
    year = pc.if_else(pa.array(random.random(len(person)) < 0.6), pc.utf8_slice_codeunits(year, 2, 4), year)
    digits = pa.array(random.integers(1, 1000, len(person))).cast(pa.string())
    handles = pa.array([w.lower() for w in words(np.random.default_rng(3), [*ENDINGS, *VOWELS, *(o.lower() for o in ONSETS)], 3_000)])
    handle = pc.binary_join_element_wise(
        *(handles.take(pa.array(random.choice(3_000, len(person), p=zipf(3_000, 0.5)))) for _ in range(2)), digits, ""
    )
    made = (
        pc.binary_join_element_wise(first, last, "."),
        pc.binary_join_element_wise(first, last, ""),
        pc.binary_join_element_wise(f, last, ""),
        pc.binary_join_element_wise(first, last, year, ""),
        pc.binary_join_element_wise(first, digits, ""),
        pc.binary_join_element_wise(last, l1, f, digits, ""),
        handle,
        pc.binary_join_element_wise(pc.binary_join_element_wise(first, last, "_"), digits, ""),
    )
    pattern = np.where(at_work, random.choice([0, 2], len(person)), random.choice(len(PATTERNS), len(person), p=PATTERNS))
    return pc.choose(pa.array(pattern), *made)


def _unlike(local: pa.Array, domain: pa.Array, random: np.random.Generator) -> pa.Array:
    """Whole addresses; who comes second with one adds a number, as everybody must."""
    text = pc.binary_join_element_wise(local, domain, "@")
    suffix = np.zeros(len(local), np.int64)
    for width in (90, 900, 9_000, 90_000, 900_000):
        codes = pc.dictionary_encode(text).combine_chunks() if isinstance(text, pa.ChunkedArray) else pc.dictionary_encode(text)
        first_with_it = np.unique(codes.indices.to_numpy(), return_index=True)[1]
        again = np.ones(len(local), bool)
        again[first_with_it] = False
        if not again.any():
            break
        suffix[again] = random.integers(2, width, again.sum())
        added = pc.if_else(pa.array(suffix > 0), pa.array(suffix).cast(pa.string()), "")
        text = pc.binary_join_element_wise(pc.binary_join_element_wise(local, added, ""), domain, "@")
    return text


def _plain(values: tuple[str, ...]) -> pa.Array:
    """Lower case letters of the alphabet."""
    ascii_only = (unicodedata.normalize("NFKD", v.replace("Đ", "D").replace("đ", "d")).encode("ascii", "ignore").decode() for v in values)
    return pa.array(["".join(c for c in v.lower() if c.isalpha()) for v in ascii_only])
