"""What a user is told where a query cannot go on: which table does not answer, which text fits no type, which pass there is not."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

import c360
from connectors import watchdog
from federation.errors import NotSupported, QueryFailed, QueryTimeout, UnknownColumn
from federation.passes import NAMES
from federation.project import Project

PROJECT = """
version: 1
name: stalled
sources:
  quick: {{kind: files, path: .}}
  slow:
    kind: rest
    base_url: http://127.0.0.1:{port}
    tables: {{ticket: {{path: /t, columns: {{no: VARCHAR, title: VARCHAR}}, key: [no]}}}}
mappings:
  - {{object: case, source: slow, table: ticket, key: no, person: none, attributes: {{subject: title}}}}
  - object: sales_order
    source: quick
    table: orders
    key: no
    person: none
    attributes: {{total_amount: total, ordered_at: at, store: shop}}
"""


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    (tmp_path / "orders.csv").write_text("no,total,at,shop\nO1,5.00,2024-01-01 00:00:00,Kiel\n")
    with socket.socket() as listening:  # it takes connections and never says a word
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        (tmp_path / "c360.yml").write_text(PROJECT.format(port=listening.getsockname()[1]))
        with c360.connect(tmp_path) as project:
            yield project


@pytest.mark.parametrize("first", ["the watchdog", "the source"])
def test_a_timeout_names_the_table_that_did_not_answer(project: Project, first: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever of the two looks at the clock first."""
    if first == "the source":
        monkeypatch.setattr("federation.run.watchdog.schedule", lambda at, call: watchdog.Alarm(call))
    with pytest.raises(QueryTimeout) as caught:
        project.session().sql("SELECT subject FROM support_case UNION ALL SELECT store FROM sales_order", timeout=5).fetchall()
    assert "`slow.ticket` had not answered" in caught.value.message and "quick" not in caught.value.message


@pytest.mark.parametrize(
    "condition, kind",
    [
        ("total_amount > 'Kiel'", "DECIMAL(18,2)"),
        ("ordered_at > '1.2.2024'", "TIMESTAMP (YYYY-MM-DD HH:MM:SS)"),
        ("CAST(ordered_at AS DATE) = '2024-13-01'", "DATE (YYYY-MM-DD)"),
        ("CAST(lower(store) AS INTEGER) = 1", "INT32"),
    ],
)
def test_a_text_that_fits_no_type(project: Project, condition: str, kind: str) -> None:
    with pytest.raises(QueryFailed) as caught:
        project.session().sql(f"SELECT 1 FROM sales_order WHERE {condition}").fetchall()
    assert caught.value.message == f"Conversion Error: a text is no {kind}"


def test_a_text_in_double_quotes(project: Project) -> None:
    with pytest.raises(UnknownColumn) as caught:
        project.session().sql('SELECT 1 FROM sales_order WHERE store = "Kiel Mitte"')
    assert caught.value.message.endswith("`Kiel Mitte`") and "'Kiel Mitte'" in str(caught.value.hint)


def test_names_with_letters_beyond_ascii(project: Project, tmp_path: Path) -> None:
    (tmp_path / "leute.csv").write_text("ID,ÄNDERUNG,Имя\n1,5,Иван\n")
    session = project.session()
    answer = session.sql('SELECT "ÄNDERUNG" AS "Größe Ä", t."ÄNDERUNG" + 1 AS n, Имя FROM raw.quick.leute t ORDER BY "Größe Ä"')
    assert answer.columns == ["Größe Ä", "n", "имя"] and answer.fetchall() == [(5, 6, "Иван")]


def test_a_pass_that_there_is_not(project: Project) -> None:
    session = project.session()
    for off in (("push_tops",), "push_filters ", ["push_top", "x"]):
        with pytest.raises(NotSupported) as caught:
            session.sql("SELECT 1 FROM sales_order", passes_off=off)
        assert all(name in str(caught.value.hint) for name in NAMES)
    assert session.sql("SELECT store FROM sales_order", passes_off="push_filters").fetchall() == [("Kiel",)]
    assert session.sql("SELECT store FROM sales_order", passes_off=NAMES).fetchall() == [("Kiel",)]
