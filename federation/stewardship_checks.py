"""What `c360 check` says of decisions, models and labels: from their files and the crosswalk, without reading a source."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from connectors.spi.errors import C360Error, InternalError
from federation.deciding import project_decisions
from federation.findings import NOTE, Finding, problem
from federation.labelling import labels_file
from federation.resolving import engines_of
from federation.state import models_folder, project_secret
from identity.crosswalk import Crosswalk
from identity.evidence.document import MODEL, probability
from identity.evidence.reading import Pairs, StoredEvidence, evidence_of, places_with_evidence
from identity.model import KeyColumn, RecordSet
from identity.stewardship.binding import check_places
from identity.stewardship.contradictions import refuse_contradictions
from identity.stewardship.decisions import DIFFERENT, PIN, SAME, Decision
from identity.stewardship.doubts import DOUBTFUL
from identity.stewardship.labels import UNSURE, read_labels
from identity.stewardship.standing import GONE, WAITS, standing
from identity.versions.models import in_use
from views.model import Mapping

if TYPE_CHECKING:
    from federation.project import Project

LISTED = 5
"""As many decisions are named."""


def stewardship(project: Project, crosswalk: Crosswalk | None) -> Iterator[Finding]:
    """All of it. Raises nothing: what is broken is found."""
    if project.model.crosswalk is not None:
        return  # an imported crosswalk has neither
    parts: list[tuple[str, Callable[[Project, Crosswalk | None], Iterator[Finding]]]] = [
        (Path(project.model.decisions).name, _decisions), ("models", _models), (labels_file(project).name, _labels),
    ]  # fmt: skip
    for where, found in parts:
        try:
            yield from found(project, crosswalk)
        except C360Error as error:
            yield problem(error, where)


# -- decisions -------------------------------------------------------------------------------------------------------------------


def _decisions(project: Project, crosswalk: Crosswalk | None) -> Iterator[Finding]:
    active = project_decisions(project).active()
    refuse_contradictions(active)
    check_places(active, [_place(mapping) for mapping in project.model.resolved])
    if crosswalk is None or not active:
        return
    secret = project_secret(project.model)
    gone, waiting, doubted = [], [], []
    for place in places_with_evidence(crosswalk):
        evidence = evidence_of(crosswalk, *place)
        near, inside = evidence.near(), evidence.inside()
        for decision in (d for d in active if (d.entity, d.space) == place):
            stands, recs = standing(evidence, decision, secret)
            if stands == GONE:
                gone.append(decision)
            elif stands == WAITS:
                waiting.append(decision)
            elif decision.verdict != PIN and _doubted(decision, recs, near if decision.verdict == DIFFERENT else inside, evidence):
                doubted.append(decision)
    where = Path(project.model.decisions).name
    told = (
        (
            "C360_DECISION_GONE",
            gone,
            "about a record that is not in the crosswalk",
            "withdraw what is settled: `c360 decide undo ID --reason …`",
        ),
        ("C360_DECISION_WAITS", waiting, "not in force yet", "run `c360 resolve`; `c360 plan` shows what changes"),
        (
            "C360_DECISION_DOUBTED",
            doubted,
            "at odds with what the records say now",
            "look at it with `c360 why A B`; withdraw what was a mistake",
        ),
    )
    for code, found, said, hint in told:
        if found:
            yield Finding(NOTE, code, where, f"{_counted(len(found), 'decision')} {said}: {_named(found)}", hint)


def _doubted(decision: Decision, recs: Sequence[int], pairs: Pairs, evidence: StoredEvidence) -> bool:
    """Whether the pair itself is scored as the opposite."""
    if evidence.document.engine != MODEL:
        return False
    low, high = min(recs), max(recs)
    own = (np.minimum(pairs.left, pairs.right) == low) & (np.maximum(pairs.left, pairs.right) == high) & ~np.isnan(pairs.odds)
    likely = probability(pairs.odds[own])
    return bool((likely > DOUBTFUL[1]).any() if decision.verdict == DIFFERENT else (likely < DOUBTFUL[0]).any())


def _named(found: Iterable[Decision]) -> str:
    ids = [decision.id for decision in found]
    return ", ".join(ids[:LISTED]) + (f" and {len(ids) - LISTED} more" if len(ids) > LISTED else "")


def _place(mapping: Mapping) -> RecordSet:
    """A mapped table by name: what only its source can tell is not asked."""
    key = tuple(KeyColumn(name, "") for name in mapping.key)
    return RecordSet(mapping.object, mapping.space, mapping.source, mapping.table, key, (), _unread)


def _unread() -> pa.RecordBatchReader:
    raise InternalError("a table is checked by its name, and is not read")


# -- models ----------------------------------------------------------------------------------------------------------------------


def _models(project: Project, crosswalk: Crosswalk | None) -> Iterator[Finding]:
    if not project.model.models:
        return
    engines_of(project)  # raises if one does not fit
    if crosswalk is None:
        return
    now = in_use(models_folder(project))
    for name, digest in crosswalk.models.items():
        if name in now and now[name] != digest:
            said = f"the model `{name}` in use is not the one that version {crosswalk.version} was made with: the next resolve goes by it"
            yield Finding(NOTE, "C360_MODEL_CHANGED", "models", said, "`c360 plan` shows what it changes")
    for entity, space in places_with_evidence(crosswalk):
        use = evidence_of(crosswalk, entity, space).document.model
        if use is None or entity not in project.model.models:
            continue
        named = entity + (f" in {space}" if space else "")
        records = sum(t.links for t in crosswalk.links if (t.entity, t.space) == (entity, space))
        if not use.trained_on / 2 <= records <= use.trained_on * 2:
            said = f"the model of {named} was trained on {use.trained_on:,} records, and there are {records:,}"
            yield Finding(NOTE, "C360_MODEL_OUTGROWN", "models", said, f"`c360 train {entity}`, then `c360 plan`")
        if use.drift:
            factors = ", ".join(f"{d.factor} ({d.level}: {d.was:.0%} → {d.now:.0%})" for d in use.drift)
            said = f"matches of {named} are no longer as in training: {factors}"
            yield Finding(
                NOTE, "C360_MODEL_DRIFT", "models", said, f"look at the sources first; if the world is now so, `c360 train {entity}`"
            )


# -- labels ----------------------------------------------------------------------------------------------------------------------


def _labels(project: Project, crosswalk: Crosswalk | None) -> Iterator[Finding]:
    labels = [label for label in read_labels(labels_file(project)) if label.verdict != UNSURE]
    if crosswalk is None or not labels:
        return
    secret = project_secret(project.model)
    gone, wrong = 0, {SAME: 0, DIFFERENT: 0}
    for place in places_with_evidence(crosswalk):
        evidence = evidence_of(crosswalk, *place)
        for label in (x for x in labels if (x.entity, x.space) == place):
            recs = [rec for name in (label.a, label.b) if (rec := evidence.rec_of(name, secret)) is not None]
            if len(recs) < 2:
                gone += 1
            elif (len({member.id360 for member in evidence.named(recs).values()}) == 1) != (label.verdict == SAME):
                wrong[label.verdict] += 1
    where, told = labels_file(project).name, []
    told += [f"{wrong[SAME]:,} say one person where the crosswalk has two"] if wrong[SAME] else []
    told += [f"{wrong[DIFFERENT]:,} say two people where it has one"] if wrong[DIFFERENT] else []
    told += [f"{gone:,} are about records that are not in it"] if gone else []
    if told:
        hint = "`c360 report` tells what that means for all; a label decides nothing: `c360 decide` does"
        yield Finding(NOTE, "C360_LABELS_DISAGREE", where, f"of {_counted(len(labels), 'label')} {', '.join(told)}", hint)


def _counted(number: int, word: str) -> str:
    return f"{number:,} {word}{'s' * (number != 1)}"
