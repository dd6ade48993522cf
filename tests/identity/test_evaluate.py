"""Labelled tables as they come: any spelling of columns, any separator, in UTF-8 or not."""

from __future__ import annotations

from pathlib import Path

import pytest

from identity.errors import UnreadableTable
from identity.evaluate import evaluate, judge

PEOPLE = [("1", "José", "Müller"), ("1", "Jose", "Müller"), ("2", "Zoë", "Brontë"), ("3", "Ann", "Hathaway"), ("3", "Ann", "Hathaway")]


@pytest.mark.parametrize(
    ("separator", "encoding"), [(",", "utf-8"), (";", "latin-1"), ("\t", "utf-8-sig"), (",", "utf-16"), ("|", "cp1252")]
)
def test_separators_and_encodings(tmp_path: Path, separator: str, encoding: str) -> None:
    quoted = [("4", "“Bob”", "Œuvre")] if encoding not in ("latin-1",) else []
    rows = [("truth", "first name", "Last-Name"), *PEOPLE, *quoted]
    path = tmp_path / "people.csv"
    path.write_text("".join(separator.join(row) + "\n" for row in rows), encoding=encoding)
    reached = evaluate(path, "truth")
    assert reached.fields == {"first name": "given_name", "Last-Name": "family_name"}
    assert (reached.records, reached.clusters) == (len(PEOPLE) + len(quoted), 3 + len(quoted))


@pytest.mark.parametrize("header", ["name,name", "Name,name", "name,name_1"])
def test_a_header_that_stands_twice(tmp_path: Path, header: str) -> None:
    """Each half of a name under the same header; two whole names are two whole names."""
    path = tmp_path / "people.csv"
    path.write_text(f"truth,{header}\n" + "".join(f"{','.join(person)}\n" for person in PEOPLE))
    reached = evaluate(path, "truth")
    assert list(reached.fields.values()) == ["given_name", "family_name"]
    assert reached.f1 == 1.0
    path.write_text(f"truth,{header}\n" + "".join(f"{t},{first} {last},{last} {first}\n" for t, first, last in PEOPLE))
    assert list(evaluate(path, "truth").fields.values()) == ["full_name", "family_first_name"]


def test_values_tell_what_headers_do_not(tmp_path: Path) -> None:
    """E-mails, telephones and birth dates under headers that say nothing; but not the days of what has just happened."""
    path = tmp_path / "people.csv"
    lines = [f"{i},p{i}@x.org,({200 + i}) 555-0{100 + i},{1950 + i}-0{1 + i % 9}-11,2024-01-{10 + i},{1000 + i}" for i in range(40)]
    path.write_text("truth,a,b,c,d,e\n" + "\n".join(lines).replace("-49,", "-19,") + "\n")
    assert evaluate(path, "truth").fields == {"a": "email", "b": "phone", "c": "birth_date", "d": "text", "e": "text"}


@pytest.mark.parametrize(
    ("names", "kind"),
    [("SMITH JOHN;DOE MARY;WALKER WILLIAM A", "family_first_name"), ("MR JOHN SMITH;MRS MARY DOE", "full_name")],
)
def test_given_names_that_are_known_tell_which_comes_first(tmp_path: Path, names: str, kind: str) -> None:
    path = tmp_path / "people.csv"
    path.write_text("truth,name\n" + "".join(f"{i},{name}\n" for i, name in enumerate(names.split(";"))))
    assert list(evaluate(path, "truth").fields.values()) == [kind]


def test_a_comma_tells_the_order_by_itself(tmp_path: Path) -> None:
    path = tmp_path / "people.csv"
    path.write_text("truth;name\n1;Smith, John\n2;Doe, Mary\n3;Miller, Paul\n4;Walker William\n5;Jones Sarah\n")
    assert list(evaluate(path, "truth").fields.values()) == ["family_first_name"]


def test_who_is_on_the_card_is_who_pays(tmp_path: Path) -> None:
    path = tmp_path / "payers.csv"
    path.write_text("truth,name,card_name,card\n1,Ann Smith,ANN SMITH,Visa\n2,Mary,Mary Jones,Visa\n3,Paul Miller,paul miller,Visa\n")
    assert evaluate(path, "truth").fields == {"name": "full_name", "card_name": "full_name", "card": "text"}


def test_a_name_of_one_word_is_the_given_name(tmp_path: Path) -> None:
    path = tmp_path / "people.csv"
    path.write_text("truth,name,phone\n" + "".join(f"{t},{first},555123456{t}\n" for t, first, _ in PEOPLE))
    assert list(evaluate(path, "truth").fields.values()) == ["given_name", "phone"]
    path.write_text("truth,name,phone\n" + "".join(f"{t},王伟,555123456{t}\n" for t, _, _ in PEOPLE))
    assert list(evaluate(path, "truth").fields.values()) == ["full_name", "phone"]


def test_a_column_may_be_called_row(tmp_path: Path) -> None:
    """Rows that are in another order than the column says."""
    path = tmp_path / "people.csv"
    lines = [f"{9 - i},{','.join(person)}\n" for i, person in enumerate(PEOPLE)]
    path.write_text("row,truth,first_name,last_name\n" + "".join(lines))
    assert evaluate(path, "truth").f1 == 1.0


def test_who_is_not_labelled_is_not_judged(tmp_path: Path) -> None:
    path = tmp_path / "people.csv"
    lines = [f"{truth},{first},{last}\n" for truth, first, last in [*PEOPLE, ("", "Ann", "Hathaway"), ("", "Bob", "Marley")]]
    path.write_text("truth,first_name,last_name\n" + "".join(lines))
    judged = judge(path, "truth")
    assert (judged.evaluation.records, judged.evaluation.clusters, judged.evaluation.f1) == (7, 4, 1.0)
    assert not list(judged.mistakes())


def test_what_is_no_table_is_refused(tmp_path: Path) -> None:
    (tmp_path / "people.parquet").write_bytes(b"\xff\x00 no table")
    with pytest.raises(UnreadableTable):
        evaluate(tmp_path / "people.parquet", "truth")
