"""Checks that hold the house: what no single test of a part would notice."""

from __future__ import annotations

import ast
import re
import subprocess
from functools import cache
from importlib import import_module
from importlib.metadata import entry_points
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("connectors", "identity", "views", "federation")

LONGEST = 400

# Put together here, so that this file does not hold what it looks for.
PRIVATE = re.compile(
    "|".join(
        (
            r"(?<![\w.])/(?:work|root|home/\w+)/" + r"\w",
            "/tmp/" + r"(?:venv|brief|bench)",
            r"\b(?:pypi|files\.pythonhosted|registry\.npmjs|registry\.yarnpkg|proxy\.golang|deb\.debian|security\.debian)\." + r"\w+",
            r"(?:--index-url|--extra-index-url|--find-links|index-url)" + r"[ =]+\S",
        )
    )
)


@cache
def tracked() -> tuple[Path, ...]:
    """Every file of the repository that exists in the checkout."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"], cwd=ROOT, capture_output=True, check=True
    )
    return tuple(path for name in listed.stdout.decode().split("\0") if name and (path := ROOT / name).is_file())


def modules() -> list[Path]:
    return [path for path in tracked() if path.suffix == ".py"]


def name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def headings(paper: str) -> set[str]:
    """The text of a paper's headings, without the marks for code."""
    lines = (ROOT / "docs" / paper).read_text(encoding="utf-8").splitlines()
    return {line.lstrip("#").strip().strip("`") for line in lines if line.startswith("#")}


def error_codes() -> dict[str, str]:
    """Code → where it is defined, of every class in the packages with a `code` of its own."""
    found = {}
    for path in modules():
        if name(path).split("/")[0] not in PACKAGES:
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ClassDef):
                for code in filter(None, map(assigned_code, node.body)):
                    assert code not in found, f"{code} is defined twice: {found[code]} and {name(path)}:{node.lineno}"
                    found[code] = f"{name(path)}:{node.lineno}"
    return found


def assigned_code(statement: ast.stmt) -> str | None:
    match statement:
        case ast.Assign(targets=[ast.Name(id="code")], value=ast.Constant(value=str(code))):
            return code
        case ast.AnnAssign(target=ast.Name(id="code"), value=ast.Constant(value=str(code))):
            return code
    return None


def test_the_pattern_for_private_text_finds_some() -> None:
    assert PRIVATE.search("see /" + "root/x") and PRIVATE.search("https://py" + "pi.org/simple") and PRIVATE.search("/tmp/" + "venv/bin")
    assert not PRIVATE.search("artwork/x and network/y and docs/work/z")


def test_no_file_holds_a_path_of_a_machine_or_a_registry() -> None:
    found = []
    for path in tracked():
        text = path.read_bytes()
        if b"\0" not in text[:8000]:
            found += [f"{name(path)}: {hit.group()}" for hit in PRIVATE.finditer(text.decode("utf-8", "replace"))]
    assert not found


def test_no_module_is_longer_than_a_reader_bears() -> None:
    lines = {name(path): len(path.read_text(encoding="utf-8").splitlines()) for path in modules()}
    assert not {path: count for path, count in lines.items() if count > LONGEST}


def test_half_of_the_modules_are_short() -> None:
    lines = sorted(len(path.read_text(encoding="utf-8").splitlines()) for path in modules())
    assert lines[len(lines) // 2] <= 200


def test_error_codes_look_alike() -> None:
    assert not [code for code in error_codes() if not re.fullmatch(r"C360(_[A-Z0-9]+)+", code)]


def test_every_error_code_has_its_heading() -> None:
    missing = {code: where for code, where in error_codes().items() if code not in headings("errors.md")}
    assert not missing, "docs/errors.md has no heading for these"


def test_every_heading_of_an_error_has_its_code() -> None:
    assert not {heading for heading in headings("errors.md") if heading.startswith("C360_")} - error_codes().keys()


def test_every_error_is_defined_where_its_heading_says() -> None:
    paper = (ROOT / "docs" / "errors.md").read_text(encoding="utf-8")
    told = re.findall(
        r"^### (C360_\w+)$.*?\(`((?:connectors|identity|views|federation)\.[\w.]+)\.(\w+)`\)", paper, re.DOTALL | re.MULTILINE
    )
    wrong = [code for code, module, name in told if getattr(getattr(import_module(module), name, None), "code", "") != code]
    assert told and not wrong


def test_every_connector_has_its_heading() -> None:
    ours = {entry.name for entry in entry_points(group="c360.connectors") if entry.value.startswith("connectors.")}
    assert ours, "no connector is installed: install the project first"
    assert not ours - headings("connectors.md")


@pytest.mark.parametrize("package", PACKAGES)
def test_packages_say_what_they_are_for(package: str) -> None:
    silent = []
    for path in modules():
        text = path.read_text(encoding="utf-8")
        if name(path).split("/")[0] == package and text.strip() and not ast.get_docstring(ast.parse(text)):
            silent.append(name(path))
    assert not silent, "modules without a docstring"


def test_no_two_test_files_are_called_alike() -> None:
    """Folders of tests are no packages: pytest imports their files by name alone."""
    names = [path.name for path in (ROOT / "tests").rglob("test_*.py")]
    assert sorted(names) == sorted(set(names))
