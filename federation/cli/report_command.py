"""`c360 report`: how good the crosswalk is, and where it may be wrong."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from federation.cli.asking import record_of
from federation.cli.shared import App, command

if TYPE_CHECKING:
    from identity.stewardship.condition import Condition
    from identity.stewardship.sampling import Estimate


@command
@click.option("--html", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE", help="Write the report as one page with pictures.")
@click.option(
    "--labels",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    metavar="FILE",
    help="A CSV of who is who (record, person), or of more labels (a, b, verdict).",
)
@click.option("--output", "-o", type=click.Choice(["text", "json"]), default="text", help="What to print on stdout.")
@click.pass_obj
def report(app: App, html: Path | None, labels: Path | None, output: str) -> None:
    """Report how good the crosswalk is, and where it may be wrong.

    It holds counts, scores and id360s; no key and no value of a record.
    """
    from federation.label_files import quality

    project = app.project()

    def left_out(lost: int, lines: int) -> None:
        app.say(f"{lost:,} of {lines:,} lines of {labels} are about records that are not in the crosswalk; they were left out")

    found = quality(project, labels, lambda text: record_of(project, text), left_out)
    if html is not None:
        from datetime import UTC, datetime

        from federation.pages import write_page
        from federation.quality_page import quality_page

        write_page(html, quality_page(project.model.name, datetime.now(UTC), found))
        app.say(f"written: {html}")
    if output == "json":
        import msgspec

        told = [{"condition": condition, "estimate": estimate} for condition, estimate in found]
        click.echo(msgspec.json.format(msgspec.json.encode(told), indent=2).decode())
        return
    for condition, estimate in found:
        for line in lines(condition, estimate):
            click.echo(line)


def lines(found: Condition, estimate: Estimate | None) -> list[str]:
    """One entity for people."""
    place = f"{found.entity}{f' in {found.space}' if found.space else ''}"
    whom = "people" if found.entity == "individual" else f"{found.entity}s"
    said = [f"{place}: {found.records:,} records are {found.persons:,} {whom} (version {found.version}); the largest has {found.largest:,}"]
    from federation.quality_page import as_of

    if of := as_of(found):
        said.append(f"  {of}")
    if found.precision is not None:
        recall = f", recall {found.recall:.2%} of what was compared" if found.recall is not None else ""
        said.append(f"  by the scores: precision {found.precision:.2%}{recall}")
    if estimate is not None and estimate.labelled:
        from federation.cli.label_command import told

        said += [f"  {line}" for line in told(estimate)]
    for name, score in (("pairwise", found.judged.pairwise), ("B-cubed", found.judged.bcubed)) if found.judged else ():
        said += [f"  {name:9} P {score.precision:.3f}  R {score.recall:.3f}  F1 {score.f1:.3f}  over what is labelled"] if score else []
    said += [f"  ! {fit.told}" for fit in found.fits if fit.told]
    said += [f"  may be several: {s.id360} ({s.records:,} records) {s.why}" for s in found.over_merged[:5]]
    said += [f"  may be one: {s.id360} and {s.other}, {s.why}" for s in found.over_split[:5]]
    return said


command = report
