"""`c360 label`: ask a person about pairs that tell most, and tell how good the crosswalk is."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from federation.cli.asking import as_whom, record_of
from federation.cli.shared import App, command

if TYPE_CHECKING:
    from federation.labelling import Labelling
    from federation.session import Session
    from identity.stewardship.sampling import Estimate, Interval

WIDE = 0.2
"""An interval of more than this says hardly anything: four answers in a row that agree with the crosswalk seem to lower its precision."""
ANSWERS = {"y": "same", "n": "different", "?": "unsure"}


@command
@click.option("--count", type=click.IntRange(min=0), default=20, show_default=True, help="How many pairs to ask about.")
@click.option("--entity", help="Which entity (default: the one with most records).")
@click.option("--space", default="", help="Which space of it.")
@click.option("--seed", type=int, default=360, show_default=True, help="Another number, other pairs.")
@click.option("--export", "export", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE", help="Write the pairs' keys as CSV.")
@click.option(
    "--import", "import_", type=click.Path(exists=True, dir_okay=False, path_type=Path), metavar="FILE", help="Take verdicts back."
)
@click.option("--by", metavar="NAME", help="Who answers (default: the user of this machine).")
@click.option("--output", "-o", type=click.Choice(["text", "json"]), default="text", help="Format of the estimate.")
@as_whom
@click.pass_obj
def label(
    app: App, count: int, entity: str | None, space: str, seed: int, export: Path | None, import_: Path | None, by: str | None,
    output: str, principal: str | None, purpose: str | None,
) -> None:  # fmt: skip
    """Answer for pairs of records whether they are one person, and learn how good the crosswalk is.

    The two records are read live from their sources and shown side by side; only the verdict is kept, by keys, beside the decisions. The
    pairs are a sample that tells most. Labels decide nothing: `c360 decide` does.

    \b
    c360 label                      y, n, ? (cannot tell), q (enough)
    c360 label --export pairs.csv   for answering elsewhere: fill in the column `verdict`
    c360 label --import pairs.csv
    c360 label --count 0            only what the labels so far say
    """
    from federation.label_files import export_questions, import_answers
    from federation.labelling import Labelling

    project = app.project()
    labelling = Labelling(project, entity, space)
    if export is not None:
        written = export_questions(export, labelling.questions(count, seed))
        app.say(f"{written} pairs in {export}: fill in `verdict` (same, different, unsure), then `c360 label --import {export}`")
        return
    if import_ is not None:
        app.say(f"{import_answers(import_, lambda text: record_of(project, text), labelling, by)} labels taken from {import_}")
    elif count:
        _ask(labelling, project.session(principal, purpose), count, seed, by)
    found = labelling.estimate()
    if output == "json":
        import msgspec

        click.echo(msgspec.json.format(msgspec.json.encode(found), indent=2).decode())
        return
    for line in told(found):
        click.echo(line)


def _ask(labelling: Labelling, session: Session, count: int, seed: int, by: str | None) -> None:
    from federation.cli.side_by_side import LEGEND, live_side_by_side

    questions = labelling.questions(count, seed)
    entity = labelling.evidence.entity
    if questions:
        click.echo(f"{len(questions)} pairs of {entity} records: {LEGEND}")
    else:
        click.echo(f"of {entity} records there is no pair {'left ' if labelling.labels else ''}to ask about")
    for number, question in enumerate(questions, 1):
        for line in live_side_by_side(labelling.project, session, question):
            click.echo(line)
        click.echo(f"{number}/{len(questions)}  one person? [y/n/?/q] ", nl=False)
        answer = _key()
        if answer == "q":
            return
        labelling.answer(question, ANSWERS[answer], by)


def _key() -> str:
    """One of y, n, ?, q: a key at a terminal, a line of anything else. The end of input is q."""
    while True:
        typed = click.getchar(echo=True) if sys.stdin.isatty() else (sys.stdin.readline() or "q")
        answer = typed.strip().lower()[:1]
        if answer in (*ANSWERS, "q"):
            click.echo()
            return answer


def told(found: Estimate) -> list[str]:
    """What the labels say."""
    if not found.pairs and not found.labelled:
        return ["no two records were put together: there is nothing to judge"]
    unsure = f", {found.unsure} that nobody could tell" if found.unsure else ""
    first = f"from {found.labelled} labels{unsure}, and the scores where labels lack:"
    if not found.labelled:
        first = f"no labels yet{unsure}: by the scores alone" if found.scored else f"no labels yet{unsure}; exact rules give no scores"
    if not found.labelled and not found.scored:
        return [first]
    if found.labelled and max(of.high - of.low for of in (found.precision, found.recall or found.precision)) > WIDE:
        first += " (so few say little yet: `c360 label` asks about more)"
    lines = [first, f"  precision  {_interval(found, found.precision)}  of the pairs put together are one person"]
    if found.recall is None:
        return [*lines, "  recall     not known: exact rules keep nothing of pairs that they do not link"]
    return [*lines, f"  recall     {_interval(found, found.recall)}  of the pairs that were compared and are one person were put together"]


def _interval(found: Estimate, of: Interval) -> str:
    return f"{of.estimate:6.1%}" + (f"  (95 %: {of.low:.1%} to {of.high:.1%})" if found.labelled else "")


command = label
