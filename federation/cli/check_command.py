"""`c360 check`: hold the project against its live sources."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from federation.cli.shared import App, colour, command, interruptible

if TYPE_CHECKING:
    from federation.findings import Finding

SAMPLE = 1000
"""Rows of each table that are looked at."""


@command
@click.option("--sample", type=click.IntRange(min=1), default=SAMPLE, show_default=True, metavar="ROWS", help="Rows of each table to map.")
@click.option("--no-keys", is_flag=True, help="Do not read the keys of tables that do not enforce them.")
@click.option("--strict", is_flag=True, help="Exit with 1 for notes too.")
@click.option("--output", "-o", type=click.Choice(["text", "json"]), default="text", help="Format.")
@click.pass_obj
def check(app: App, sample: int, no_keys: bool, strict: bool, output: str) -> None:
    """Hold the project against its live sources.

    Mapped tables and columns exist, expressions bind and fit, keys are unique and not NULL, links are resolved; lists tables keyed
    by something personal, and keys that no index leads to; decisions that are not in force or that the data speaks against, models that no
    longer fit, labels that say otherwise. Exit code 1 if there is a problem.
    """
    project = app.project()

    def look() -> list[Finding]:
        from federation.checks import check as checked

        with app.progress().status("reading the sources") as status:
            return list(checked(project, sample=sample, keys=not no_keys, told=lambda doing: status.update(f"looking at {doing}")))

    found = interruptible(look, project.close)
    problems = sum(f.level == "problem" for f in found)
    if output == "json":
        click.echo(json.dumps([asdict(f) for f in found], indent=2, ensure_ascii=False))
    else:
        for finding in sorted(found, key=lambda f: f.level != "problem"):
            for line in _lines(finding):
                click.echo(line)
    model, notes = project.model, len(found) - problems
    looked = f"{_count(len(model.sources), 'source')}, {_count(len(model.mappings), 'mapping')}"
    app.say(f"{looked}: {_count(problems, 'problem')}, {_count(notes, 'note')}")
    if problems or (strict and found):
        raise click.exceptions.Exit(1)


def _lines(finding: Finding) -> list[str]:
    problem = finding.level == "problem"
    mark, code = ("FAIL" if problem else "note"), f"[{finding.code}]"
    if colour(sys.stdout):
        mark = click.style(mark, fg="red" if problem else "yellow", bold=True)
    lines = [f"{mark}  {finding.where}: {code} {finding.message}"]
    return [*lines, f"      next: {finding.hint}"] if finding.hint else lines


def _count(number: int, word: str) -> str:
    return f"{number or 'no'} {word}{'s' * (number != 1)}"


command = check
