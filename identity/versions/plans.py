"""Plan, look, apply: a resolve whose result is kept beside the crosswalk and serves only when somebody says so.

DIR/plan-000008.duckdb   the draft: exactly the version that `apply` publishes
DIR/plan-000008.json     what it would change, upon which version, and the draft's checksum; holds ids and counts, no keys
DIR/index-000008.duckdb  where asked for: what the resolve after `apply` builds upon (identity.incremental.record_index)

There is one plan at a time; a new one replaces it. It can be applied while the version that it builds upon serves.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from connectors.spi.errors import C360Error
from identity.errors import NoPlan, PlanDamaged, StalePlan
from identity.model import MatchRule, RecordSet
from identity.report import ResolveReport
from identity.resolve import Resolved, resolve
from identity.risk import RiskyMerge
from identity.stewardship.decisions import Decisions
from identity.versions.changes import VersionChanges, changes
from identity.versions.models import in_use, kept, put_into_use
from identity.versions.store import CrosswalkStore, sync


@dataclass(frozen=True, slots=True)
class Plan:
    """What applying would do. `base` is the version that it builds upon, None for none; `decisions` the digest of those it honours;
    `size` and `sha256` are of the draft, `models` the digests of the models that it was made with; `index` is the SHA-256 of the index that
    was made with it, "" if none was. `riskiest` are at most ten merges, worst first."""

    version: int
    base: int | None
    made_at: datetime
    decisions: str
    size: int
    sha256: str
    report: ResolveReport
    changes: VersionChanges
    riskiest: tuple[RiskyMerge, ...]
    models: dict[str, str] = field(default_factory=dict)
    index: str = ""


def plan(
    records: Sequence[RecordSet],
    rules: Mapping[str, tuple[MatchRule, ...]],
    store: CrosswalkStore,
    secret: bytes,
    *,
    decisions: Decisions | None = None,
    **options: Any,
) -> Plan:
    """Resolve into a draft that does not serve. `options` are those of `resolve`. Raises: what `resolve` raises."""
    made: list[Plan] = []
    decided = decisions or Decisions()
    now = datetime.now(UTC)
    active = decided.active(now)

    def keep(done: Resolved, file: Path) -> None:
        made.append(_keep(store, done, file, decided.digest(now), now))

    resolve(records, rules, store, secret, decisions=active, instead=keep, **options)
    return made[0]


def pending(store: CrosswalkStore) -> Plan:
    """The plan that waits. Raises: NoPlan, PlanDamaged."""
    files = sorted(store.directory.glob("plan-*.json"))
    if not files:
        raise NoPlan("there is no plan", hint="make one with `c360 plan`")
    try:
        return msgspec.json.decode(files[-1].read_bytes(), type=Plan)
    except (OSError, msgspec.DecodeError, UnicodeDecodeError) as cause:
        raise _damaged(files[-1]) from cause


def apply(store: CrosswalkStore, decisions: Decisions | None = None, models: Path | None = None) -> Plan:
    """Publish the draft of the plan that waits: the old version serves, or the new one, never a part. What models it was made with come
    into use in the folder `models`.

    Raises: NoPlan; StalePlan, if another version serves than the plan builds upon, other decisions hold, or another model was trained
    meanwhile; PlanDamaged; ResolveRunning. Nothing has changed then. Interrupted, it can be called again.
    """
    with store.locked():
        found = pending(store)
        _refuse_stale(store, found, decisions or Decisions(), in_use(models) if models else {})
        draft, told = _files(store, found.version)
        file = draft if draft.is_file() else store.path(found.version)  # a power cut came between the file's name and the pointer
        _verify(store, found, file)
        for digest in found.models.values():
            if models and not kept(store, digest).is_file():
                raise _damaged(kept(store, digest))
        if models:
            put_into_use(store, models, found.models)  # before: interrupted now, the next `apply` goes on
        index = store.index_path(found.version)
        if index.is_file() and _digest(index) != found.index:  # of a later plan, which came to no end
            index.unlink()
        store.publish(file, found.version)
        told.unlink(missing_ok=True)
    return found


def _keep(store: CrosswalkStore, done: Resolved, file: Path, decisions: str, now: datetime) -> Plan:
    """Put draft and report in their places. Under the lock; the report comes last, for a draft without one is swept."""
    new = store.open(file)
    new.attach(done.con, "new")
    found = changes(done.con, done.draft.previous, new)
    done.con.execute("DETACH new")
    base = done.draft.previous.version if done.draft.previous else None
    index = store.index_path(new.version)
    made = Plan(
        new.version, base, now, decisions, file.stat().st_size, _digest(file), done.report, found, done.risky, new.models,
        _digest(index) if index.is_file() else "",
    )  # fmt: skip
    for old in store.directory.glob("plan-*"):
        old.unlink()
    draft, told = _files(store, made.version)
    file.replace(draft)
    written = store.directory / ".plan.tmp"
    written.write_bytes(msgspec.json.format(msgspec.json.encode(made), indent=1) + b"\n")
    sync(written)
    written.replace(told)
    sync(store.directory)
    return made


def _refuse_stale(store: CrosswalkStore, found: Plan, decisions: Decisions, models: Mapping[str, str]) -> None:
    current = store.current()
    serves = current.version if current else None
    hint = "plan again: `c360 plan`"
    if serves != found.base:
        raise StalePlan(f"the plan builds upon version {found.base or 'none'}, but version {serves or 'none'} serves now", hint=hint)
    if decisions.digest() != found.decisions:
        raise StalePlan("other decisions hold than when the plan was made", hint=hint)
    for name in found.models.keys() & models.keys():
        if found.models[name] != models[name]:
            raise StalePlan(f"the model `{name}` is not the one that the plan was made with: it was trained anew", hint=hint)


def _verify(store: CrosswalkStore, found: Plan, file: Path) -> None:
    try:
        whole = store.open(file) if file.stat().st_size == found.size and _digest(file) == found.sha256 else None
    except (OSError, C360Error) as cause:
        raise _damaged(file) from cause
    if whole is None:
        raise _damaged(file)
    if whole.key != store.encryption_key:
        raise StalePlan("the plan was made under another encryption key", hint="plan again: `c360 plan`")


def _files(store: CrosswalkStore, version: int) -> tuple[Path, Path]:
    return store.directory / f"plan-{version:06d}.duckdb", store.directory / f"plan-{version:06d}.json"


def _digest(file: Path) -> str:
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def _damaged(file: Path) -> PlanDamaged:
    return PlanDamaged(f"{file.name} is missing, incomplete or corrupt; nothing was applied", hint="plan again: `c360 plan`")
