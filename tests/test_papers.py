"""The papers say what is so: examples run as they stand, tables of facts are those of the code."""

from __future__ import annotations

import doctest
import os
import re
import subprocess
import sys
import textwrap
from pathlib import Path

import msgspec
import pytest

from connectors.duckdb_file import DuckDBFile
from connectors.files.connector import Files
from connectors.postgres.rules import CAPABILITIES as POSTGRES
from connectors.spi import KINDS, Capabilities, Support
from connectors.sqlite.rules import CAPABILITIES as SQLITE
from views.fields import IdentityFields
from views.load import load

ROOT = Path(__file__).resolve().parent.parent
COMMAND = Path(sys.executable).parent / "c360"
PAGES = ["README.md", *sorted(f"docs/{page.name}" for page in (ROOT / "docs").glob("*.md"))]


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


@pytest.mark.parametrize("paper", [paper for paper in PAGES if blocks(paper, "yaml") and paper != "docs/project-file.md"])
def test_the_yaml_examples_load(paper: str, tmp_path: Path) -> None:
    """Each is a section of a project file, or (connectors.md) an entry of `sources`. The whole file: test_documented_project."""
    for example in blocks(paper, "yaml"):
        section = example if paper != "docs/connectors.md" else "sources:\n" + textwrap.indent(example, "  ")
        (tmp_path / "c360.yml").write_text(f"version: 1\nname: example\n{section}", encoding="utf-8")
        assert load(tmp_path).name == "example"


def rules_table(capabilities: Capabilities) -> str:
    """A capability table as docs/connectors.md shows it: shapes with the same rules on one line, in the order of the first."""
    shapes: dict[str, tuple[str, str]] = {}
    for shape in dict.fromkeys(rule.shape for rule in capabilities.rules):
        rules = [rule for rule in capabilities.rules if rule.shape == shape]
        first = {kind: next(rule.support for rule in rules if kind in rule.kinds) for rule in rules for kind in rule.kinds}
        exact, superset = (", ".join(k for k in KINDS if first.get(k) is s) for s in (Support.EXACT, Support.SUPERSET))
        shapes[shape] = exact or "–", superset or "–"
    lines = ["| predicate | exact on | superset on |", "|---|---|---|"]
    for kinds in dict.fromkeys(shapes.values()):
        alike = ", ".join(f"`{shape}`" for shape, found in shapes.items() if found == kinds)
        lines.append(f"| {alike} | {kinds[0]} | {kinds[1]} |")
    ordered = ", ".join(k for k in KINDS if k in capabilities.order_kinds)
    keyed = ", ".join(k for k in KINDS if k in capabilities.key_kinds)
    return "\n".join([*lines, "", f"Keys on: {keyed}. ORDER BY … LIMIT on: {ordered}."])


@pytest.mark.parametrize(
    "capabilities", [POSTGRES, SQLITE, DuckDBFile.capabilities, Files.capabilities], ids=["postgres", "sqlite", "duckdb", "files"]
)
def test_the_capability_tables_are_those_of_the_code(capabilities: Capabilities) -> None:
    assert rules_table(capabilities) in (ROOT / "docs" / "connectors.md").read_text(encoding="utf-8"), rules_table(capabilities)


def test_the_code_map_names_every_module() -> None:
    text = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
    named = set(re.findall(r"`([\w/]+)`", text[text.index("## Code map") : text.index("## Layers")]))
    modules = {
        f"{path.name}/" if path.is_dir() else path.stem
        for package in ("federation", "views", "identity", "connectors")
        for path in (ROOT / package).iterdir()
        if (path.suffix == ".py" and path.stem != "__init__") or (path / "__init__.py").exists()
    }
    assert modules <= named, f"not in the code map: {sorted(modules - named)}"
    assert {word for word in named if word.endswith("/")} <= modules, "packages that are gone"


def test_the_tests_that_hold_invariants_exist() -> None:
    text = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
    named = re.findall(r"`(tests/[\w/]+(?:\.py)?)`", text)
    assert named and not [path for path in named if not (ROOT / path).exists()]


def test_the_handbook_lists_every_page() -> None:
    index, nav = ((ROOT / paper).read_text(encoding="utf-8") for paper in ("docs/index.md", "mkdocs.yml"))
    pages = [Path(page).name for page in PAGES if page.startswith("docs/")]
    assert not [page for page in pages if page != "index.md" and f"]({page})" not in index]
    assert not [page for page in pages if f": {page}\n" not in nav]


def test_the_project_files_page_names_every_setting_of_identity() -> None:
    fields = {field.encode_name for field in msgspec.structs.fields(IdentityFields)}
    paper = (ROOT / "docs" / "project-file.md").read_text(encoding="utf-8")
    assert not [name for name in fields if f"`{name}" not in paper]
