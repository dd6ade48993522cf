"""Resolve a project: hand identity the records of every mapped table as streams, and keep what it publishes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from collections.abc import Mapping as MappingOf
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from federation.disk import state_told
from federation.record_sets import key_columns, record_sets, stored_identifiers
from federation.shrinking import links, refuse_shrunk, told
from federation.state import models_folder, project_secret
from identity.crosswalk import Crosswalk
from identity.engines import Engines, Generic
from identity.errors import CrosswalkImport, NoModel
from identity.incremental.record_index import NoIndex
from identity.incremental.resolving import incremental
from identity.model import MatchRule, RecordSet
from identity.model_use import ModelUse
from identity.probabilistic.model import sweep
from identity.report import ResolveReport
from identity.resolve import quiet, resolve
from identity.retrain import retrain
from identity.stewardship.decision_log import read_decisions
from identity.stewardship.decisions import Decision
from identity.versions.importing import import_crosswalk
from identity.versions.models import drop_unused, put_into_use
from identity.versions.plans import Plan, apply, plan
from identity.versions.rollback import rollback
from identity.versions.store import CrosswalkStore
from views.model import Model

if TYPE_CHECKING:
    from federation.project import Project


@state_told()
def resolve_project(
    project: Project,
    progress: Callable[[str, int], None] | None = None,
    reveal: Callable[[Generic], None] | None = None,
    *,
    full: bool = False,
    allow_shrink: bool = False,
) -> ResolveReport:
    """Link the records of every mapped table by the project's rules and models, and publish a new version of the crosswalk.

    Only keys and the attributes that rules, models and stored identifiers name are read, as streams; nothing of them is kept but
    keys and identifiers. A model that is not there yet is trained and kept. A project that names an existing crosswalk
    (`identity.import`) has that published instead. With `identity.incremental` only what changed is matched anew, unless that cannot
    be done (the report says why) or `full` is asked for. Unless `allow_shrink`, nothing is published if a table has lost more than
    `identity: max_shrink` of its records (SourceShrunk). `reveal` is shown each value that was found to be nobody's. Raises what
    identity and the sources raise; the crosswalk in use stays until the new one is complete.
    """
    if project.model.crosswalk is not None:
        return _imported(project, project.store.within(partial(_around, project, None, allow_shrink)), progress)
    decisions = read_decisions(project.model.decisions).active()
    sweep(models_folder(project))
    engines = engines_of(project)
    before = links(project.store.current())
    store = project.store.within(partial(_around, project, engines, allow_shrink))
    report, why = _incremental(project, store, engines, decisions, progress) if project.model.incremental and not full else (None, "")
    if report is None:
        options = _options(project, progress)
        parts = _records(project, store)
        report = resolve(*parts, engines=engines, decisions=decisions, index=project.model.incremental, **options)
        report = replace(report, whole_because=why)
    now = {(s.entity, s.space, s.source, s.table): s.records for s in report.sources}
    report = replace(report, shrunk=told(project, now, before))
    if any(use.trained for use in report.models):
        drop_unused(project.store, {})
    if reveal is not None:
        for generic in engines.findings.generic:
            reveal(generic)
    project.forget_plans()
    return report


def _incremental(
    project: Project, store: CrosswalkStore, engines: Engines, decisions: tuple[Decision, ...], progress: Callable[[str, int], None] | None
) -> tuple[ResolveReport | None, str]:
    """The report of an incremental resolve; or None, and why everything has to be resolved."""
    try:
        return incremental(*_records(project, store), engines=engines, decisions=decisions, **_options(project, progress)), ""
    except NoIndex as cause:
        return None, str(cause)


@state_told()
def plan_project(project: Project, progress: Callable[[str, int], None] | None = None) -> Plan:
    """Resolve into a draft that does not serve, and tell what it would change. Raises what `resolve_project` raises."""
    if project.model.crosswalk is not None:
        raise CrosswalkImport("a project that imports its crosswalk has nothing to plan", hint="`c360 resolve` publishes the import")
    engines = engines_of(project)
    decisions = read_decisions(project.model.decisions)
    made = plan(
        *_records(project, project.store),
        engines=engines,
        decisions=decisions,
        index=project.model.incremental,
        **_options(project, progress),
    )
    if engines.findings.fresh:
        drop_unused(project.store, made.models)
    return made


@state_told()
def train_project(project: Project, entity: str | None = None, progress: Callable[[str, int], None] | None = None) -> tuple[ModelUse, ...]:
    """Train the model of an entity (default: of all that have one) anew; the next resolve goes by it. The one before is kept beside it.

    Raises NoModel, and what resolving raises; then the model stays as it is.
    """
    models = project.model.models
    if not models or entity not in (*models, None):
        named = f"`{entity}` has no" if entity else "no entity has a"
        raise NoModel(f"{named} model to train", hint="write `model: standard` under the entity in `identity:`")
    sweep(models_folder(project))
    chosen = [s for s in record_sets(project) if s.entity in models and entity in (s.entity, None)]
    engines = replace(_engines(project.model, models_folder(project)), anew=True)
    memory = f"{project.memory >> 20}MiB"
    return retrain(chosen, project.model.rules, project.store, engines, progress=progress or quiet, memory_limit=memory)


@state_told()
def apply_project(project: Project) -> Plan:
    """Publish exactly the draft of the plan that waits. Raises NoPlan, StalePlan, PlanDamaged, ResolveRunning; then nothing has changed."""
    done = apply(project.store, read_decisions(project.model.decisions), models_folder(project))
    project.forget_plans()
    return done


@state_told()
def rollback_project(project: Project, to: int | None = None) -> Crosswalk:
    """Let an earlier version's links serve again, as a new version; by default those of the version before. The models that it was made
    with are in use again.

    See identity.versions.rollback.
    """
    restored = rollback(project.store, to, memory_limit=f"{project.memory >> 20}MiB", models=models_folder(project))
    project.forget_plans()
    return restored


def _records(
    project: Project, store: CrosswalkStore
) -> tuple[list[RecordSet], MappingOf[str, tuple[MatchRule, ...]], CrosswalkStore, bytes]:
    """What is resolved, by which rules, into what, under which secret."""
    return record_sets(project), project.model.rules, store, project_secret(project.model)


def engines_of(project: Project) -> Engines:
    """The engine of each entity. Raises ModelMismatch if a trained model is one for other attributes: before any source is asked.

    A model file that is missing is brought back, if the crosswalk that serves was made with one.
    """
    model = project.model
    if model.models and (current := project.store.current()) is not None:
        missing = {name: d for name, d in current.models.items() if not (models_folder(project) / f"{name}.json").exists()}
        put_into_use(project.store, models_folder(project), missing)
    engines = _engines(model, models_folder(project))
    engines.check((m.object, m.space) for m in model.resolved)
    return engines


def _engines(model: Model, folder: Path) -> Engines:
    once, at_most = model.one_per_source, model.at_most
    return Engines(project_secret(model), model.models, folder, once=once, at_most=at_most, households=model.households)


@contextmanager
def _around(project: Project, engines: Engines | None, allow_shrink: bool, file: Path) -> Iterator[None]:
    """While the version in `file` comes to serve: it has lost nothing unasked, and what was trained for it is kept with it. Killed before,
    neither is in use; killed between the two, the next resolve finds the model with the version. Raises: SourceShrunk, and what the disk
    says; then nothing was published."""
    if not allow_shrink:
        refuse_shrunk(project, file)
    with ExitStack() as models:
        if engines is not None:
            with state_told():
                models.enter_context(engines.saving())
        yield


def _options(project: Project, progress: Callable[[str, int], None] | None) -> dict[str, Any]:
    return {"identifiers": stored_identifiers(project.model), "progress": progress, "memory_limit": f"{project.memory >> 20}MiB"}


def _imported(project: Project, store: CrosswalkStore, progress: Callable[[str, int], None] | None) -> ResolveReport:
    """Publish the project's existing crosswalk instead of resolving."""
    model = project.model
    keys = {(m.source, m.table): key_columns(project, m) for m in model.resolved}
    report = import_crosswalk(store, Path(str(model.crosswalk)), project_secret(model), keys=keys, progress=progress)
    project.forget_plans()
    return report
