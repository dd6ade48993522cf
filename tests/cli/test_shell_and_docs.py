"""`c360 shell` from a pipe, and `c360 docs`."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from federation.cli.shell_command import DOT_COMMAND
from tests.support.command import Cli


@pytest.fixture
def typed(cli: Cli, sample: Path, monkeypatch: pytest.MonkeyPatch) -> object:
    def call(text: str) -> object:
        monkeypatch.setattr("sys.stdin", io.StringIO(text))
        return cli("shell", project=sample)

    return call


def test_queries_end_with_a_semicolon_and_may_go_over_lines(typed) -> None:  # type: ignore[no-untyped-def]
    said = typed(".output csv\nSELECT ';' AS a,\n  -- one; two\n  2 AS b; SELECT 3 AS c;\nSELECT 4 AS d")
    assert said.out == "a,b\n;,2\nc\n3\nd\n4\n" and said.code == 0


def test_an_error_does_not_end_the_shell_but_its_exit_code_tells(typed) -> None:  # type: ignore[no-untyped-def]
    said = typed(".output csv\nSELECT nothing;\n.nonsense\n.timer maybe\nSELECT 1 AS one;\n.quit\nSELECT 2 AS two;")
    assert said.out == "one\n1\n" and said.code == 1
    assert "[C360_UNKNOWN_COLUMN]" in said.err and "there is no `.nonsense`" in said.err and "say .timer on, or .timer off" in said.err


def test_ctrl_c_ends_a_shell_that_reads_from_a_pipe(cli: Cli, sample: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Slow(io.StringIO):
        def readline(self, *_: object) -> str:  # type: ignore[override]
            if not (line := super().readline()):
                raise KeyboardInterrupt
            return line

    monkeypatch.setattr("sys.stdin", Slow(".output csv\nSELECT 1 AS one;\n"))
    said = cli("shell", project=sample)
    assert said.out == "one\n1\n" and "interrupted" in said.err and said.code == 130


def test_dot_commands(typed, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    out = tmp_path / "x.csv"
    explained = ".explain on\nSELECT count(*) FROM case;\n.explain off\n"
    to_a_file = f".output {out}\nSELECT 1 AS a;\n.timer off\nSELECT 2 AS b;"
    said = typed(".help\n.views\n.schema case\n.schema cse\n" + explained + to_a_file)
    assert "Ctrl-D leaves" in said.out and "individual_record" in said.out and "opened_at" in said.out
    assert "trusted room" in said.out and "did you mean `case`?" in said.err
    assert out.read_text() == "a\n1\n" and said.out.endswith("b\n─\n2\n")


def test_what_is_a_dot_command() -> None:
    assert DOT_COMMAND.match("  .quit") and not DOT_COMMAND.match(".5 AS half") and not DOT_COMMAND.match("t.x")


def test_the_catalog(cli: Cli, sample: Path, tmp_path: Path) -> None:
    said = cli("docs", tmp_path / "catalog", project=sample)
    assert said.code == 0
    index, party = (tmp_path / "catalog" / "index.md").read_text(), (tmp_path / "catalog" / "party.md").read_text()
    assert "erDiagram" in index and "individual ||--o{ sales_order : id360" in index and "[party](party.md)" in index
    assert "`crm.contact`: `email_address`" in party and "first_name \\|\\| ' ' \\|\\| last_name" in party
    assert "Nothing is mapped to it" in (tmp_path / "catalog" / "sales.md").read_text()
    assert cli("docs", tmp_path / "catalog", project=sample).code == 0  # its own pages it may write again
    (tmp_path / "catalog" / "party.md").write_text("mine")
    assert cli("docs", tmp_path / "catalog", project=sample).code == 2
    assert cli("docs", "--mapped", tmp_path / "mapped", project=sample).code == 0
    assert sorted(p.name for p in (tmp_path / "mapped").iterdir()) == ["commerce.md", "functions.md", "index.md", "party.md", "service.md"]


def test_the_list_of_functions(cli: Cli) -> None:
    said = cli("docs", "functions")
    assert said.code == 0 and "`strip_accents`" in said.out and "read_csv" not in said.out
