"""Turn a model into the views that one principal may see: mappings become branches, policies become part of the facts."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from functools import cached_property

from sqlglot import exp

from views import model
from views.branches import LINEAGE, RAW, bare_branch, substitute
from views.households import VIEW_TYPES, view_name
from views.model import Model, ObjectType, Policy
from views.placeholders import placeholders
from views.relations import PROVENANCE, Branch, Links, Members, Records, Survived, View

RECORD = "_record"
TIMELINE = "timeline"
CROSSWALK = "crosswalk"
TIMELINE_TYPES = {"id360": "BIGINT", "at": "TIMESTAMP", "kind": "VARCHAR", "source": "VARCHAR", "summary": "VARCHAR", "details": "VARCHAR"}
CROSSWALK_TYPES = {
    "id360": "BIGINT",
    "entity": "VARCHAR",
    "space": "VARCHAR",
    "source": "VARCHAR",
    "source_table": "VARCHAR",
    "key": "VARCHAR",
}


class Views:
    """All views of a model for a principal's `roles` and `purpose`. Made once per (roles, purpose); views are built on demand."""

    def __init__(self, project: Model, roles: frozenset[str], purpose: str | None) -> None:
        self.model = project
        self.policies = tuple(p for p in project.policies if p.binds(roles, purpose))
        self._built: dict[str, View] = {}

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Every unified view with something behind it, in the order of the catalog; closed ones included."""
        return tuple(self._makers)

    def get(self, name: str) -> View | None:
        """The view of that name, or None if there is none. Ask `closed` first."""
        if name not in self._built and name in self._makers:
            self._built[name] = self._makers[name]()
        return self._built.get(name)

    def closed(self, name: str) -> str:
        """Why this principal may not read the view at all, naming the policy, or '' if it may.

        A filter on an entity closes what would show its rows by another door: the records, the crosswalk and the raw tables,
        unless a policy governs that door itself.
        """
        for policy in self.policies:
            if name in policy.objects and policy.deny:
                return f"policy `{policy.name}` denies it"
        governed = any(name in p.objects for p in self.policies)
        for policy in self.policies:
            if why := self._evades(policy, name, governed):
                return why
        return self._shown_by_keys() if name == CROSSWALK and not governed else ""

    def _evades(self, policy: Policy, name: str, governed: bool) -> str:
        """How a view would show what a policy hides elsewhere, or ''. `governed`: some policy is about the view itself."""
        if name.startswith(RAW + "."):
            return f"policy `{policy.name}` binds you, and raw tables would get around it"
        if policy.deny and any(name == view_name(entity) and entity in policy.objects for entity in self.model.households):
            return f"policy `{policy.name}` denies the people that `{name}` would show"
        if governed or (policy.filter is None and not policy.deny):
            return ""
        if name == CROSSWALK and self._entities & set(policy.objects):
            return f"policy `{policy.name}` hides rows, and the crosswalk would show that they exist"
        if name.endswith(RECORD) and name.removesuffix(RECORD) in policy.objects:
            return f"policy `{policy.name}` hides rows of `{name.removesuffix(RECORD)}`; give `{name}` a policy of its own"
        return ""

    def _shown_by_keys(self) -> str:
        """How the keys in the crosswalk would show what a mask covers, or ''."""
        for mapping in self.model.mappings:
            if mapping.object in self._entities and self._masks_key(mapping.key, mapping.attributes, (mapping.object,)):
                return f"a policy masks what `{mapping.source}.{mapping.table}` is keyed by, and the crosswalk would show it"
        return ""

    @cached_property
    def _entities(self) -> frozenset[str]:
        return frozenset(o.name for o in self.model.objects.values() if o.entity)

    @cached_property
    def _makers(self) -> Mapping[str, Callable[[], View]]:
        makers: dict[str, Callable[[], View]] = {}
        mapped = {m.object for m in self.model.mappings}
        for thing in self.model.objects.values():
            if thing.name not in mapped:
                continue
            if thing.entity:
                makers[thing.name] = lambda thing=thing: self._survived(thing)  # type: ignore[misc]
                makers[thing.name + RECORD] = lambda thing=thing: self._entity_records(thing)  # type: ignore[misc]
            else:
                makers[thing.name] = lambda thing=thing: self._records(thing)  # type: ignore[misc]
        if any(o.timeline and o.name in mapped for o in self.model.objects.values()):
            makers[TIMELINE] = self._timeline
        for entity in self.model.households:
            if entity in mapped:
                makers[view_name(entity)] = lambda entity=entity: self._members(self.model.objects[entity])  # type: ignore[misc]
        makers[CROSSWALK] = lambda: Links(CROSSWALK, CROSSWALK_TYPES, comment="Which source records belong to which id360.")
        return makers

    # -- the views -------------------------------------------------------------------------------------------------------

    def _records(self, thing: ObjectType) -> Records:
        types = _types(thing)
        branches = tuple(self._guard(b, types, (thing.name,)) for b in self._branches(thing))
        return Records(thing.name, {**types, **dict.fromkeys(LINEAGE, "VARCHAR")}, branches, frozenset(LINEAGE), thing.description)

    def _entity_records(self, thing: ObjectType) -> Records:
        """One row per source record. Masks of the entity hold here too; filters must be given for this view itself."""
        name = thing.name + RECORD
        visible = {"id360": "BIGINT", "source": "VARCHAR", "source_table": "VARCHAR", "key": "VARCHAR"}
        types = {**visible, **{a: t for a, t in _types(thing).items() if a != "id360"}}
        branches = []
        for branch in self._branches(thing):
            lineage = dict(zip(("source", "source_table", "key"), (branch.columns[c] for c in LINEAGE), strict=True))
            renamed = replace(branch, columns={**branch.columns, **lineage})
            branches.append(self._guard(renamed, types, (name,), (thing.name,)))
        return Records(name, types, tuple(branches), comment=f"One row per source record of `{thing.name}`.")

    def _survived(self, thing: ObjectType) -> Survived:
        attributes = _types(thing)
        base = Records(thing.name + RECORD, attributes, tuple(self._keys_hidden(b, (thing.name,)) for b in self._branches(thing)))
        types = {**attributes, "records": "BIGINT", "last_updated_at": "TIMESTAMP"}
        hidden = {f"{a}__{p}": ("TIMESTAMP" if p == "as_of" else "VARCHAR") for a in attributes if a != "id360" for p in PROVENANCE}
        rules = self.model.survivorship.get(thing.name) or model.Survivorship(thing.name)
        filters, masks = self._policies_on((thing.name,))
        masks = {a: exp.cast(mask, attributes[a]) for a, mask in masks.items() if a in attributes}
        lineage = [f"{a}__{p}" for a in masks for p in PROVENANCE]  # it would tell whether there is a value, whose, and how old
        masks |= {name: exp.cast(exp.null(), hidden[name]) for name in lineage}
        if rules.updated_at in masks:
            masks["last_updated_at"] = exp.cast(exp.null(), "TIMESTAMP")
        combined = exp.and_(*filters) if filters else None
        nobodys = placeholders(self.model, thing)
        return Survived(thing.name, {**types, **hidden}, base, rules, nobodys, combined, masks, frozenset(hidden), thing.description)

    def _members(self, thing: ObjectType) -> Members:
        people = self._survived(thing)
        said = f"Who lives together: one row per `{thing.name}` who is of a household of two or more."
        return Members(view_name(thing.name), VIEW_TYPES, thing.name, people if people.filter is not None else None, comment=said)

    def _timeline(self) -> Records:
        branches: list[Branch] = []
        for thing in self.model.objects.values():
            entry = thing.timeline
            if entry is None or any(p.deny and thing.name in p.objects for p in self.policies):
                continue
            for branch in self._branches(thing):
                seen = self._guard(branch, _types(thing), (thing.name,))
                details = exp.Struct(
                    expressions=[exp.PropertyEQ(this=exp.to_identifier(a), expression=exp.column(a)) for a in entry.details]
                )
                columns = {
                    "at": exp.column(entry.at),
                    "kind": exp.Literal.string(entry.kind),
                    "summary": entry.summary,
                    "details": exp.cast(exp.Anonymous(this="to_json", expressions=[details]), "VARCHAR"),
                }
                true, put = ({n: substitute(e, b.columns) for n, e in columns.items()} | _placed(b, thing) for b in (branch, seen))
                kept = self._filter(replace(seen, columns=true), (TIMELINE,))
                branches.append(self._mask(replace(kept, columns=put), TIMELINE_TYPES, (TIMELINE,)))
        hidden = ("_object", "_key")
        types = {**TIMELINE_TYPES, **dict.fromkeys(hidden, "VARCHAR")}
        return Records(TIMELINE, types, tuple(branches), frozenset(hidden), "What happened: one row per order, case, message and so on.")

    # -- branches and policies -------------------------------------------------------------------------------------------

    def _branches(self, thing: ObjectType) -> Iterable[Branch]:
        return (bare_branch(self.model, mapping) for mapping in self.model.mappings_of(thing.name))

    def _policies_on(self, objects: tuple[str, ...]) -> tuple[list[exp.Expr], dict[str, exp.Expr]]:
        bound: list[Policy] = [p for p in self.policies if set(objects) & set(p.objects)]
        masks: dict[str, exp.Expr] = {}
        for policy in bound:  # the first mask of an attribute wins: policies are in the order of the file
            masks = {**policy.masks, **masks}
        return [p.filter for p in bound if p.filter is not None], masks

    def _guard(self, branch: Branch, types: Mapping[str, str], objects: tuple[str, ...], masked_as: tuple[str, ...] = ()) -> Branch:
        """Put the policies on `objects` into the branch: filters over the true values, then masks (of `masked_as` too) instead of
        the columns, as values of the columns' types."""
        return self._mask(self._filter(branch, objects), types, (*objects, *masked_as))

    def _filter(self, branch: Branch, objects: tuple[str, ...]) -> Branch:
        filters, _ = self._policies_on(objects)
        return replace(branch, where=(*branch.where, *(substitute(f, branch.columns) for f in filters)))

    def _mask(self, branch: Branch, types: Mapping[str, str], objects: tuple[str, ...]) -> Branch:
        _, masks = self._policies_on(objects)
        shown = {name: exp.cast(substitute(mask, branch.columns), types[name]) for name, mask in masks.items() if name in types}
        return replace(branch, columns={**self._keys_hidden(branch, objects).columns, **shown})

    def _keys_hidden(self, branch: Branch, objects: tuple[str, ...]) -> Branch:
        """Where a table is keyed by what a mask covers (an e-mail), its key shows under no other name either."""
        if not self._masks_key(branch.key, branch.columns, objects):
            return branch
        own = {o.key for o in self.model.objects.values() if o.name == branch.label}
        names = [n for n in branch.columns if n in own or n in ("_key", "key")]
        return replace(branch, columns={**branch.columns, **{n: exp.cast(exp.null(), "VARCHAR") for n in names}})

    def _masks_key(self, key: tuple[str, ...], columns: Mapping[str, exp.Expr], objects: tuple[str, ...]) -> bool:
        keyed = {k.lower() for k in key}
        masked = (columns[name] for name in self._policies_on(objects)[1] if name in columns)
        return any(c.name.lower() in keyed for expression in masked for c in expression.find_all(exp.Column))


def _placed(branch: Branch, thing: ObjectType) -> dict[str, exp.Expr]:
    """Where an event of the timeline comes from."""
    return {"source": branch.columns["_source"], "_key": branch.columns["_key"], "_object": exp.Literal.string(thing.name)}


def _types(thing: ObjectType) -> dict[str, str]:
    owner = {"id360": "BIGINT"} if thing.entity or thing.of else {}
    return owner | {a.name: ("VARCHAR" if a.type == "JSON" else a.type) for a in thing.attributes.values()}
