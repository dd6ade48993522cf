"""`c360 report` on a real project: numbers that are right, one page without network, and nobody's data in it."""

from __future__ import annotations

import csv
import json
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from people_project import people_project, values

from federation.cli.app import run
from tests.support.command import Cli

COUNT = 240


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    return people_project(tmp_path_factory.getbasetemp() / "report", COUNT, doubtful=True)


@pytest.fixture(scope="module")
def people(rows: list[dict[str, Any]], tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.getbasetemp() / "report"
    assert run(["resolve", "-q", "--project", str(folder)]) == 0
    return folder


def truth(path: Path) -> Path:
    """Who each record is: the shop's first third are those of the CRM, then kin, then people who moved."""
    twice, kin, moved = COUNT // 3, COUNT // 10, COUNT // 8
    shop = [*range(1, twice + 1), *(f"kin {i}" for i in range(kin)), *(COUNT * 2 // 3 + i for i in range(1, moved + 1))]
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["record", "person"])
        writer.writerows([f"crm.contact:{i}", i] for i in range(1, COUNT + 1))
        writer.writerows([f"shop.customer:C-{i}", who] for i, who in enumerate(shop, 1))
    return path


class Elements(HTMLParser):
    """Every tag that is opened, with its attributes; that all are closed in order."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.opened: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.feed(text)
        assert not self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.opened.append((tag, dict(attrs)))
        if tag != "meta":
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.opened.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_the_numbers_are_those_of_the_crosswalk(cli: Cli, people: Path, tmp_path: Path) -> None:
    told = json.loads(cli("report", "-o", "json", "--labels", truth(tmp_path / "truth.csv"), project=people).out)[0]["condition"]
    records = COUNT + COUNT // 3 + COUNT // 10 + COUNT // 8
    assert told["records"] == records and told["compared"] == records * (records - 1) // 2
    assert sum(told["inside"]) + sum(told["across"]) == told["compared"]
    assert sum(int(size) * n for size, n in told["sizes"].items()) == records
    assert 0.9 < told["precision"] <= 1 and 0.8 < told["recall"] <= 1
    judged = told["judged"]
    assert judged["records"] == records and judged["pairwise"][0] > 0.9 and judged["bcubed"][1] > 0.9
    assert abs(judged["pairwise"][0] - told["precision"]) < 0.1 and judged["calibration"]["bins"]


def test_the_page_is_well_formed_and_asks_nobody(cli: Cli, people: Path, tmp_path: Path) -> None:
    page = tmp_path / "report.html"
    assert cli("report", "--html", page, "--labels", truth(tmp_path / "truth.csv"), project=people).code == 0
    text = page.read_text(encoding="utf-8")
    found = Elements(text)
    assert sum(tag == "svg" for tag, _ in found.opened) == 4
    assert not {"script", "link", "img", "iframe"} & {tag for tag, _ in found.opened}
    assert not [a for _, attributes in found.opened for a in attributes if a in ("src", "href")] and "url(" not in text
    assert "prefers-color-scheme: dark" in text and page.stat().st_mode & 0o077 == 0
    for tag, attributes in found.opened:
        if tag == "rect":
            x, width = float(attributes["x"] or ""), float(attributes["width"] or "")
            assert x >= 0 and x + width <= 721, "nothing is drawn outside of its picture"


def test_labels_of_pairs(cli: Cli, people: Path, tmp_path: Path) -> None:
    file = tmp_path / "pairs.csv"
    file.write_text("a,b,verdict\ncrm.contact:7,shop.customer:C-7,same\ncrm.contact:7,crm.contact:8,same\ncrm.contact:1,crm.contact:2,n\n")
    judged = json.loads(cli("report", "-o", "json", "--labels", file, project=people).out)[0]["condition"]["judged"]
    assert judged["pairs"] == 3 and judged["pairwise"] == [1.0, 0.5] and judged["bcubed"] is None


def test_nobody_is_in_it(cli: Cli, people: Path, rows: list[dict[str, Any]], tmp_path: Path) -> None:
    page = tmp_path / "report.html"
    told = cli("report", "--html", page, "-o", "json", project=people).out + cli("report", project=people).out + page.read_text()
    assert "may be one" in told.lower() and "customer:" not in told and not [v for v in values(rows) if v in told.lower().encode()]


def test_exact_rules_have_a_report_too(cli: Cli, tmp_path: Path) -> None:
    people_project(tmp_path, how="rules: [email, phone]")
    assert cli("resolve", project=tmp_path).code == 0
    page = tmp_path / "report.html"
    said = cli("report", "--html", page, project=tmp_path)
    assert said.code == 0 and "precision" not in said.out and "Pairs that exact rules linked." in page.read_text()


def test_a_truth_that_names_some_who_are_gone(cli: Cli, people: Path, tmp_path: Path) -> None:
    file = truth(tmp_path / "truth.csv")
    with file.open("a") as more:
        more.write("crm.contact:99999,1\nelsewhere.contact:1,1\n")
    said = cli("report", "--labels", file, project=people)
    assert said.code == 0 and "pairwise" in said.out
    assert "2 of " in said.err and "not in the crosswalk; they were left out" in said.err


def test_a_truth_that_names_nobody(cli: Cli, people: Path, tmp_path: Path) -> None:
    file = tmp_path / "truth.csv"
    file.write_text("record,person\ncrm.contact:99999,1\n")
    assert "[C360_UNKNOWN_RECORD]" in cli("report", "--labels", file, project=people).err


@pytest.mark.parametrize("header", ["id,who", "", "record;person", "a,b"])
def test_a_file_of_labels_with_another_header_is_told_which_is_expected(cli: Cli, people: Path, tmp_path: Path, header: str) -> None:
    file = tmp_path / "labels.csv"
    file.write_text(f"{header}\ncrm.contact:1,7\n" if header else "")
    said = cli("report", "--labels", file, project=people)
    assert said.code == 1 and "[C360_LABELS_FILE] labels.csv: the first line is expected to be" in said.err
    assert "`record,person` or `a,b,verdict`" in said.err and "crm.contact:17" in said.err
    taken = cli("label", "--import", file, project=people)
    assert taken.code == 1 and "expected to be `a,b,verdict`;" in taken.err and "record,person" not in taken.err


def test_of_whom_nobody_knows_who_they_are_nothing_is_said(cli: Cli, people: Path, tmp_path: Path) -> None:
    file = tmp_path / "truth.csv"
    file.write_text("record,person\ncrm.contact:1,1\nshop.customer:C-1,1\ncrm.contact:2,\ncrm.contact:3,\n")
    judged = json.loads(cli("report", "-o", "json", "--labels", file, project=people).out)[0]["condition"]["judged"]
    assert judged["records"] == 2 and judged["pairwise"] == [1.0, 1.0]


@pytest.mark.parametrize("header", ["record,person", "a,b,verdict"])
def test_a_file_of_labels_without_any_says_nothing(cli: Cli, people: Path, tmp_path: Path, header: str) -> None:
    file = tmp_path / "labels.csv"
    file.write_text(f"{header}\n")
    said = cli("report", "-o", "json", "--labels", file, project=people)
    assert said.code == 0, said.err
    assert json.loads(said.out)[0]["condition"]["judged"] is None
