"""Load a project file: everything that can be checked without a live source is checked, and the Model is frozen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import msgspec

from identity.model import AtMost, Households, MatchModel, MatchRule
from views import rules
from views.checker import checked, rest
from views.errors import Problems, WrongValue, raise_together
from views.fields import EntityFields, IdentityFields, ProjectFields, SourceFields
from views.households import households, view_name
from views.mappings import build_mappings, check_timezone
from views.match_models import at_most, match_model
from views.model import Mapping, Model, SourceConfig, Survivorship
from views.objects import project_objects
from views.project_file import Node, read_project
from views.secrets import Secret, options, secret

FILE = "c360.yml"


def load(path: str | Path = FILE) -> Model:
    """The project of a `c360.yml` (or of the directory that holds one), with all that it includes. Contacts no source.

    Raises ProjectFile or a class under it (see `views.errors`): one problem as itself, several together. A `${env:NAME}` that is
    not set is no problem here; whoever reads the option that needs it gets MissingSecret.
    """
    file = Path(path)
    if file.is_dir():
        file = file / FILE
    unmatched: list[str] = []
    root = read_project(file, str(file), unmatched)
    fields = checked(root, ProjectFields)
    problems = Problems()
    model = _model(fields, root, file.resolve().parent, problems)
    raise_together(problems.found)
    return replace(model, unmatched=tuple(unmatched))


def _model(fields: ProjectFields, root: Node, directory: Path, problems: Problems) -> Model:
    objects = project_objects(fields.objects, root.find("objects"), problems)
    sources = _sources(fields, root, str(directory), problems)
    mappings = build_mappings(fields.mappings, root.find("mappings"), objects, sources, problems)
    mapped = {entity for m in mappings if (entity := objects[m.object].entity)}
    survivorship = {
        name: rules.survivorship(name, entry, root.find("survivorship", name), objects, sources, problems)
        for name, entry in fields.survivorship.items()
    }
    matching = _matching(root, objects, mappings, mapped, problems)
    return Model(
        name=fields.name,
        root=str(directory),
        state=str((directory / fields.state).resolve()),  # as DuckDB names its files, symlinks and all
        sources=sources,
        objects=objects,
        mappings=mappings,
        survivorship={entity: Survivorship(entity) for entity in sorted(mapped)} | survivorship,
        rules=matching.rules,
        models=matching.models,
        one_per_source=matching.one_per_source,
        at_most=matching.at_most,
        households=matching.households,
        policies=rules.policies(fields.policies, root.find("policies"), objects, problems, map(view_name, matching.households)),
        principals={name: tuple(roles) for name, roles in fields.principals.items()},
        secret=_identity_secret(root, "secret", directory, problems),
        encryption_key=_identity_secret(root, "encryption_key", directory, problems),
        former_encryption_key=_identity_secret(root, "former_encryption_key", directory, problems),
        crosswalk=str(directory / fields.identity.import_) if fields.identity.import_ else None,
        decisions=str(directory / fields.identity.decisions),
        incremental=fields.identity.incremental,
        keep_versions=fields.identity.keep_versions,
        max_shrink=fields.identity.max_shrink,
        settings=rules.settings(fields.settings, root.find("settings"), problems),
    )


def _sources(fields: ProjectFields, root: Node, directory: str, problems: Problems) -> dict[str, SourceConfig]:
    found = {}
    for name, entry in fields.sources.items():
        node = root.find("sources", name)
        with problems.collect():
            check_timezone(entry.timezone, node.find("timezone"))
        given = options(rest(node, SourceFields), f"source `{name}`", directory, problems)
        found[name] = SourceConfig(name, entry.kind, given, entry.timezone, node.key())
    return found


@dataclass(frozen=True, slots=True)
class _Matching:
    """What `identity:` says, per entity."""

    rules: dict[str, tuple[MatchRule, ...]]
    models: dict[str, MatchModel] = field(default_factory=dict)
    one_per_source: dict[str, tuple[str, ...]] = field(default_factory=dict)
    at_most: dict[str, tuple[AtMost, ...]] = field(default_factory=dict)
    households: dict[str, Households] = field(default_factory=dict)


def _matching(root: Node, objects: rules.Objects, mappings: Sequence[Mapping], mapped: set[str], problems: Problems) -> _Matching:
    found = _Matching(dict.fromkeys(sorted(mapped), ()))
    if "identity" in root.value:
        for entity, node in rest(root.find("identity"), IdentityFields).items():
            with problems.collect():
                fields = msgspec.convert(node.plain(), EntityFields)
                object_ = rules.entity_object(entity, objects, node)
                found.rules[entity] = rules.match_rules(object_, fields, node, problems)
                if model := match_model(object_, fields, node, mappings, found.rules[entity], problems):
                    found.models[entity] = model
                if sources := rules.one_per_source(object_, fields, node, mappings, problems):
                    found.one_per_source[entity] = sources
                if limits := at_most(object_, fields, node, mappings, found.rules[entity], found.models.get(entity), problems):
                    found.at_most[entity] = limits
                if grouped := households(object_, fields, node, objects, problems):
                    found.households[entity] = grouped
    return found


def _identity_secret(root: Node, name: str, directory: Path, problems: Problems) -> Secret | None:
    node = root.find("identity")
    if not isinstance(node.value, dict) or name not in node.value:
        return None
    found = secret(node.find(name), name, f"identity `{name}`", str(directory), problems, must_refer=True)
    if not isinstance(found, Secret) and not problems.found:
        problems.add(WrongValue(f"`{name}` is empty", node.find(name).at, hint="write ${env:NAME}"))
    return found if isinstance(found, Secret) else None
