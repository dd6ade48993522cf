"""The papers say what is so: examples run as they stand, tables of facts are those of the code."""

from __future__ import annotations

import doctest
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
COMMAND = Path(sys.executable).parent / "c360"


def blocks(paper: str, language: str) -> list[str]:
    """The fenced blocks of that language, in order."""
    text = (ROOT / paper).read_text(encoding="utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.DOTALL | re.MULTILINE)


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The project that `c360 init` writes, resolved."""
    folder = tmp_path_factory.mktemp("papers") / "shop"
    for command in (["init", str(folder)], ["--project", str(folder), "resolve"]):
        subprocess.run([COMMAND, *command], check=True, capture_output=True)
    return folder


def test_the_first_project_works_when_pasted(tmp_path: Path) -> None:
    """README.md: every `sh` block in order in an empty directory, then the Python example."""
    (tmp_path / "example.py").write_text("\n".join(blocks("README.md", "python")), encoding="utf-8")
    script = "set -eu\n" + "\n".join(blocks("README.md", "sh")) + f"\n'{sys.executable}' ../example.py\n"
    path = os.pathsep.join([str(COMMAND.parent), os.environ["PATH"]])
    done = subprocess.run(
        ["bash", "-c", script], cwd=tmp_path, capture_output=True, text=True, env={**os.environ, "PATH": path}, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    for said in ("15 records are 9 people", "crm.contact:1, crm.contact:8, shop.customer:C-1001", "[('Ada Lovelace', 'ada@example.org')]"):
        assert said in done.stdout


def test_the_python_examples_give_what_they_show(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(project)
    examples = doctest.DocTestParser().get_doctest("\n\n".join(blocks("docs/python.md", "pycon")), {}, "docs/python.md", None, 0)
    failed, tried = doctest.DocTestRunner().run(examples)
    assert tried and not failed


@pytest.mark.parametrize("paper", ["docs/sql.md"])
def test_the_sql_examples_run(paper: str, project: Path) -> None:
    import c360

    with c360.connect(project) as opened:
        session = opened.session()
        examples = blocks(paper, "sql")
        for example in examples:
            for statement in filter(str.strip, example.split(";")):
                session.sql(statement).fetchall()
    assert examples
