"""`c360 label`: ask a person about pairs that tell most, and tell how good the crosswalk is."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from federation.cli.asking import as_whom
from federation.cli.decide_command import record_of
from federation.cli.shared import App, command

if TYPE_CHECKING:
    from federation.labelling import Labelling, Question
    from federation.session import Session
    from identity.stewardship.sampling import Estimate, Interval

HIDDEN = ("id360", "source", "source_table", "key")
ANSWERS = {"y": "same", "n": "different", "?": "unsure"}


@command
@click.option("--count", type=click.IntRange(min=0), default=20, show_default=True, help="How many pairs to ask about.")
@click.option("--entity", help="Which entity (default: the first).")
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
    from federation.labelling import Labelling, export_questions, import_answers

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
    questions = labelling.questions(count, seed)
    for number, question in enumerate(questions, 1):
        for line in side_by_side(session, question):
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


def side_by_side(session: Session, question: Question) -> list[str]:
    """The two records as their sources have them now, an attribute a line; what differs is marked."""
    from federation.cli.values import plain
    from federation.labelling import live_rows

    one, other = live_rows(session, question)
    names = [n for n in dict.fromkeys([*one, *other]) if n not in HIDDEN and (one.get(n) is not None or other.get(n) is not None)]
    values = [(n, plain(one.get(n)), plain(other.get(n))) for n in names]
    label = max((len(n) for n in names), default=0)
    width = max([len(str(question.a)), *(len(v) for _, v, _ in values)])
    lines = ["", f"  {'':{label}}  {question.a!s:{width}}  {question.b}"]
    lines += [f"  {n:{label}}  {a:{width}} {' ' if a == b else '≠' if a and b else '·'}{b}" for n, a, b in values]
    return lines if one and other else [*lines, "  (one of them is not in its source any more)"]


def told(found: Estimate) -> list[str]:
    """What the labels say."""
    unsure = f", {found.unsure} that nobody could tell" if found.unsure else ""
    first = (
        f"from {found.labelled} labels{unsure}, and the scores where labels lack:"
        if found.labelled
        else "no labels yet: by the scores alone"
    )
    lines = [first, f"  precision  {_interval(found, found.precision)}  of the pairs put together are one person"]
    if found.recall is None:
        return [*lines, "  recall     not known: exact rules keep nothing of pairs that they do not link"]
    return [*lines, f"  recall     {_interval(found, found.recall)}  of the pairs that were compared and are one person were put together"]


def _interval(found: Estimate, of: Interval) -> str:
    return f"{of.estimate:6.1%}" + (f"  (95 %: {of.low:.1%} to {of.high:.1%})" if found.labelled else "")


command = label
