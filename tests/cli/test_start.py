"""What holds of every command: help, start-up, options, exit codes, how an error is told."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from federation.cli.app import COMMANDS, group
from tests.support.command import Cli

HEAVY = ("duckdb", "pyarrow", "sqlglot", "rich", "numpy", "msgspec", "yaml", "fsspec")


@pytest.mark.parametrize("name", COMMANDS)
def test_each_command_is_summed_up_as_it_says_itself(name: str) -> None:
    command = group.get_command(None, name)  # type: ignore[arg-type]
    assert command is not None and command.name == name
    assert (command.help or "").split("\n")[0] == COMMANDS[name]


@pytest.mark.parametrize("args", [["--help"], ["--version"], ["sql", "--help"], ["profile", "--help"], ["nonsense"]])
def test_nothing_heavy_is_imported_before_a_command_runs(args: list[str]) -> None:
    loaded = f"print(*(m for m in {HEAVY!r} if m in sys.modules), file=sys.stderr)"
    code = f"import sys; from federation.cli.app import run; run({args!r}); {loaded}"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr.splitlines()[-1] == ""


def test_the_shared_options_stand_before_or_after_the_command(cli: Cli, sample: Path) -> None:
    assert cli("--project", sample, "sql", "SELECT 1 AS one", "-o", "csv").out == "one\n1\n"
    assert cli("sql", "SELECT 1 AS one", "-o", "csv", "-p", sample / "c360.yml").out == "one\n1\n"


def test_the_project_is_found_upwards(cli: Cli, sample: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(sample / "data")
    assert cli("sql", "SELECT 1 AS one", "-o", "csv").code == 0


def test_no_project_is_a_coded_error_with_the_next_step(cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    said = cli("sql", "SELECT 1")
    assert said.code == 1 and said.out == ""
    assert said.err.startswith("[C360_PROJECT_FILE] ") and "next: run `c360 init`" in said.err


@pytest.mark.parametrize(
    ("args", "told"),
    [
        (["sqll"], "did you mean `sql`?"),
        (["sql"], "give the query as QUERY"),
        (["sql", "SELECT 1", "-f", "x.sql"], "give the query as QUERY"),
        (["sql", "  "], "the query is empty"),
        (["sql", "SELECT 1", "--param", "x"], "NAME=VALUE"),
        (["sql", "SELECT 1", "--param", "x:month=1"], "there is no type `month`"),
        (["sql", "SELECT 1", "--param", "x:int=one"], "that is no int"),
        (["sql", "SELECT 1", "-o", "xml"], "'xml' is not one of"),
        (["profile", "Ada"], "WHO is an id360"),
        (["crosswalk", "use"], "takes a version"),
    ],
)
def test_wrong_usage_is_2(cli: Cli, sample: Path, args: list[str], told: str) -> None:
    said = cli(*args, *([] if args == ["sqll"] else ["-p", sample]))
    assert said.code == 2 and said.out == "" and told in said.err


def test_an_unexpected_exception_is_a_bug_and_its_text_is_not_shown(cli: Cli, sample: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> None:
        raise ZeroDivisionError("ada@example.org")

    monkeypatch.setattr("federation.session.Session.sql", broken)
    said = cli("sql", "SELECT 1", project=sample)
    assert said.code == 1 and "[C360_INTERNAL]" in said.err and "--debug" in said.err
    assert "Traceback" not in said.err and "ada@" not in said.err
    assert "Traceback" in cli("sql", "SELECT 1", "--debug", project=sample).err


def test_a_reader_that_has_seen_enough_is_no_error(sample: Path) -> None:
    query = "SELECT a.id360, b.summary FROM timeline a, timeline b, timeline c, timeline d"
    with subprocess.Popen(
        [sys.executable, "-m", "federation.cli", "sql", query, "-o", "csv", "-p", str(sample)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as running:
        assert running.stdout is not None and running.stderr is not None
        assert running.stdout.readline() == b"id360,summary\n"
        running.stdout.close()
        assert running.stderr.read() == b""
        running.wait(20)


def test_ctrl_c_stops_the_query(sample: Path) -> None:
    numbers = ", ".join(f"({n})" for n in range(300))  # soon planned, and never done: what is planned cannot be stopped
    query = (
        f"SELECT count(*) FROM timeline, {', '.join(f'(VALUES {numbers}) {t}(n)' for t in 'abcd')} WHERE (a.n * b.n + c.n * d.n) % 7 < 3"
    )
    command = [sys.executable, "-m", "federation.cli", "sql", "-vv", query, "--timeout", "60", "-p", str(sample)]

    def heed() -> None:
        signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job ignores it, and so would its children

    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, preexec_fn=heed) as running:
        assert running.stderr is not None
        assert any("begins" in line for line in running.stderr)
        os.kill(running.pid, signal.SIGINT)
        out, err = running.communicate(timeout=60)
    assert running.returncode == 130 and out == ""
    assert "C360_CANCELLED" in err and err.endswith("interrupted\n") and "Traceback" not in err


def test_colours_are_for_terminals_without_no_color(cli: Cli, sample: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "\x1b[" not in cli("sql", "SELECT nothing", project=sample).err
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    monkeypatch.delenv("NO_COLOR", raising=False)
    from federation.cli.shared import colour

    assert colour(sys.stderr)
    monkeypatch.setenv("NO_COLOR", "1")
    assert not colour(sys.stderr)
