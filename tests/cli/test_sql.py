"""`c360 sql`: five formats, parameters, files; and `c360 explain`."""

from __future__ import annotations

import csv
import io
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.support.command import Cli

KINDS = """SELECT 1 AS a, 2 AS a, 'x,"y' AS text, NULL AS nothing, '' AS empty, 12.50::DECIMAL(10, 2) AS money, true AS yes,
DATE '2024-05-01' AS day, TIMESTAMP '2024-05-01 10:30:00' AS moment, TIMESTAMPTZ '2024-05-01 10:30:00+02' AS instant, [1, NULL] AS list,
{'k': 1.10::DECIMAL(4, 2)} AS struct, INTERVAL 40 DAY AS span, 'NaN'::DOUBLE AS nan, 99999999999999999999 AS huge,
TIMESTAMP 'infinity' AS ever, TIMESTAMP '290000-01-01' AS far, 'añ寿' AS names, 'ab'::BLOB AS bytes"""


def test_json_is_exact(cli: Cli, sample: Path) -> None:
    (row,) = json.loads(cli("sql", KINDS, "-o", "json", project=sample).out)
    assert row == {
        "a": 1, "a_2": 2, "text": 'x,"y', "nothing": None, "empty": "", "money": "12.50", "yes": True, "day": "2024-05-01",
        "moment": "2024-05-01T10:30:00", "instant": "2024-05-01T08:30:00+00:00", "list": [1, None], "struct": {"k": "1.10"},
        "span": "P40D", "nan": "NaN", "huge": "99999999999999999999", "ever": "infinity", "far": "290000-01-01 00:00:00",
        "names": "añ寿", "bytes": "YWI=",
    }  # fmt: skip


def test_csv_is_exact(cli: Cli, sample: Path) -> None:
    head, row = csv.reader(io.StringIO(cli("sql", KINDS, "-o", "csv", project=sample).out))
    assert head[:3] == ["a", "a", "text"]
    assert row == [
        "1", "2", 'x,"y', "", "", "12.50", "true", "2024-05-01", "2024-05-01T10:30:00", "2024-05-01T08:30:00+00:00", "[1, null]",
        '{"k": "1.10"}', "P40D", "nan", "99999999999999999999", "infinity", "290000-01-01 00:00:00", "añ寿", "\\x6162",
    ]  # fmt: skip


@pytest.mark.parametrize("format_", ["json", "csv", "table"])
def test_no_rows(cli: Cli, sample: Path, format_: str) -> None:
    said = cli("sql", "SELECT email FROM individual WHERE 1 = 0", "-o", format_, project=sample)
    assert said.code == 0
    assert said.out == {"json": "[]\n", "csv": "email\n", "table": "email\n─────\n"}[format_]


def test_a_table_says_how_many_rows_and_from_where(cli: Cli, sample: Path) -> None:
    said = cli("sql", "SELECT full_name, city FROM individual ORDER BY ALL LIMIT 2", project=sample)
    assert said.lines == ["full_name     city", "────────────  ──────────", "Ada Lovelace  London", "Alan Turing   Manchester"]
    assert said.err.startswith("2 rows · ") and "crm 9" in said.err and "shop 6" in said.err
    assert cli("sql", "SELECT 1", "-q", project=sample).err == ""


def test_a_long_table_is_cut_politely(cli: Cli, sample: Path) -> None:
    said = cli("sql", "SELECT a.at FROM timeline a, timeline b, timeline c", project=sample)
    assert len(said.lines) == 2 + 1000
    assert said.err.startswith("the first 1,000 of 2,744 rows (--output csv gives all)")


def test_files_are_whole_and_told_by_their_suffix(cli: Cli, sample: Path, tmp_path: Path) -> None:
    query = "SELECT sales_order_id, total_amount, ordered_at FROM sales_order"
    for name in ("x.parquet", "x.arrow", "x.csv", "x.json"):
        assert cli("sql", query, "--out", tmp_path / name, project=sample).out == ""
    table = pq.read_table(tmp_path / "x.parquet")
    assert table.num_rows == 9 and table.schema.field("total_amount").type == pa.decimal128(18, 2)
    with pa.ipc.open_file(tmp_path / "x.arrow") as file:
        assert file.read_all().num_rows == 9
    assert len((tmp_path / "x.csv").read_text().splitlines()) == 10
    assert len(json.loads((tmp_path / "x.json").read_text())) == 9
    assert sorted(p.name for p in tmp_path.iterdir()) == ["x.arrow", "x.csv", "x.json", "x.parquet"]


def test_a_query_that_fails_leaves_the_file_as_it_was(cli: Cli, sample: Path, tmp_path: Path) -> None:
    out = tmp_path / "x.csv"
    out.write_text("before")
    said = cli("sql", "SELECT CAST(email AS INT) FROM individual", "--out", out, project=sample)
    assert said.code == 1 and "[C360_QUERY_FAILED]" in said.err
    assert out.read_text() == "before" and [p.name for p in tmp_path.iterdir()] == ["x.csv"]


def test_parameters_have_the_type_of_their_form(cli: Cli, sample: Path) -> None:
    names = {
        "i": "42",
        "m": "1.50",
        "zip": "01067",
        "d": "2024-05-01",
        "t": "2024-05-01T10:00",
        "b": "true",
        "e": "a=b@c.de",
        "n:text": "7",
    }
    query = "SELECT " + ", ".join(f"typeof(${n.partition(':')[0]})" for n in names)
    params = [p for n, v in names.items() for p in ("--param", f"{n}={v}")]
    kinds = next(csv.reader([cli("sql", query, *params, "-o", "csv", project=sample).lines[1]]))
    assert kinds == ["INTEGER", "DECIMAL(3,2)", "VARCHAR", "DATE", "TIMESTAMP", "BOOLEAN", "VARCHAR", "VARCHAR"]
    assert cli("sql", "SELECT $e AS e", "--param", "e=a=b@c.de", "-o", "csv", project=sample).out == "e\na=b@c.de\n"


def test_explain_says_who_cannot_search_for_a_filter(cli: Cli, sample: Path) -> None:
    said = cli("explain", "SELECT city FROM individual WHERE full_name = 'Ada Lovelace'", project=sample).out
    assert re.search(r"crm\.contact\n.*\n +local: read whole: full_name = \$v0 cannot be searched for \(no safe shape: ", said)
    assert re.search(r"shop\.customer\n.*\n +local: read whole: crm\.contact cannot be searched for full_name = \$v0\n", said)
    assert "read whole" not in cli("explain", "SELECT city FROM individual WHERE email = 'ada@example.org'", project=sample).out


def test_parameters_may_stand_side_by_side(cli: Cli, sample: Path) -> None:
    query = "SELECT count(*) AS n FROM individual WHERE city IN ($a,$b) AND $j::JSON->>'$.k' = '1'"
    given = ("--param", "a=London", "--param", "b=Berlin", "--param", 'j={"k": 1}')
    assert cli("sql", query, *given, "-o", "csv", project=sample).out == "n\n2\n"


def test_the_query_from_a_file_or_stdin(cli: Cli, sample: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "q.sql").write_text("SELECT 7 AS x;\n")
    assert cli("sql", "-f", tmp_path / "q.sql", "-o", "csv", project=sample).out == "x\n7\n"
    monkeypatch.setattr("sys.stdin", io.StringIO("SELECT 8 AS x"))
    assert cli("sql", "-", "-o", "csv", project=sample).out == "x\n8\n"


def test_a_principal_sees_what_its_policies_let_it(cli: Cli, sample: Path) -> None:
    query = "SELECT email, phone FROM individual WHERE full_name = 'Ada Lovelace'"
    assert cli("sql", query, "--principal", "maria", "-o", "csv", project=sample).out == "email,phone\na***,\n"
    assert "C360_UNKNOWN_PRINCIPAL" in cli("sql", query, "--principal", "nobody", project=sample).err


@pytest.mark.parametrize(("format_", "encoding"), [("csv", "utf-8"), ("json", "utf-8"), ("table", "latin-1")])
def test_a_terminal_of_another_encoding(sample: Path, format_: str, encoding: str) -> None:
    """Data is UTF-8 all the same; what the terminal lacks is replaced in what people read."""
    command = [sys.executable, "-m", "federation.cli", "sql", "SELECT 'Zoë 山田' AS name", "-o", format_, "-p", str(sample)]
    done = subprocess.run(command, env={**os.environ, "PYTHONIOENCODING": "latin-1"}, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    assert ("Zoë 山田" if encoding == "utf-8" else "Zoë ??") in done.stdout.decode(encoding)


def test_budgets(cli: Cli, sample: Path) -> None:
    assert "[C360_OVER_ROWS]" in cli("sql", "SELECT * FROM timeline", "--max-rows", 3, project=sample).err


def test_a_partial_answer_says_so(cli: Cli, sample: Path, tmp_path: Path) -> None:
    text = (sample / "c360.yml").read_text().replace("data/crm.sqlite", "gone.sqlite").replace("data/", f"{sample}/data/")
    (tmp_path / "c360.yml").write_text(text.replace("state: .c360 ", f"state: {sample}/.c360 "))
    query = "SELECT count(*) AS n FROM timeline"
    failed = cli("sql", query, project=tmp_path)
    assert failed.code == 1 and "[C360_SOURCE_UNREACHABLE]" in failed.err
    said = cli("sql", query, "--partial", "-o", "csv", "-q", project=tmp_path)
    assert said.out == "n\n9\n" and said.err == "incomplete: no answer from crm (C360_SOURCE_UNREACHABLE)\n"


def test_explain_analyze_has_the_keys_of_its_contract(cli: Cli, sample: Path) -> None:
    query = "SELECT email FROM individual WHERE email = 'ada@example.org'"
    for args in (["--analyze"], []):
        told = json.loads(cli("explain", query, *args, "-o", "json", project=sample).out)
        assert {"fragments", "trusted_sql", "user_sql", "plan_ms", "total_ms", "complete"} <= set(told)
        for fragment in told["fragments"]:
            assert {"source", "sql", "stage", "rows", "bytes", "requests", "ms", "reason_local"} <= set(fragment)
        text = cli("explain", query, *args, project=sample).out
        assert {f"stage {fragment['stage']}" for fragment in told["fragments"]} == set(re.findall(r"^stage \d+$", text, re.MULTILINE))


def test_explain_says_the_survivorship_only_where_it_is_asked_for(cli: Cli, sample: Path) -> None:
    query = "SELECT full_name FROM individual WHERE email = 'ada@example.org'"
    said = cli("explain", query, project=sample).out
    assert "crm.contact, by the keys (id) of the people found" in said and "c360_r0(email, full_name)" in said
    more = cli("explain", "-v", query, project=sample).out
    assert "ARG_MAX" in more and "ARG_MAX" not in said and "prune_columns: " in more and "prune_columns: " not in said


def test_explain_analyze_shows_what_was_sent(cli: Cli, sample: Path) -> None:
    """A source's dialect, read as DuckDB's and written again, would be another statement."""
    query = "SELECT email FROM individual WHERE email = 'ada@example.org'"
    sent = json.loads(cli("explain", query, "--analyze", "-o", "json", project=sample).out)["fragments"]
    said = cli("explain", query, "--analyze", project=sample).out
    assert sent and all(fragment["sql"] in said for fragment in sent)


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("EXPLAIN SELECT 'secret'", "got an EXPLAIN statement\n  next: `c360 explain`"),
        ("DESCRIBE individual", "got a DESCRIBE statement\n  next: `c360 docs`"),
        ("SELECT i.emial FROM individual i JOIN sales_order o USING (id360)", "has no column `emial`\n  next: did you mean `email`?"),
        ("SELECT city, count(*) FROM individual", "must appear in the GROUP BY"),
    ],
)
def test_what_is_wrong_with_a_query_is_told_with_a_way_on(
    cli: Cli, sample: Path, query: str, said: str, caplog: pytest.LogCaptureFixture
) -> None:
    told = cli("sql", query, project=sample)
    assert told.code == 1 and said in told.err and "TRY_CAST" not in told.err
    assert "secret" not in caplog.text


def test_a_file_of_an_unknown_kind_is_not_written(cli: Cli, sample: Path, tmp_path: Path) -> None:
    said = cli("sql", "SELECT 1", "--out", tmp_path / "answer.xlsx", project=sample)
    assert said.code == 2 and "`.xlsx`" in said.err and not (tmp_path / "answer.xlsx").exists()
    assert cli("sql", "SELECT 1", "--out", tmp_path / "answer.xlsx", "-o", "csv", project=sample).code == 0
