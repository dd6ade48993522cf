"""One Splink model per kind of data: columns made ready, rules, comparisons, training.

febrl and fake_1000 are Splink 5.0's own example notebooks (febrl3, febrl4, accuracy_analysis_from_labels_column), parameter by
parameter. The others follow its pages "Tips for building your own model" and "Scaling up": values cleaned in SQL, what means
"unknown" made null, ten to fifteen strict rules for prediction, term frequencies, `max_pairs` of ten million for large data. Of the
variants tried (names joined or apart, rules on the address or none, more training rules) the one that scored best with the truth is here.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import splink.comparison_library as cl
from splink import Linker, SettingsCreator, block_on

FEW, MANY = 1e6, 1e7  # pairs to estimate u from, as the notebooks have it and as the pages want it for large data
FEBRL = ("soc_sec_id", "given_name", "surname", "date_of_birth", "postcode")


@dataclass(frozen=True)
class Model:
    """`columns` is the select list over the file's text columns, `rec_id` first. `link`: two sources, each without duplicates."""

    columns: str
    predict_on: Sequence[Any]
    comparisons: Callable[[], list[Any]]
    deterministic: Sequence[Any]
    recall: float
    train_on: Sequence[Any]
    link: bool = False
    u_pairs: float = FEW
    em: dict[str, Any] = field(default_factory=dict)


def settings(model: Model) -> SettingsCreator:
    """What a linker is made with."""
    return SettingsCreator(
        link_type="link_only" if model.link else "dedupe_only",
        unique_id_column_name="rec_id",
        blocking_rules_to_generate_predictions=list(model.predict_on),
        comparisons=model.comparisons(),
        retain_matching_columns=False,
    )


def train(linker: Linker, model: Model) -> None:
    """The three steps that the documentation has in this order."""
    linker.training.estimate_probability_two_random_records_match(list(model.deterministic), recall=model.recall)
    linker.training.estimate_u_using_random_sampling(max_pairs=model.u_pairs, seed=2)
    for rule in model.train_on:
        linker.training.estimate_parameters_using_expectation_maximisation(rule, **model.em)


def tf(comparison: Any) -> Any:
    """With term frequencies."""
    return comparison.configure(term_frequency_adjustments=True)


def febrl_dob() -> Any:
    return cl.DateOfBirthComparison("date_of_birth", input_is_string=True, datetime_format="%Y%m%d")


FEBRL3 = Model(
    columns="rec_id, given_name, surname, trim(date_of_birth) AS date_of_birth, trim(soc_sec_id) AS soc_sec_id, street_number, postcode",
    predict_on=[block_on(column) for column in FEBRL],
    comparisons=lambda: [
        cl.NameComparison("given_name"),
        cl.NameComparison("surname"),
        febrl_dob(),
        cl.DamerauLevenshteinAtThresholds("soc_sec_id", [2]),
        tf(cl.ExactMatch("street_number")),
        tf(cl.ExactMatch("postcode")),
    ],
    deterministic=[
        block_on("soc_sec_id"),
        block_on("given_name", "surname", "date_of_birth"),
        "l.given_name = r.surname and l.surname = r.given_name and l.date_of_birth = r.date_of_birth",
    ],
    recall=0.9,
    train_on=[block_on("date_of_birth"), block_on("postcode")],
)

FEBRL4 = Model(
    columns=FEBRL3.columns + ", state, address_1",
    predict_on=[
        block_on("given_name", "surname"),
        "l.given_name = r.surname and l.surname = r.given_name",
        block_on("date_of_birth"),
        block_on("soc_sec_id"),
        block_on("state", "address_1"),
        block_on("street_number", "address_1"),
        block_on("postcode"),
    ],
    comparisons=lambda: [
        tf(cl.NameComparison("given_name")),
        tf(cl.NameComparison("surname")),
        febrl_dob(),
        cl.DamerauLevenshteinAtThresholds("soc_sec_id", [1, 2]),
        tf(cl.ExactMatch("street_number")),
        tf(cl.DamerauLevenshteinAtThresholds("postcode", [1, 2])),
    ],
    deterministic=[block_on("soc_sec_id"), block_on("given_name", "surname", "date_of_birth")],
    recall=0.8,
    train_on=[block_on("date_of_birth"), block_on("postcode")],
    link=True,
    em={"estimate_without_term_frequencies": True},
)

FAKE = Model(
    columns="rec_id, first_name, surname, try_cast(dob AS DATE) AS dob, city, email",
    predict_on=[block_on("first_name"), block_on("surname"), block_on("dob"), block_on("email")],
    comparisons=lambda: [
        cl.ForenameSurnameComparison("first_name", "surname"),
        cl.DateOfBirthComparison("dob", input_is_string=False),
        tf(cl.ExactMatch("city")),
        cl.EmailComparison("email"),
    ],
    deterministic=[
        "l.first_name = r.first_name and levenshtein(r.dob::VARCHAR, l.dob::VARCHAR) <= 1",
        "l.surname = r.surname and levenshtein(r.dob::VARCHAR, l.dob::VARCHAR) <= 1",
        "l.first_name = r.first_name and levenshtein(r.surname, l.surname) <= 2",
        "l.email = r.email",
    ],
    recall=0.7,
    train_on=[block_on("dob"), block_on("email"), block_on("first_name", "surname")],
    em={"estimate_without_term_frequencies": True},
)

PSEUDOPEOPLE = Model(
    columns="""rec_id, lower(trim(first_name)) AS first_name, lower(trim(last_name)) AS last_name,
        upper(left(trim(middle), 1)) AS middle, date_of_birth,
        nullif(regexp_replace(ssn, '[^0-9]', '', 'g'), '') AS ssn, street_number, lower(street_name) AS street_name, unit_number""",
    predict_on=[
        block_on("ssn"),
        block_on("first_name", "last_name"),
        block_on("first_name", "date_of_birth"),
        block_on("last_name", "date_of_birth"),
        block_on("substr(first_name,1,3)", "substr(last_name,1,4)"),
        "l.first_name = r.last_name and l.last_name = r.first_name",  # rules on the address halve its precision: it merges households
    ],
    comparisons=lambda: [
        tf(cl.NameComparison("first_name")),
        tf(cl.NameComparison("last_name")),
        cl.DateOfBirthComparison("date_of_birth", input_is_string=True, datetime_format="%m/%d/%Y"),
        cl.DamerauLevenshteinAtThresholds("ssn", [1, 2]),
        tf(cl.ExactMatch("middle")),
        tf(cl.ExactMatch("street_number")),
        tf(cl.JaroWinklerAtThresholds("street_name", [0.9])),
    ],
    deterministic=[
        block_on("ssn"),
        block_on("first_name", "last_name", "date_of_birth"),
        block_on("first_name", "last_name", "street_name"),
    ],
    recall=0.8,
    train_on=[block_on("first_name", "last_name"), block_on("date_of_birth"), block_on("ssn")],
    u_pairs=MANY,
    em={"estimate_without_term_frequencies": True},
)

UNKNOWN_PHONE = "^1?(0{10}|9{10}|5{10})$"
PEOPLE = Model(
    columns=f"""rec_id, lower(strip_accents(trim(first_name))) AS first_name, lower(strip_accents(trim(last_name))) AS last_name,
        CASE WHEN birth_date NOT IN ('1900-01-01', '1970-01-01') THEN birth_date END AS birth_date,
        CASE WHEN NOT regexp_matches(lower(email), '^(info|office|contact|sales|hello)@') THEN lower(email) END AS email,
        CASE WHEN NOT regexp_matches(regexp_replace(phone, '[^0-9]', '', 'g'), '{UNKNOWN_PHONE}')
            THEN right(regexp_replace(phone, '[^0-9]', '', 'g'), 10) END AS phone,
        regexp_replace(regexp_replace(lower(street), '( apt |, unit | #).*$', ''), ' [a-z]+$', '') AS street,
        lower(city) AS city, postcode""",
    predict_on=[
        block_on("email"),
        block_on("phone"),
        block_on("last_name", "birth_date"),
        block_on("first_name", "birth_date"),
        block_on("birth_date", "postcode"),
        block_on("first_name", "last_name", "postcode"),
        block_on("first_name", "last_name", "city"),
        block_on("street", "postcode", "first_name"),
        block_on("substr(first_name,1,3)", "substr(last_name,1,4)", "substr(postcode,1,3)"),
        block_on("first_name", "last_name", "substr(birth_date,1,4)"),
        "l.first_name = r.last_name and l.last_name = r.first_name",
    ],
    comparisons=lambda: [
        tf(cl.NameComparison("first_name")),
        tf(cl.NameComparison("last_name")),
        cl.DateOfBirthComparison("birth_date", input_is_string=True),
        cl.EmailComparison("email"),
        cl.DamerauLevenshteinAtThresholds("phone", [1, 2]),
        tf(cl.JaroWinklerAtThresholds("street", [0.9])),
        tf(cl.ExactMatch("postcode")),
        tf(cl.ExactMatch("city")),
    ],
    deterministic=[block_on("email", "first_name"), block_on("phone", "first_name"), block_on("first_name", "last_name", "birth_date")],
    recall=0.7,
    train_on=[block_on("first_name", "last_name"), block_on("birth_date")],
    u_pairs=MANY,
    em={"estimate_without_term_frequencies": True, "max_pairs": MANY},
)

CHICAGO = Model(
    columns="""rec_id, trim(regexp_replace(lower("Site name"), '[^a-z0-9]+', ' ', 'g')) AS name,
        trim(regexp_replace(lower("Address"), '[^a-z0-9]+', ' ', 'g')) AS address, "Zip" AS zip, "Phone" AS phone""",
    predict_on=[block_on("name"), block_on("address"), block_on("phone"), block_on("substr(name,1,8)"), block_on("substr(address,1,8)")],
    comparisons=lambda: [
        tf(cl.JaroWinklerAtThresholds("name", [0.92, 0.8])),
        tf(cl.JaroWinklerAtThresholds("address", [0.92, 0.8])),
        cl.DamerauLevenshteinAtThresholds("phone", [1, 2]),
        tf(cl.ExactMatch("zip")),
    ],
    deterministic=[block_on("name", "address"), block_on("phone", "address"), block_on("phone", "name")],
    recall=0.7,
    train_on=[block_on("address"), block_on("phone")],
    em={"estimate_without_term_frequencies": True},
)

MODELS = {
    "febrl1": FEBRL3,
    "febrl2": FEBRL3,
    "febrl3": FEBRL3,
    "febrl4": FEBRL4,
    "fake_1000": FAKE,
    "pseudopeople_sample": PSEUDOPEOPLE,
    "dedupe_chicago": CHICAGO,
    "people": PEOPLE,
}
