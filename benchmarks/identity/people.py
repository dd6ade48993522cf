"""Noisy records of people, with the truth: of any size, from a seed, a million in less than a minute.

    python -m benchmarks.identity.people FILE.parquet|FILE.csv [--records 1000000] [--seed 0] [--poison] [--blind] [--second-phone]

Four sources know a person by one to six records. Values are missing, mistyped, abbreviated, outdated; nicknames, names from
before a marriage, moves, shared telephones and e-mails, role addresses, placeholders. One in seven true pairs has nothing but the
name in common. With `--poison` one date of birth stands in 4 % of the rows, as after a faulty import.
With `--second-phone` a third of the people have a further number, beside the first on all their records that have one, in either order.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet
from numpy.typing import NDArray

from benchmarks.identity.emails import Emails, emails
from benchmarks.identity.names import STREET_KINDS, STREET_NAMES, STREETS, TOWN_ENDINGS, TOWNS, Ints, names, words
from benchmarks.identity.noise import dates, replace, with_typos
from benchmarks.identity.population import NONE, Addresses, Population, populate

CLUSTER_SIZES = (0.545, 0.3, 0.11, 0.036, 0.007, 0.002)  # of 1, 2 … records: 0.57 true pairs a record
SOURCES = ("crm", "shop", "support", "loyalty")
SOURCE_WEIGHTS = (1.0, 0.9, 0.5, 0.7)
TWICE = 0.12  # of the later records of a person: in the same source as the one before
MISSING = {  # by source
    "first_name": (0.005, 0.01, 0.03, 0.01),
    "last_name": (0.003, 0.005, 0.02, 0.005),
    "birth_date": (0.18, 0.4, 0.45, 0.2),
    "email": (0.4, 0.14, 0.32, 0.4),
    "phone": (0.2, 0.38, 0.25, 0.42),
    "street": (0.06, 0.06, 0.1, 0.06),
    "city": (0.02, 0.02, 0.04, 0.02),
    "postcode": (0.03, 0.02, 0.06, 0.03),
}
NO_ADDRESS = (0.1, 0.28, 0.55, 0.32)  # by source: neither street nor town nor postcode
NICKNAME, INITIAL, EXCHANGED = 0.14, 0.012, 0.006
MAIDEN, EARLIER, SECOND_PHONE, LANDLINE, SWITCHBOARD, HOUSEHOLD_MAIL, ROLE_MAIL = 0.35, 0.5, 0.45, 0.4, 0.012, 0.5, 0.012
TYPOS = {"first_name": 0.035, "last_name": 0.04, "email": 0.02, "phone": 0.015, "street": 0.04, "city": 0.025, "postcode": 0.012}
SEVERAL_PHONES = 1 / 3
WRONG_DATE, PLACEHOLDER_DATE, PLACEHOLDER_PHONE = 0.03, 0.006, 0.004
UPPER = (0.02, 0.03, 0.3, 0.6)  # by source: the share of records in capitals
LOWER = (0.01, 0.15, 0.05, 0.0)
POISON, POISONED = "2008-01-01", 0.04
ROW_GROUP = 125_000  # DuckDB reads one row group per thread


def people(records: int, seed: int = 0, *, poison: bool = False) -> pa.Table:
    """A table of text: source, rec_id, cluster_id and household_id (the truth), eight attributes. The poison changes nothing else."""
    random = np.random.default_rng(seed)
    size = random.choice(len(CLUSTER_SIZES), records, p=CLUSTER_SIZES) + 1
    size = size[: np.searchsorted(np.cumsum(size), records) + 1]
    world = populate(len(size), random)
    mail = emails(world, random)
    person = np.repeat(np.arange(len(size)), size)[:records]
    source = _sources(person, np.cumsum(size) - size, random)

    columns = _names(world, person, random)
    columns["birth_date"] = _birth_dates(world, person, random)
    columns["email"] = _mails(world, mail, person, random)
    columns["phone"] = _phones(world, person, random)
    columns |= _places(world, person, random)
    for name, share in TYPOS.items():
        columns[name] = with_typos(columns[name], share, random)
    dice = random.random(records)  # a record is written in capitals or not, as a whole
    columns |= {name: _cased(columns[name], source, dice) for name in ("first_name", "last_name", "street", "city")}
    columns["email"] = _cased(columns["email"], source, random.random(records) * 4)
    no_address = random.random(records) < np.array(NO_ADDRESS)[source]
    for name, shares in MISSING.items():
        missing = random.random(records) < np.array(shares)[source]
        columns[name] = _without(columns[name], missing | no_address if name in ("street", "city", "postcode") else missing)
    if poison:
        hit = np.flatnonzero(np.random.default_rng(seed + 1).random(records) < POISONED)
        columns["birth_date"] = replace(columns["birth_date"], hit, pa.array([POISON] * len(hit)))

    order = pa.array(random.permutation(records))
    truth = {"cluster_id": person, "household_id": world.household[person]}
    keys = {"source": pa.array(SOURCES).take(pa.array(source)), "rec_id": pa.array(random.permutation(records) + 1)}
    table = pa.table({name: pa.array(column).cast(pa.string()) for name, column in (keys | truth | columns).items()})
    return table.take(order).combine_chunks()


def with_second_phones(table: pa.Table, seed: int = 0) -> pa.Table:
    """`people` with a column `phone_2`: a third of the people have a number of their own more, written before or behind the other."""
    random = np.random.default_rng(seed + 2)
    person = table.column("cluster_id").combine_chunks().cast(pa.int64()).to_numpy()
    numbers = random.integers(2_000_000_000, 9_000_000_000, person.max() + 1)
    several = random.random(person.max() + 1) < SEVERAL_PHONES
    first = table.column("phone").combine_chunks()
    second = _without(pa.array(numbers[person]).cast(pa.string()), ~several[person] | np.asarray(first.is_null()))
    exchanged = pa.array((random.random(len(person)) < 0.5) & np.asarray(second.is_valid()))
    at = table.column_names.index("phone")
    swapped = table.set_column(at, "phone", pc.if_else(exchanged, second, first))
    return swapped.add_column(at + 1, "phone_2", pc.if_else(exchanged, first, second))


def write(table: pa.Table, path: Path) -> None:
    """As Parquet, or as CSV with nothing for null, by the ending."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".csv":
        pyarrow.csv.write_csv(table, path)
    else:
        pyarrow.parquet.write_table(table, path, row_group_size=ROW_GROUP)


def made(records: int, folder: Path) -> Path:
    """So many people in a new file in `folder`."""
    file = folder / "people.parquet"
    write(people(records), file)
    return file


def _sources(person: Ints, first_record: Ints, random: np.random.Generator) -> Ints:
    """A person's records are in different sources, but for a few twice in one."""
    order = np.argsort(random.exponential(size=(len(first_record), len(SOURCES))) / SOURCE_WEIGHTS, axis=1)
    place = np.arange(len(person)) - first_record[person]
    place -= (place > 0) & (random.random(len(person)) < TWICE)
    return np.asarray(order[person, place % len(SOURCES)], np.int64)


def _names(world: Population, person: Ints, random: np.random.Generator) -> dict[str, pa.Array]:
    count = len(person)
    first, last = world.first[person], world.last[person]
    short = names().nicknames[first, random.integers(0, 3, count)]
    first = np.where((short >= 0) & (random.random(count) < NICKNAME), short, first)
    maiden = world.maiden[person]
    last = np.where((maiden != NONE) & (random.random(count) < MAIDEN), maiden, last)
    given, family = pa.array(names().first).take(pa.array(first)), pa.array(names().last).take(pa.array(last))
    given = pc.if_else(
        pa.array(random.random(count) < INITIAL), pc.binary_join_element_wise(pc.utf8_slice_codeunits(given, 0, 1), ".", ""), given
    )
    exchanged, plain = pa.array(random.random(count) < EXCHANGED), pa.array(random.random(count) < 0.5)
    given, family = pc.if_else(exchanged, family, given), pc.if_else(exchanged, given, family)
    return {"first_name": pc.if_else(plain, _unaccented(given), given), "last_name": pc.if_else(plain, _unaccented(family), family)}


def _unaccented(column: pa.Array) -> pa.Array:
    column = pc.replace_substring(pc.replace_substring(column, "Đ", "D"), "đ", "d")
    return pc.replace_substring_regex(pc.utf8_normalize(column, "NFKD"), r"\p{Mn}", "")


def _birth_dates(world: Population, person: Ints, random: np.random.Generator) -> pa.Array:
    text = dates(world.born[person], WRONG_DATE, random)
    hit = np.flatnonzero(random.random(len(person)) < PLACEHOLDER_DATE)
    return replace(text, hit, pa.array(["1900-01-01", "1900-01-01", "1970-01-01"]).take(pa.array(random.integers(0, 3, len(hit)))))


def _mails(world: Population, mail: Emails, person: Ints, random: np.random.Generator) -> pa.Array:
    count = len(person)
    which = np.where(random.random(count) < 0.65, 0, random.integers(1, 3, count))
    chosen = mail.own[person, which]
    chosen = np.where(chosen == NONE, mail.own[person, 0], chosen)
    household = mail.household[person]
    chosen = np.where((household != NONE) & (random.random(count) < HOUSEHOLD_MAIL), household, chosen)
    chosen = np.where(random.random(count) < ROLE_MAIL, mail.role[world.company[person]], chosen)
    return mail.text.take(pa.array(chosen))


def _phones(world: Population, person: Ints, random: np.random.Generator) -> pa.Array:
    count = len(person)
    number, second, landline = world.mobile[person, 0], world.mobile[person, 1], world.landline[person]
    number = np.where((second != NONE) & (random.random(count) < SECOND_PHONE), second, number)
    number = np.where((landline != NONE) & (random.random(count) < LANDLINE), landline, number)
    switchboard = 8_880_000_000 + world.company[person]
    number = np.where(random.random(count) < SWITCHBOARD, switchboard, number)
    number = np.where(random.random(count) < PLACEHOLDER_PHONE, random.choice([0, 9_999_999_999, 5_555_555_555], count), number)
    digits = pc.utf8_lpad(pa.array(number).cast(pa.string()), 10, "0")
    area, exchange, line = (pc.utf8_slice_codeunits(digits, a, b) for a, b in ((0, 3), (3, 6), (6, 10)))
    written = (
        digits,
        pc.binary_join_element_wise(area, exchange, line, "-"),
        pc.binary_join_element_wise(pc.binary_join_element_wise("(", area, ") ", exchange, ""), line, "-"),
        pc.binary_join_element_wise("+1", digits, ""),
        pc.binary_join_element_wise("+1", area, exchange, line, " "),
        pc.binary_join_element_wise("1", area, exchange, line, "-"),
    )
    return pc.choose(pa.array(random.choice(6, count, p=(0.3, 0.2, 0.2, 0.15, 0.1, 0.05))), *written)


def _places(world: Population, person: Ints, random: np.random.Generator) -> dict[str, pa.Array]:
    """Street with number, and flat in half the records; town and postcode of the same address."""
    count = len(person)
    at = np.where((world.earlier[person] != NONE) & (random.random(count) < EARLIER), world.earlier[person], world.address[person])
    home = Addresses(*(getattr(world.addresses, part)[at] for part in ("town", "postcode", "street", "number", "flat")))
    abbreviated = np.where(random.random(count) < 0.5, STREETS, 0)
    street = pc.binary_join_element_wise(
        pa.array(home.number).cast(pa.string()), _street_names().take(pa.array(home.street + abbreviated)), " "
    )
    flat = pa.array(home.flat).cast(pa.string())
    how = np.where(home.flat == 0, 3, random.choice(4, count, p=(0.3, 0.15, 0.1, 0.45)))
    suffix = (pc.binary_join_element_wise(street, flat, mark) for mark in (" Apt ", " #", ", Unit "))
    postcode = pa.array(home.town + 100).cast(pa.string())
    return {
        "street": pc.choose(pa.array(how), *suffix, street),
        "city": pa.array(words(np.random.default_rng(5), TOWN_ENDINGS, TOWNS)).take(pa.array(home.town)),
        "postcode": pc.binary_join_element_wise(postcode, pc.utf8_lpad(pa.array(home.postcode).cast(pa.string()), 2, "0"), ""),
    }


def _street_names() -> pa.Array:
    """Every street in full, then every street abbreviated."""
    random = np.random.default_rng(4)
    stems = [*STREET_NAMES, *words(random, TOWN_ENDINGS, STREETS - len(STREET_NAMES))]
    shares = np.array([share for _, _, share in STREET_KINDS])
    kinds = [STREET_KINDS[k] for k in random.choice(len(STREET_KINDS), STREETS, p=shares / shares.sum())]
    return pa.array([f"{stem} {kind[form]}" for form in (0, 1) for stem, kind in zip(stems, kinds, strict=True)])


def _cased(column: pa.Array, source: Ints, dice: NDArray[np.float64]) -> pa.Array:
    upper, lower = dice < np.array(UPPER)[source], dice > 1 - np.array(LOWER)[source]
    return pc.case_when(pc.make_struct(pa.array(upper), pa.array(lower)), pc.utf8_upper(column), pc.utf8_lower(column), column)


def _without(column: pa.Array, missing: NDArray[np.bool_]) -> pa.Array:
    return pc.if_else(pa.array(missing), pa.scalar(None, pa.string()), column)


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", type=Path)
    parser.add_argument("--records", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--poison", action="store_true", help=f"{POISON} as date of birth in {POISONED:.0%}% of the rows")
    parser.add_argument("--blind", action="store_true", help="leave out household_id, which no system may see")
    parser.add_argument("--second-phone", action="store_true", help="a third of the people have a further number, in either order")
    args = parser.parse_args()
    table = people(args.records, args.seed, poison=args.poison)
    if args.second_phone:
        table = with_second_phones(table, args.seed)
    write(table.drop_columns(["household_id"]) if args.blind else table, args.file)


if __name__ == "__main__":
    main()
